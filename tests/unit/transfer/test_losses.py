"""The consistency losses: analytic cases, what moves which, gradients; terms against functions; the sum by name."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from transfer.errors import ConfigError, NonFiniteLossError
from transfer.losses import functional
from transfer.losses.compose import LossTerm, Step, compose
from transfer.losses.features import distance_loss, perceptual_loss, structure_loss
from transfer.losses.functional import (
    REGIONS,
    colour_loss,
    ellipse_mask,
    geometry_loss,
    identity_loss,
    lab,
    linear_light,
    region_colour,
)
from transfer.losses.terms import CONSISTENCY_TERMS, consistency_terms
from transfer.networks.identity import RESNET_STRANGERS

PairLoss = Callable[[Tensor, Tensor], Tensor]
ALL_TERMS = consistency_terms(dict.fromkeys(CONSISTENCY_TERMS, 1.0))


def faces(size: int = 64, count: int = 2) -> Tensor:
    """Drawn faces in [-1, 1], float64: skin, dark eyes and brows, red lips, brown hair; each a bit different."""
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    parts = [
        ((0.5, 0.45, 0.36, 0.44), (0.20, 0.12, 0.08)),
        ((0.5, 0.60, 0.27, 0.34), (0.75, 0.55, 0.45)),
        ((0.373, 0.472, 0.05, 0.025), (0.25, 0.20, 0.20)),
        ((0.627, 0.472, 0.05, 0.025), (0.25, 0.20, 0.20)),
        ((0.36, 0.39, 0.07, 0.012), (0.25, 0.16, 0.10)),
        ((0.64, 0.39, 0.07, 0.012), (0.25, 0.16, 0.10)),
        ((0.5, 0.62, 0.03, 0.05), (0.68, 0.48, 0.38)),
        ((0.5, 0.755, 0.10, 0.028), (0.65, 0.30, 0.28)),
    ]
    drawn = []
    for face in range(count):
        picture = torch.full((3, size, size), 0.5, dtype=torch.float64)
        for (cx, cy, rx, ry), colour in parts:
            shift = 0.008 * face * (1 if cx < 0.5 else -1)
            radius = (((x - cx - shift) / rx).square() + ((y - cy) / ry).square()).sqrt()
            alpha = ((1 - radius) * min(rx, ry) * size + 0.5).clamp(0, 1)
            picture = picture * (1 - alpha) + torch.tensor(colour, dtype=torch.float64).view(3, 1, 1) * alpha
        drawn.append(picture * 2 - 1)
    return torch.stack(drawn)


def lit(images: Tensor, light: Tensor | float) -> Tensor:
    """The picture under ``light`` times as much light, in linear light."""
    bright = (linear_light(images) * light).clamp(0, 1)
    srgb = torch.where(bright <= 0.0031308, bright * 12.92, 1.055 * bright.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
    return srgb * 2 - 1


def side_light(size: int) -> Tensor:
    return torch.linspace(0.6, 1.2, size, dtype=torch.float64)


def blurred(images: Tensor) -> Tensor:
    kernel = torch.full((3, 1, 3, 3), 1 / 9, dtype=images.dtype)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)


PAIRS = pytest.mark.parametrize("loss", [geometry_loss, colour_loss], ids=["geometry", "colour"])
SIZES = pytest.mark.parametrize("size", [32, 64, 128])


@PAIRS
@pytest.mark.parametrize("size", [8, 32, 64, 128])
def test_equal_pictures_cost_nothing_and_the_loss_is_symmetric(loss: PairLoss, size: int) -> None:
    images = faces(size)
    assert float(loss(images, images)) == pytest.approx(0, abs=1e-12)
    other = blurred(images)
    assert float(loss(images, other)) == pytest.approx(float(loss(other, images)), rel=1e-9)
    assert float(loss(images, other)) > 0


@SIZES
def test_a_hue_shift_moves_colour_and_not_geometry(size: int) -> None:
    images = faces(size)
    # Red up and green down along the luma's null space: another skin colour, the same luma everywhere.
    shift = torch.tensor([0.10, -0.10 * 0.299 / 0.587, 0], dtype=torch.float64).view(1, 3, 1, 1)
    shifted = images + shift
    assert float(geometry_loss(shifted, images)) == pytest.approx(0, abs=1e-9)
    assert float(colour_loss(shifted, images)) > 0.5


@SIZES
def test_a_move_changes_geometry_more_than_colour(size: int) -> None:
    images = faces(size)
    moved = torch.roll(images, size // 32, dims=3)
    assert float(geometry_loss(moved, images)) > 0.15
    assert float(colour_loss(moved, images)) < 0.1


def test_a_longer_move_costs_more() -> None:
    images = faces(64)
    costs = [float(geometry_loss(torch.roll(images, pixels, dims=2), images)) for pixels in (0, 1, 2, 4)]
    assert costs == sorted(costs)


def test_a_blur_changes_geometry_more_than_light_does_and_hardly_colour() -> None:
    images = faces(64)
    assert geometry_loss(blurred(images), images) > 2 * geometry_loss(lit(images, side_light(64)), images)
    assert float(colour_loss(blurred(images), images)) < 0.1


@SIZES
def test_light_changes_little(size: int) -> None:
    images = faces(size)
    moved = geometry_loss(torch.roll(images, size // 32, dims=3), images)
    warm = colour_loss(images + torch.tensor([0.1, 0, -0.1], dtype=torch.float64).view(1, 3, 1, 1), images)
    for light in (0.7, side_light(size), side_light(size)[:, None]):
        assert float(geometry_loss(lit(images, light), images)) < 0.15 * moved
        assert float(colour_loss(lit(images, light), images)) < 0.15 * warm


def test_geometry_of_brightness_and_contrast_is_nothing() -> None:
    images = faces(64)
    assert float(geometry_loss(images + 0.2, images)) == pytest.approx(0, abs=1e-9)
    assert float(geometry_loss(images * 0.8, images)) < 0.005


def test_geometry_looks_at_the_face_alone() -> None:
    images = faces(64)
    other = images.clone()
    noise = torch.rand(images.shape, dtype=torch.float64) * 2 - 1
    other[..., :12] = noise[..., :12]  # beside the face; the coarsest scale's windows still touch it
    assert float(geometry_loss(other, images)) < 0.01
    other[..., 26:38] = noise[..., 26:38]
    assert float(geometry_loss(other, images)) > 0.1


def test_opposite_edges_cost_two_and_flat_faces_nothing() -> None:
    images = faces(64)
    assert float(geometry_loss(-images, images)) == pytest.approx(2, abs=0.02)
    flat = torch.zeros_like(images)
    assert float(geometry_loss(flat, flat + 0.3)) == pytest.approx(0, abs=1e-12)


def test_exposure_leaves_the_chroma_where_it_was() -> None:
    images = faces(64)
    full, half = region_colour(images), region_colour(lit(images, 0.5))
    skin = list(REGIONS).index("cheek_left")
    torch.testing.assert_close(half[:, skin, :2], full[:, skin, :2], atol=1e-6, rtol=1e-6)
    assert float((full - half)[:, skin, 2].min()) > 3  # lightness still tells


def test_colour_notices_each_region() -> None:
    images = faces(64)
    for region in REGIONS.values():
        mask = ellipse_mask(64, region)
        painted = images + 0.3 * mask * torch.tensor([1.0, -1, 0], dtype=torch.float64).view(3, 1, 1)
        assert float(colour_loss(painted, images)) > 0.02


def test_lab_of_known_colours() -> None:
    """sRGB white, red, mid grey and black by the CIE formulas with the sRGB matrix."""
    srgb = torch.tensor([[1.0, 1, 1], [1, 0, 0], [119 / 255] * 3, [0, 0, 0]], dtype=torch.float64).T[None] * 2 - 1
    expected = torch.tensor([[100.0, 0, 0], [53.24, 80.09, 67.20], [50.03, 0, 0], [0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(lab(linear_light(srgb))[0].T, expected, atol=0.02, rtol=0)


def test_identity_is_the_squared_distance_in_strangers() -> None:
    a = torch.zeros(2, 128)
    b = torch.zeros(2, 128)
    b[0, 0] = 0.8
    assert float(identity_loss(a, b, 0.8)) == pytest.approx(0.5)
    assert float(identity_loss(a, a, 0.8)) == 0


@PAIRS
def test_gradients_agree_with_differences(loss: PairLoss) -> None:
    source = faces(16, 1)
    fake = (blurred(source) * 0.9 + 0.02).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, source), (fake,), eps=1e-6, atol=1e-6, fast_mode=True)


def test_the_identity_gradient_agrees_with_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(3, 8, dtype=torch.float64, generator=generator) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x: identity_loss(x, b, 0.8), (a.requires_grad_(),))


@PAIRS
@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_gradients_are_finite_at_the_edges(loss: PairLoss, value: float) -> None:
    """Black, grey and white faces, and equal pictures: no NaN where a root or a power meets 0."""
    flat = torch.full((1, 3, 32, 32), value, requires_grad=True)
    source = faces(32, 1).float()
    for other in (source, flat.detach().clone()):
        (gradient,) = torch.autograd.grad(loss(flat, other), flat)
        assert torch.isfinite(gradient).all()
    equal = source.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(equal, source), equal)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() < 1e-4


def counting_step(index: int = 0, fake: Tensor | None = None) -> tuple[Step, dict[str, int]]:
    """A step over drawn faces; how often each network ran."""
    calls: dict[str, int] = {"real": 0, "generate": 0, "source": 0, "look": 0}
    images = faces(32, 3).float()
    made = blurred(images) if fake is None else fake

    def counted(name: str, result: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(argument: Tensor) -> Tensor:
            calls[name] += 1
            return result(argument)

        return run

    def look(batch: Tensor) -> tuple[Tensor, list[Tensor]]:
        calls["look"] += 1
        return batch[:, :, ::3, ::3].flatten(1), [batch, F.avg_pool2d(batch, 4)]

    step = Step(
        torch.zeros(3, 4, 8),
        index=index,
        real=lambda: counted("real", lambda _: images)(images),
        generate=counted("generate", lambda _: made),
        source=counted("source", lambda ws: images + ws.sum()),
        look=look,
        group=3,
    )
    return step, calls


def test_each_term_is_its_function() -> None:
    step, _ = counting_step()
    fake, source = step.fake, step.source_fake
    expected = {
        "identity": identity_loss(*step.embeddings, RESNET_STRANGERS),
        "geometry": geometry_loss(fake, source),
        "colour": colour_loss(fake, source),
        "structure": structure_loss(*step.activations),
        "perceptual": perceptual_loss(*step.appearance),
        "distance": distance_loss(*step.embeddings, RESNET_STRANGERS, 3),
    }
    assert list(expected) == list(CONSISTENCY_TERMS)
    for name, value in expected.items():
        assert float(value) > 0, name
        torch.testing.assert_close(CONSISTENCY_TERMS[name](step), value, rtol=0, atol=0)


def test_networks_run_once_and_only_when_asked() -> None:
    step, calls = counting_step()
    assert set(calls.values()) == {0}
    terms = [*ALL_TERMS, *ALL_TERMS]
    compose(terms, step)
    assert calls == {"real": 0, "generate": 1, "source": 1, "look": 2}
    assert step.real.shape == step.real.shape
    assert calls["real"] == 1


def test_gradients_flow_to_the_tuned_images_alone() -> None:
    fake = blurred(faces(32, 3).float()).requires_grad_()
    step, _ = counting_step(fake=fake)
    (gradient,) = torch.autograd.grad(compose(ALL_TERMS, step).total, fake)
    assert gradient.abs().sum() > 0
    assert not step.source_fake.requires_grad
    assert not step.embeddings[1].requires_grad


def constant(name: str, value: float, weight: float = 1.0, every: int = 1) -> LossTerm:
    return LossTerm(name, weight, lambda step: step.ws.new_tensor(value), every)


def test_the_sum_weighs_and_the_report_does_not() -> None:
    step, _ = counting_step()
    report = compose([constant("a", 2, weight=3), constant("b", 5, weight=0.5), constant("off", 7, weight=0)], step)
    assert float(report.total) == pytest.approx(8.5)
    assert report.terms == {"a": 2, "b": 5}


def test_a_lazy_term_pulls_as_hard_over_its_period() -> None:
    terms = [constant("lazy", 2, every=4)]
    totals = [float(compose(terms, counting_step(index)[0]).total) for index in range(8)]
    assert totals == [8, 0, 0, 0, 8, 0, 0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_term_is_named(value: float) -> None:
    step, _ = counting_step(index=17)
    with pytest.raises(NonFiniteLossError, match=r"'broken'.*step 17"):
        compose([constant("fine", 1), constant("broken", value)], step)


def test_weights_by_name() -> None:
    terms = {term.name: term.weight for term in consistency_terms({"identity": 4.0, "colour": 0})}
    assert terms == {"identity": 4.0}
    assert consistency_terms({}) == []
    with pytest.raises(ConfigError, match="no loss term named idenity"):
        consistency_terms({"idenity": 1})
    with pytest.raises(ConfigError, match="below 0"):
        consistency_terms({"geometry": -1})


def test_the_face_mask_covers_the_features() -> None:
    mask = ellipse_mask(100, functional.FACE)
    for x, y in ((37, 47), (62, 47), (50, 74), (50, 61), (36, 38), (64, 38)):
        assert mask[y, x] == 1
    assert mask[3].sum() == 0
    assert mask[:, :15].sum() == 0
