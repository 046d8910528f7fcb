"""Losses over a network's activations and embeddings: analytic cases, what moves which, gradients."""

import copy
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from transfer.config import TrainConfig
from transfer.data import Portraits
from transfer.losses.compose import Look, Stages, Step, compose
from transfer.losses.features import (
    CHIP_FACE,
    TEMPERATURE,
    distance_loss,
    perceptual_loss,
    self_similarity,
    structure_loss,
)
from transfer.losses.functional import ellipse_mask
from transfer.losses.terms import CONSISTENCY_TERMS, consistency_terms
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.training.state import TrainState
from transfer.training.step import Source, Trainer


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def smooth(seed: int, side: int = 12) -> Tensor:
    """Activations that vary from place to place as a picture's do, (2, 6, side, side)."""
    return F.interpolate(drawn(2, 6, 4, 4, seed=seed), (side, side), mode="bicubic")


def step_between(fake: Tensor, source: Tensor, look: Look, stages: Stages | None = None) -> Step:
    """A step whose images are given."""
    return Step(
        torch.zeros(2, 1, 1),
        index=0,
        real=lambda: source,
        generate=lambda _: fake,
        source=lambda _: source,
        look=look,
        stages=stages,
    )


def test_equal_activations_cost_nothing() -> None:
    stages, embeddings = [smooth(0), smooth(1, 8)], drawn(6, 5)
    assert float(perceptual_loss(stages, stages)) == 0
    assert float(structure_loss(stages, stages)) == pytest.approx(0, abs=1e-12)
    assert float(distance_loss(embeddings, embeddings, 0.8, 3)) == pytest.approx(0, abs=1e-12)


def test_perceptual_of_known_angles() -> None:
    """|u - v|² of unit vectors is 2 - 2 cos: 2 at a right angle, 1 at 60°; strength alone changes nothing."""
    one, right = torch.tensor([1.0, 0]).double(), torch.tensor([0.0, 3]).double()
    sixty = torch.tensor([0.5, math.sqrt(0.75)]).double()
    at = [x.view(1, 2, 1, 1).expand(1, 2, 4, 4) for x in (one, right, sixty)]
    assert float(perceptual_loss([at[1]], [at[0]])) == pytest.approx(2)
    assert float(perceptual_loss([at[2]], [at[0]])) == pytest.approx(1)
    assert float(perceptual_loss([7 * at[0]], [at[0]])) == pytest.approx(0, abs=1e-12)
    assert float(perceptual_loss([at[1], at[0]], [at[0], at[0]])) == pytest.approx(1), "the mean over the stages"


def test_structure_forgets_what_a_style_does_to_all_places_alike() -> None:
    source = smooth(0)
    turn = torch.linalg.qr(drawn(6, 6, seed=3)).Q
    restyled = 2.5 * torch.einsum("dc,nchw->ndhw", turn, source) + drawn(1, 6, 1, 1, seed=4)
    assert float(structure_loss([restyled], [source])) == pytest.approx(0, abs=1e-6)
    assert float(perceptual_loss([restyled], [source])) > 0.5


def test_structure_notices_a_move_and_an_exchange_of_places() -> None:
    source = smooth(0)
    moved = [float(structure_loss([torch.roll(source, k, dims=3)], [source])) for k in (0, 1, 2)]
    assert moved == sorted(moved)
    assert moved[1] > 0.02
    places = torch.randperm(144, generator=torch.Generator().manual_seed(0))
    shuffled = source.flatten(2)[:, :, places].view_as(source)
    assert float(structure_loss([shuffled], [source])) > 0.5


def test_structure_of_two_kinds_of_places() -> None:
    """Halves of opposite activation: likes are 1, unlikes -1; and an opposite picture is as much alike in itself."""
    halves = torch.ones(1, 2, 2, 2).double()
    halves[..., 1] = -1
    expected = torch.tensor([[1.0, -1, 1, -1]]).double().T @ torch.tensor([[1.0, -1, 1, -1]]).double()
    torch.testing.assert_close(self_similarity(halves)[0], expected)
    assert float(structure_loss([-halves], [halves])) == pytest.approx(0, abs=1e-9)
    across = halves.transpose(2, 3)
    assert float(structure_loss([across], [halves])) > 0.5


def test_structure_looks_at_the_face_and_at_coarse_stages() -> None:
    source = smooth(0, 24)
    other = source.clone()
    outside = ellipse_mask(24, CHIP_FACE) == 0
    assert 20 < int(outside.sum()) < 200
    other[:, :, outside] = drawn(2, 6, int(outside.sum()), seed=5)
    kept = float(structure_loss([other], [source]))
    inside = source.clone()
    inside[:, :, 8:16, 8:16] = drawn(2, 6, 8, 8, seed=5)
    assert kept < 0.3 * float(structure_loss([inside], [source]))
    fine = smooth(1, 32)
    assert float(structure_loss([fine, source], [-fine.roll(9, 3), source])) == pytest.approx(0, abs=1e-9)


def test_distance_of_known_likenesses() -> None:
    """Three in a line: from the first, the others are at 1 and 2 strangers' distance in one generator, alike in the
    other."""
    source = torch.tensor([[0.0], [1], [2]]).double() * 0.8
    fake = torch.tensor([[0.0, 0], [1, 0], [0.5, math.sqrt(0.75)]]).double()  # a triangle of equal sides
    near, far = math.exp(-1 / TEMPERATURE), math.exp(-4 / TEMPERATURE)
    p = near / (near + far)
    divergence = p * math.log(p / 0.5) + (1 - p) * math.log((1 - p) / 0.5)
    expected = (divergence + 0 + divergence) / 3
    assert float(distance_loss(fake, source, 0.8, 3)) == pytest.approx(expected)


