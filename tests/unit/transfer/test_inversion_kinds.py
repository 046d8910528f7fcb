"""Inverters by name; refinement, pivotal tuning and its carrying over; descents that go astray or come to rest."""

import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drfhq_tools.hashing import sha256_file
from transfer.checkpoints import Checkpoint, save_checkpoint, save_encoder
from transfer.errors import CheckpointError, ConfigError
from transfer.inversion import (
    EncoderInverter,
    OptimiseInverter,
    OptimiseSettings,
    PivotalInverter,
    PivotalSettings,
    RefineInverter,
    carried,
    make_inverter,
)
from transfer.inversion.descent import PATIENCE, descend
from transfer.inversion.likeness import Likeness, LikenessWeights, field_distance
from transfer.inversion.make import GENERATOR_HASH
from transfer.inversion.optimise import Starts, affordable
from transfer.inversion.remembered import Remembered
from transfer.inversion.wspace import WSpace, sampled_w
from transfer.losses.functional import geometry_loss, gradient_field
from transfer.networks.discriminator import Discriminator
from transfer.networks.encoder import Encoder
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet
from transfer.run_folder import RunFolder

Networks = tuple[Generator, Discriminator]
FEW = OptimiseSettings(w_steps=2, wplus_steps=4, candidates=8)


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3)) @ self.weight


@pytest.fixture
def network() -> IdentityNet:
    """Three steps down and a mean: as cheap as an identity network gets."""
    return IdentityNet(nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(5), nn.AvgPool2d(3), Mean()), 1.0)


@pytest.fixture
def generator(tiny_networks: Networks) -> Generator:
    return tiny_networks[0].eval().requires_grad_(False)


@pytest.fixture
def targets(generator: Generator) -> Tensor:
    return generator(torch.randn(2, 8, generator=torch.manual_seed(6)))


def encoder_of(generator: Generator) -> Encoder:
    """Answers with the mean face."""
    space = WSpace.fitted(sampled_w(generator, 0))
    encoder = Encoder(generator.spec)
    encoder.mean.copy_(space.mean)
    encoder.basis.copy_(space.basis)
    return encoder


@pytest.fixture
def folder(generator: Generator, tmp_path: Path) -> RunFolder:
    save_checkpoint(tmp_path / "g_ema.safetensors", Checkpoint(generator))
    return RunFolder(tmp_path)


def with_encoder(folder: RunFolder, generator: Generator) -> RunFolder:
    save_encoder(folder.encoder, encoder_of(generator), {GENERATOR_HASH: sha256_file(folder.g_ema)})
    return folder


def test_the_start_is_the_closest_candidate(generator: Generator) -> None:
    starts = Starts.sampled(0, 20, generator)
    known = generator.synthesis(generator.broadcast(starts.candidates[3:4]))
    assert torch.equal(starts.closest(known), starts.candidates[3:4])


@pytest.mark.parametrize(
    ("count", "side", "affords"), [(256, 64, 256), (256, 512, 64), (256, 1024, 16), (256, 4096, 16), (8, 1024, 8)]
)
def test_a_large_generator_starts_from_fewer_latents(count: int, side: int, affords: int) -> None:
    assert affordable(count, side) == affords


def test_an_encoder_inverts_in_one_pass(generator: Generator, targets: Tensor) -> None:
    result = EncoderInverter(encoder_of(generator))(generator, targets)
    assert result.curve == ()
    assert torch.allclose(result.images, generator.synthesis(result.ws), atol=1e-5)


def test_refinement_gains_on_its_start(generator: Generator, targets: Tensor) -> None:
    first = EncoderInverter(encoder_of(generator))
    settings = OptimiseSettings(wplus_steps=8, lr=0.1, prior=0.0, spread=0.0)
    start, refined = first(generator, targets), RefineInverter(first, settings)(generator, targets)
    likeness = Likeness(targets, settings.likeness, None)
    assert (likeness(refined.images) < 0.9 * likeness(start.images)).all()


