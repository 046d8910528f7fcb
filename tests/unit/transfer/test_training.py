"""Training: the games' analytic cases, determinism, resume, and that a step moves what it should."""

import json
from pathlib import Path

import pytest
import torch

from transfer.config import Schedule, TrainConfig
from transfer.data import Portraits
from transfer.errors import ConfigError, NonFiniteLossError
from transfer.losses.adversarial import discriminator_loss, generator_loss, r1_penalty
from transfer.losses.terms import consistency_terms
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.training.sinks import LossLog, nearest_pictures
from transfer.training.state import TrainState
from transfer.training.step import Source, Trainer

CPU = torch.device("cpu")
Networks = tuple[Generator, Discriminator]


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def trainer(networks: Networks, portraits: Portraits, config: TrainConfig, source: Source | None = None) -> Trainer:
    return Trainer(TrainState.start(*networks, config, CPU), portraits, config, source)


def test_losses_at_known_logits() -> None:
    zero = torch.zeros(4, 1)
    assert float(generator_loss(zero)) == pytest.approx(0.6931, abs=1e-4)
    assert float(discriminator_loss(zero, zero)) == pytest.approx(1.3863, abs=1e-4)
    assert float(discriminator_loss(zero + 20, zero - 20)) < 1e-6


def test_r1_of_a_linear_critic_is_half_its_squared_slope() -> None:
    slope = torch.randn(3, 4, 4, generator=torch.manual_seed(0))
    real = torch.randn(5, 3, 4, 4, generator=torch.manual_seed(1)).requires_grad_()
    logits = (real * slope).sum(dim=(1, 2, 3))
    assert float(r1_penalty(logits, real)) == pytest.approx(float(slope.square().sum()) / 2, rel=1e-5)


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(
    tiny_networks: Networks, portraits: Portraits, tmp_path: Path
) -> None:
    config = TrainConfig(batch=2, r1_every=3)
    begin = [weights(network) for network in tiny_networks]
    whole = trainer(tiny_networks, portraits, config)
    for _ in range(6):
        whole.step()
    expected = weights(whole.state.g_ema), weights(whole.state.discriminator)

    for network, saved in zip(tiny_networks, begin, strict=True):
        network.load_state_dict(saved)
    first = trainer(tiny_networks, portraits, config)
    for _ in range(4):
        first.step()
    first.state.save(tmp_path / "state.pt")
    second = trainer(
        (Generator(first.state.generator.spec), Discriminator(first.state.generator.spec)), portraits, config
    )
    second.state.load(tmp_path / "state.pt")
    for _ in range(2):
        second.step()
    got = weights(second.state.g_ema), weights(second.state.discriminator)
    for mine, theirs in zip(got, expected, strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert second.state.images == whole.state.images == 12


def test_finetuning_moves_synthesis_and_leaves_the_mapping_alone(tiny_networks: Networks, portraits: Portraits) -> None:
    generator, discriminator = tiny_networks
    config = TrainConfig(batch=2, freeze_mapping=True)
    before = weights(generator)
    source_generator = Generator(generator.spec)
    source_generator.load_state_dict(before)
    terms = consistency_terms({"identity": 0.0, "geometry": 1.0, "colour": 1.0})
    source = Source(source_generator.eval().requires_grad_(False), lambda images: (images.flatten(1), []), terms)
    tuner = trainer((generator, discriminator), portraits, config, source)
    losses = tuner.step()
    assert losses["geometry"] == pytest.approx(0.0, abs=1e-4)
    assert losses["colour"] == pytest.approx(0.0, abs=1e-4)
    assert tuner.step()["geometry"] > 0
    after = weights(generator)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any(name.startswith("mapping") for name in changed)
    assert all(torch.equal(value, before[name]) for name, value in weights(source_generator).items())


def test_a_discriminator_learns_to_tell_pictures_from_samples(tiny_networks: Networks, portraits: Portraits) -> None:
    training = trainer(tiny_networks, portraits, TrainConfig(batch=4, g_lr=1e-6, d_lr=0.01, augment=()))
    first = training.step()["d_adversarial"]
    assert min(training.step()["d_adversarial"] for _ in range(20)) < first / 2


def test_a_loss_that_is_no_number_stops_with_its_name(tiny_networks: Networks, portraits: Portraits) -> None:
    training = trainer(tiny_networks, portraits, TrainConfig(batch=2))
    with torch.no_grad():
        training.state.discriminator.out.bias.fill_(torch.nan)
    before = weights(training.state.generator)
    with pytest.raises(NonFiniteLossError, match="d_adversarial"):
        training.step()
    assert all(torch.equal(value, before[name]) for name, value in weights(training.state.generator).items())


def test_the_average_follows_the_generator(tiny_networks: Networks) -> None:
    config = TrainConfig(batch=4, ema_kimg=0.004, ema_rampup=1e9)
    state = TrainState.start(*tiny_networks, config, CPU)
    name = "synthesis.const"
    before = weights(state.g_ema)[name]
    with torch.no_grad():
        state.generator.synthesis.const.add_(1.0)
    state.average(config)
    assert torch.allclose(weights(state.g_ema)[name], before + 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"batch": 1}, "batch"), ({"augment": ("magic",)}, "magic"), ({"seed": -1}, "seed"), ({"g_lr": 0.0}, "above 0")],
)
def test_contradictory_settings_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TrainConfig(**settings)  # type: ignore[arg-type]


def test_a_schedule_needs_length() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Schedule(kimg=0)


def test_the_log_drops_what_a_killed_run_wrote_after_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"images": 10}\n{"images": 20}\n{"images": 2', encoding="utf-8")
    log = LossLog(path, images=10)
    log.add({"loss": 1.0})
    log.add({"loss": 3.0})
    assert log.flush(20, 1.0) == {"loss": 2.0}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["images"] for line in lines] == [10, 20]


def test_the_nearest_picture_of_a_mirrored_picture_is_its_mirror(portraits: Portraits) -> None:
    mirrored = portraits.pixels[2:3, :, ::-1]
    assert (nearest_pictures(mirrored, portraits)[0] == mirrored[0]).all()
