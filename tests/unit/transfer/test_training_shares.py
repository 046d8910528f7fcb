"""Micro-batches and processes: what is dealt, and that it adds up to the batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from transfer.config import Schedule, TrainConfig
from transfer.data import Portraits
from transfer.errors import ConfigError
from transfer.networks.discriminator import Discriminator, minibatch_stddev
from transfer.networks.generator import Generator
from transfer.training.shares import group_size, micro_batches, shares
from transfer.training.state import TrainState
from transfer.training.step import Trainer

Networks = tuple[Generator, Discriminator]
EVERYTHING = {"style_mixing": 0.7, "path_length": 2.0, "path_length_every": 2, "r1_every": 3, "ada_kimg": 0.1}


@given(st.integers(2, 64), st.integers(1, 8), st.integers(1, 8))
def test_shares_are_the_batch_in_equal_parts(batch: int, group: int, count: int) -> None:
    groups = batch // group_size(batch, group)
    if groups % count:
        with pytest.raises(ConfigError, match="multiple of"):
            shares(batch, group, count)
        return
    dealt = shares(batch, group, count)
    assert sorted(place for share in dealt for place in share) == list(range(batch))
    assert {len(share) for share in dealt} == {batch // count}


@given(st.integers(2, 24), st.integers(1, 6), st.integers(1, 6))
def test_a_share_compares_the_samples_the_batch_compares(batch: int, group: int, count: int) -> None:
    if batch // group_size(batch, group) % count:
        return
    x = torch.randn(batch, 2, 4, 4, generator=torch.manual_seed(batch))
    whole = minibatch_stddev(x, group)
    for share in shares(batch, group, count):
        assert torch.allclose(minibatch_stddev(x[share], group), whole[share])


@given(st.integers(2, 64), st.integers(1, 8), st.integers(1, 4), st.integers(0, 16))
def test_micro_batches_are_as_few_as_the_limit_allows(batch: int, group: int, processes: int, limit: int) -> None:
    try:
        count = micro_batches(batch, group, processes, limit)
    except ConfigError:
        return
    size = len(shares(batch, group, processes * count)[0])
    assert size <= (limit or batch)
    for fewer in range(1, count):
        groups = batch // group_size(batch, group)
        assert groups % (processes * fewer) or batch // (processes * fewer) > limit


def test_less_than_a_group_at_once_is_refused() -> None:
    with pytest.raises(ConfigError, match="the 4 images"):
        micro_batches(8, 4, 1, 3)


def steps(networks: Networks, portraits: Portraits, count: int, *, micro_batch: int, **settings: object) -> TrainState:
    """The state after ``count`` steps from the networks' weights, which stay as they are."""
    generator, discriminator = Generator(networks[0].spec), Discriminator(networks[0].spec)
    for new, old in zip((generator, discriminator), networks, strict=True):
        new.load_state_dict(old.state_dict())
    with torch.no_grad():
        for conv in generator.synthesis.styled_convs():
            conv.noise_strength.fill_(0.1)
    config = TrainConfig(batch=8, **settings)  # type: ignore[arg-type]
    state = TrainState.start(generator, discriminator, config, torch.device("cpu"))
    trainer = Trainer(state, portraits, config, schedule=Schedule(kimg=1, micro_batch=micro_batch))
    for _ in range(count):
        trainer.step()
    return state


def difference(a: torch.nn.Module, b: torch.nn.Module) -> float:
    """Of all weights, relative to their norm."""
    flat = [torch.cat([weights.detach().flatten() for weights in network.parameters()]) for network in (a, b)]
    return float((flat[0] - flat[1]).norm() / flat[0].norm())


@pytest.mark.parametrize("augment", [("ada",), ("colour", "translation")])
def test_micro_batches_take_the_steps_of_the_batch(
    tiny_networks: Networks, portraits: Portraits, augment: tuple[str, ...]
) -> None:
    whole, parts = (
        steps(tiny_networks, portraits, 4, micro_batch=size, augment=augment, **EVERYTHING) for size in (8, 4)
    )
    assert difference(whole.generator, tiny_networks[0]) > 1e-4
    for name in ("generator", "discriminator", "g_ema"):
        assert difference(getattr(whole, name), getattr(parts, name)) < 1e-5
    assert torch.allclose(whole.generator.mapping.w_avg, parts.generator.mapping.w_avg, rtol=1e-4, atol=1e-6)
    assert parts.measured.path_length == pytest.approx(whole.measured.path_length, rel=1e-4)
    assert parts.measured.ada_p == whole.measured.ada_p