def test_pivotal_tuning_changes_weights_for_each_portrait_and_leaves_the_generator(
    generator: Generator, targets: Tensor, network: IdentityNet
) -> None:
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    first = OptimiseInverter(FEW)
    start = first(generator, targets)
    result = PivotalInverter(first, PivotalSettings(steps=8, lr=0.01, locality=0.1), network)(generator, targets)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    assert torch.equal(result.ws, start.ws)
    assert result.offsets is not None
    likeness = Likeness(targets, LikenessWeights(), network)
    assert (likeness(result.images) < likeness(start.images)).all()
    for i in range(2):
        one = {name: value[i] for name, value in result.offsets.items()}
        again = carried(generator, one).synthesis(result.ws[i : i + 1])
        assert torch.allclose(again[0], result.images[i], atol=1e-5)


def test_a_change_carried_at_strength_0_is_none_and_several_are_refused(generator: Generator, targets: Tensor) -> None:
    result = PivotalInverter(OptimiseInverter(FEW), PivotalSettings(steps=2))(generator, targets)
    assert result.offsets is not None
    one = {name: value[:1] for name, value in result.offsets.items()}
    same = carried(generator, one, 0.0)
    assert torch.equal(same.synthesis(result.ws), generator.synthesis(result.ws))
    with pytest.raises(ConfigError, match="one portrait"):
        carried(generator, result.offsets)


def test_locality_holds_the_generator_still_beside_the_portrait(generator: Generator, targets: Tensor) -> None:
    beside = generator.ws(torch.randn(4, 8, generator=torch.manual_seed(1)))
    moved = []
    for locality in (0.0, 30.0):
        settings = PivotalSettings(steps=8, lr=0.01, locality=locality, reach=1.0)
        result = PivotalInverter(OptimiseInverter(FEW), settings)(generator, targets[:1])
        assert result.offsets is not None
        tuned = carried(generator, result.offsets)
        moved.append(float((tuned.synthesis(beside) - generator.synthesis(beside)).abs().mean()))
    assert moved[1] < 0.8 * moved[0]


def test_auto_uses_the_encoder_only_where_there_is_one_of_this_generator(
    folder: RunFolder, generator: Generator, network: IdentityNet
) -> None:
    assert isinstance(make_inverter("auto", folder, network), OptimiseInverter)
    with_encoder(folder, generator)
    assert isinstance(make_inverter("auto", folder, network), RefineInverter)
    assert isinstance(make_inverter("encoder", folder, network), EncoderInverter)
    save_checkpoint(folder.g_ema, Checkpoint(Generator(generator.spec)))
    assert isinstance(make_inverter("auto", folder, network), OptimiseInverter)
    with pytest.raises(ConfigError, match="another state"):
        make_inverter("encoder", folder, network)


def test_steps_are_those_of_the_inverter_named(folder: RunFolder, generator: Generator, network: IdentityNet) -> None:
    with_encoder(folder, generator)
    optimise, refine, pivotal = (
        make_inverter(name, folder, network, steps=10) for name in ("optimise", "encoder+refine", "pivotal")
    )
    assert isinstance(optimise, OptimiseInverter)
    assert optimise.settings.w_steps + optimise.settings.wplus_steps == 10
    assert isinstance(refine, RefineInverter)
    assert refine.settings.wplus_steps == 10
    assert isinstance(pivotal, PivotalInverter)
    assert pivotal.settings.steps == 10
    assert isinstance(pivotal.first, RefineInverter)


def test_names_and_steps_that_are_none_are_refused(folder: RunFolder, network: IdentityNet) -> None:
    with pytest.raises(ConfigError, match="encoder\\+refine"):
        make_inverter("magic", folder, network)
    with pytest.raises(ConfigError, match="at least 1"):
        make_inverter("optimise", folder, network, steps=0)
    with pytest.raises(CheckpointError, match="train-encoder"):
        make_inverter("encoder", folder, network)


def test_the_same_call_gives_the_same_bits(generator: Generator, targets: Tensor, network: IdentityNet) -> None:
    inverters = (
        OptimiseInverter(FEW, network),
        PivotalInverter(OptimiseInverter(FEW), PivotalSettings(steps=3), network),
    )
    for invert in inverters:
        first, second = invert(generator, targets), invert(generator, targets)
        assert torch.equal(first.ws, second.ws)
        assert torch.equal(first.images, second.images)