def test_distance_forgets_what_moves_everybody_alike() -> None:
    source = drawn(4, 5)
    turn = torch.linalg.qr(drawn(5, 5, seed=3)).Q
    assert float(distance_loss(source @ turn + 7, source, 0.8, 4)) == pytest.approx(0, abs=1e-12)
    assert float(distance_loss(source.roll(1, 0), source, 0.8, 4)) > 0.1


def test_distance_compares_within_groups_whatever_the_micro_batch() -> None:
    """Samples i, i + 2, i + 4 of six are a group; computed apart, the groups' mean is the batch's value."""
    fake, source = drawn(6, 5, seed=1), drawn(6, 5, seed=2)
    apart = [float(distance_loss(fake[k::2], source[k::2], 0.8, 3)) for k in (0, 1)]
    assert float(distance_loss(fake, source, 0.8, 3)) == pytest.approx(sum(apart) / 2)
    assert float(distance_loss(fake, source, 0.8, 2)) == 0, "one other leaves no choice"
    assert float(distance_loss(fake, source, 0.8, 1)) == 0


def test_gradients_agree_with_differences() -> None:
    a, b = smooth(0, 6), smooth(1, 6)
    cases = {
        "perceptual": (lambda x: perceptual_loss([x], [b]), a),
        "structure": (lambda x: structure_loss([x], [b]), a),
        "distance": (lambda x: distance_loss(x, drawn(4, 5, seed=2), 0.8, 4), drawn(4, 5)),
    }
    for name, (loss, at) in cases.items():
        assert torch.autograd.gradcheck(loss, (at.clone().requires_grad_(),), eps=1e-6, atol=1e-6), name


def test_gradients_are_finite_where_nothing_is_seen() -> None:
    blank, seen = torch.zeros(2, 6, 8, 8, requires_grad=True), smooth(0, 8).float()
    for loss in (perceptual_loss, structure_loss):
        for source in (seen, torch.zeros_like(seen)):
            (gradient,) = torch.autograd.grad(loss([blank], [source]), blank)
            assert torch.isfinite(gradient).all()
    same = torch.zeros(4, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(distance_loss(same, drawn(4, 5).float(), 0.8, 4), same)
    assert torch.isfinite(gradient).all()


def test_another_network_judges_appearance_alone() -> None:
    calls = {"look": 0, "stages": 0}

    def look(images: Tensor) -> tuple[Tensor, list[Tensor]]:
        calls["look"] += 1
        return images.flatten(1), [images]

    def stages(images: Tensor) -> list[Tensor]:
        calls["stages"] += 1
        return [images.roll(1, 3), images]

    fake, source = (smooth(seed).float()[:, :3] for seed in (0, 1))
    step = step_between(fake, source, look, stages)
    report = compose(consistency_terms(dict.fromkeys(CONSISTENCY_TERMS, 1.0)), step)
    assert calls == {"look": 2, "stages": 2}
    assert report.terms["perceptual"] == pytest.approx(float(perceptual_loss(stages(fake), stages(source))))
    assert report.terms["structure"] == pytest.approx(float(structure_loss([fake], [source])))


def test_terms_that_ask_the_identity_network_say_so() -> None:
    """Without it, the others can be computed."""

    def nobody(_: Tensor) -> tuple[Tensor, list[Tensor]]:
        raise AssertionError

    fake, source = (smooth(seed, 32).float()[:, :3] for seed in (0, 1))
    terms = consistency_terms(dict.fromkeys(CONSISTENCY_TERMS, 1.0))
    assert {term.name for term in terms if not term.looks} == {"geometry", "colour"}
    step = step_between(fake, source, nobody)
    assert compose([term for term in terms if not term.looks], step).total > 0
    for term in terms:
        if term.looks:
            with pytest.raises(AssertionError):
                term(step)


def test_a_training_step_looks_at_each_picture_once_and_not_when_no_term_is_due(
    tiny_networks: tuple[Generator, Discriminator], portraits: Portraits
) -> None:
    """All terms on, in two micro-batches: the source's and the tuned generator's images of each, seen once."""
    seen: list[int] = []

    def look(images: Tensor) -> tuple[Tensor, list[Tensor]]:
        seen.append(len(images))
        return images[:, :, ::8, ::8].flatten(1), [F.avg_pool2d(images, 4)]

    config = TrainConfig(
        batch=8,
        freeze_mapping=True,
        weights=dict.fromkeys(CONSISTENCY_TERMS, 1.0),
        every=dict.fromkeys(("identity", "structure", "perceptual", "distance"), 2),
    )
    generator, discriminator = tiny_networks
    source = Source(
        copy.deepcopy(generator).requires_grad_(False), look, consistency_terms(config.weights, config.every)
    )
    trainer = Trainer(
        TrainState.start(generator, discriminator, config, torch.device("cpu")), portraits, config, source
    )
    trainer.step()
    assert seen == [4, 4, 4, 4]
    losses = trainer.step()
    assert seen == [4, 4, 4, 4]
    assert losses.keys() >= {"geometry", "colour"}
    assert not losses.keys() & {"identity", "structure", "perceptual", "distance"}
    assert trainer.step()["distance"] > 0