def test_feature_maps_in_bfloat16_come_to_much_the_same(generator: Generator, targets: Tensor) -> None:
    full, half = (
        OptimiseInverter(OptimiseSettings(w_steps=4, wplus_steps=4, candidates=8, dtype=dtype))(generator, targets)
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert half.images.dtype == half.ws.dtype == torch.float32
    assert generator.synthesis.dtype == torch.float32
    assert half.curve[-1] == pytest.approx(full.curve[-1], rel=0.05)


def test_a_descent_that_meets_no_number_keeps_the_best_and_says_so() -> None:
    calls = [0]

    def loss(v: Tensor) -> Tensor:
        calls[0] += 1
        losses = (v - 3).square().sum(dim=1)
        return losses * torch.tensor([torch.nan, 1.0]) if calls[0] > 5 else losses

    start = torch.zeros(2, 4)
    result = descend(start, 40, 0.1, loss)
    assert torch.isfinite(result.best).all()
    assert 0 < (result.best[0] - start[0]).abs().sum() < (result.best[1] - start[1]).abs().sum()
    assert result.notes
    assert "1 portraits" in result.notes[0]
    assert np.isfinite(result.curve).all()


def test_a_descent_ends_early_where_nothing_is_gained() -> None:
    result = descend(torch.zeros(1, 2), 500, 0.1, lambda v: 5.0 + 1e-9 * v.square().sum(dim=1))
    assert PATIENCE < len(result.curve) < 4 * PATIENCE


def test_the_best_of_each_portrait_is_kept_though_they_differ_in_pace() -> None:
    goals = torch.tensor([[1.0], [-4.0]])
    result = descend(torch.zeros(2, 1), 300, 0.2, lambda v: (v - goals).square().sum(dim=1))
    assert torch.allclose(result.best, goals, atol=0.05)


def test_likeness_judges_each_portrait_for_itself(network: IdentityNet) -> None:
    images = torch.rand(3, 3, 32, 32, generator=torch.manual_seed(2)) * 2 - 1
    likeness = Likeness(images.roll(1, 0), LikenessWeights(), network)
    together = likeness(images)
    alone = [Likeness(images.roll(1, 0)[i : i + 1], LikenessWeights(), network)(images[i : i + 1]) for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    assert torch.allclose(Likeness(images, LikenessWeights(), network)(images), torch.zeros(3), atol=1e-4)


def test_geometry_portrait_by_portrait_averages_to_the_training_loss() -> None:
    a, b = (torch.rand(3, 3, 32, 32, generator=torch.manual_seed(seed)) for seed in (3, 4))
    sizes = (32, 16)
    each = torch.stack([field_distance(gradient_field(a, size), gradient_field(b, size)) for size in sizes])
    assert float(each.mean()) == pytest.approx(float(geometry_loss(a, b)), abs=1e-5)


@pytest.mark.parametrize("settings", [{"steps": 0}, {"lr": 0.0}, {"locality": -1.0}, {"reach": 0.0}, {"reach": 2.0}])
def test_contradictory_pivotal_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        PivotalSettings(**settings)  # type: ignore[arg-type]


def test_no_steps_leave_the_start_as_it_was() -> None:
    start = torch.ones(2, 3)
    result = descend(start, 0, 0.1, lambda v: v.square().sum(dim=1))
    assert torch.equal(result.best, start)
    assert result.curve == []


def test_what_is_remembered_of_a_generator_lasts_until_its_weights_change(generator: Generator) -> None:
    asked: list[Generator] = []

    def make(one: Generator) -> float:
        asked.append(one)
        return float(one.synthesis.const.detach().sum())

    remembered = Remembered(make)
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(remembered, [generator] * 8))) == 1
    assert len(asked) == 1
    with torch.no_grad():
        generator.synthesis.const.add_(1.0)
    assert remembered(generator) == float(generator.synthesis.const.detach().sum())
    generator.load_state_dict(Generator(generator.spec).state_dict())
    assert remembered(generator) == float(generator.synthesis.const.detach().sum())
    other = Generator(generator.spec)
    assert remembered(other) == float(other.synthesis.const.detach().sum())
    assert len(asked) == 4


def test_what_is_remembered_keeps_no_generator_alive(generator: Generator) -> None:
    one = Generator(generator.spec)
    gone = weakref.ref(one)
    remembered = Remembered(lambda generator: generator.spec.resolution)
    assert remembered(one) == 32
    del one
    assert gone() is None
