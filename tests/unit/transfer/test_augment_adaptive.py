"""Adaptive augmentation: each transform against another implementation, its derivatives, its chances, its strength."""

import colorsys
import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation
from torch.autograd import gradcheck, gradgradcheck

from transfer.errors import ConfigError
from transfer.training.augment import GROUPS, NUMBERS, ada, adapted
from transfer.training.augment.corruption import BAND_POWER, gains, octaves
from transfer.training.augment.matrices import normal
from transfer.training.augment.warp import MEAN, SYM6, blit, warp

FLIP, TURN, SHIFT, SIZE, FIRST, STRETCH, LAST, FRACTION = 0, 2, 4, 7, 9, 11, 13, 15
BRIGHTNESS, CONTRAST, LUMA, HUE, SATURATION, BANDS, NOISE, HOLE = 18, 20, 22, 24, 26, 28, 36, 39
STARTS = (FLIP, TURN, SHIFT, SIZE, FIRST, STRETCH, LAST, FRACTION, BRIGHTNESS, CONTRAST, LUMA, HUE, SATURATION)
HALF = 0.5


def only(place: int, *values: float) -> torch.Tensor:
    """Numbers with which, at p a half, the transform at ``place`` alone is used."""
    numbers = torch.full((1, NUMBERS), 0.999, dtype=torch.float64)
    numbers[0, place] = 0.0
    numbers[0, place + 1 : place + 1 + len(values)] = torch.tensor(values, dtype=torch.float64)
    return numbers


def rough(count: int = 1, side: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def smooth(side: int = 32) -> torch.Tensor:
    """Waves of at least ten pixels, level at the rims, so that the mirror image goes on without a kink."""
    at = (torch.arange(side).double() + 0.5) * math.pi / side
    waves = [torch.cos(k * at) for k in range(7)]
    mixed = (waves[6][:, None] * waves[1] + waves[2][:, None] * waves[3]) / 2
    return torch.stack([waves[3][:, None] * waves[5], mixed, waves[1][:, None] * waves[4]])[None] * 0.8


def uniform(count: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, NUMBERS, generator=torch.Generator().manual_seed(seed))


def quantile(number: float) -> float:
    return float(normal(np.array([number]))[0])


def pulled(image: torch.Tensor, forward: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> torch.Tensor:
    """scipy's cubic warp: ``forward`` takes (x, y) from the centre to where it shows, then ``shift`` is added."""
    middle = (image.shape[-1] - 1) / 2
    inverse = np.linalg.inv(forward)[::-1, ::-1]  # scipy's axes are (y, x)
    offset = middle - inverse @ (np.array(shift[::-1]) + middle)
    planes = [ndimage.affine_transform(plane, inverse, offset, order=5, mode="reflect") for plane in image[0].numpy()]
    return torch.from_numpy(np.stack(planes))[None]


def rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


# --- whole pixels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [("blit",), ("geometry", "blit", "colour")])
def test_mirroring_is_a_flip_half_the_time(group: tuple[str, ...]) -> None:
    x = rough()
    assert torch.equal(ada(x, only(FLIP, 0.5), HALF, group), x.flip(-1))
    assert torch.equal(ada(x, only(FLIP, 0.49), HALF, group), x)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_right_angles_copy(quarters: int) -> None:
    x = rough()
    turned = ada(x, only(TURN, (quarters + 0.5) / 4), HALF)
    assert torch.equal(turned, torch.rot90(x, -quarters, (2, 3)))


@pytest.mark.parametrize(("numbers", "shift"), [((1.0, 0.5), (2, 0)), ((0.5, 0.0), (0, -2)), ((0.75, 0.25), (1, -1))])
def test_whole_shifts_roll_in_the_mirror_image(numbers: tuple[float, float], shift: tuple[int, int]) -> None:
    x = rough()
    padded = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="symmetric"))
    expected = padded.roll(shift[::-1], (2, 3))[..., 4:-4, 4:-4]
    assert torch.equal(ada(x, only(SHIFT, *numbers), HALF), expected)


def test_whole_moves_compose_in_the_published_order() -> None:
    numbers = only(FLIP, 0.9)
    numbers[0, TURN : TURN + 2] = torch.tensor([0.0, 0.3])
    x = rough()
    assert torch.equal(ada(x, numbers, HALF), torch.rot90(x.flip(-1), -1, (2, 3)))


# --- resampling -------------------------------------------------------------------------------------------------------


def test_the_filter_is_an_orthonormal_wavelet_with_six_vanishing_moments() -> None:
    taps = np.array(SYM6)
    inner = [taps[2 * k :] @ taps[: len(taps) - 2 * k] for k in range(6)]
    assert np.allclose(inner, np.eye(6)[0], atol=1e-12)
    alternating = taps * (-1.0) ** np.arange(12)
    assert max(abs(alternating @ (np.arange(12.0) - 5.5) ** power) for power in range(6)) < 1e-6
    assert abs(alternating @ (np.arange(12.0) - 5.5) ** 6) > 1


def test_resampling_in_place_changes_nothing_off_the_rim() -> None:
    x = rough(2, 24).double()
    still = warp(x, np.tile(np.eye(3), (2, 1, 1)))
    assert torch.allclose(still[..., 3:-3, 3:-3], x[..., 3:-3, 3:-3], atol=1e-6)
    assert torch.allclose(still, x, atol=0.1)


def test_a_resampled_mirror_image_is_the_mirror_image() -> None:
    """Fails by 0.4 pixels where the filter's mean is taken for its middle."""
    x = smooth()
    mirror = np.diag([-1.0, 1.0, 1.0])[None]
    assert torch.allclose(warp(x, mirror), blit(x, mirror), atol=0.01)
    assert pytest.approx(5.0983, abs=1e-4) == MEAN


@pytest.mark.parametrize("number", [0.02, 0.3, 0.98])
@pytest.mark.parametrize("place", [SIZE, FIRST, STRETCH, LAST])
def test_geometry_agrees_with_scipy(place: int, number: float) -> None:
    factor, angle = 2 ** (0.2 * quantile(number)), (2 * number - 1) * math.pi
    forward = {
        SIZE: np.diag([factor, factor]),
        FIRST: rotation(angle),
        STRETCH: np.diag([factor, 1 / factor]),
        LAST: rotation(angle),
    }[place]
    assert torch.allclose(ada(smooth(), only(place, number), HALF), pulled(smooth(), forward), atol=0.01)


@pytest.mark.parametrize("numbers", [(0.02, 0.98), (0.6, 0.5), (1 - 2**-24, 0.0)])
def test_fractional_shifts_agree_with_scipy(numbers: tuple[float, float]) -> None:
    shift = (quantile(numbers[0]) * 4, quantile(numbers[1]) * 4)
    assert torch.allclose(ada(smooth(), only(FRACTION, *numbers), HALF), pulled(smooth(), np.eye(2), shift), atol=0.01)


def test_geometry_composes_in_the_published_order() -> None:
    numbers = only(SIZE, 0.8)
    for place, number in ((FIRST, 0.6), (STRETCH, 0.9), (LAST, 0.4), (TURN, 0.3)):
        numbers[0, place : place + 2] = torch.tensor([0.0, number])
    numbers[0, FRACTION : FRACTION + 3] = torch.tensor([0.0, 0.6, 0.3])
    size, stretch = 2 ** (0.2 * quantile(0.8)), 2 ** (0.2 * quantile(0.9))
    forward = rotation(-0.2 * math.pi) @ np.diag([stretch, 1 / stretch]) @ rotation(0.2 * math.pi)
    forward = forward @ np.diag([size, size]) @ rotation(0.5 * math.pi)
    expected = pulled(smooth(), forward, (quantile(0.6) * 4, quantile(0.3) * 4))
    assert torch.allclose(ada(smooth(), numbers, HALF), expected, atol=0.01)


def test_resampling_neither_brightens_nor_rings() -> None:
    flat = torch.full((1, 3, 32, 32), 0.7)
    assert torch.allclose(ada(flat, only(FIRST, 0.61), HALF), flat, atol=1e-5)
    edge = torch.ones(1, 3, 64, 64)
    edge[..., 32:] = -1
    shown = ada(edge, only(FIRST, 0.55), HALF)
    assert float(shown.abs().max()) < 1.25  # Gibbs: a tenth of the step, as of any sharp filter


# --- colours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0.01, 0.99])
def test_brightness_adds_and_contrast_multiplies(number: float) -> None:
    x = rough()
    assert torch.allclose(ada(x, only(BRIGHTNESS, number), HALF), x + 0.2 * quantile(number))
    assert torch.allclose(ada(x, only(CONTRAST, number), HALF), x * 2 ** (0.5 * quantile(number)))


def test_the_luma_flip_negates_grey_and_keeps_what_is_about_it() -> None:
    x = rough()
    flipped, grey = ada(x, only(LUMA, 0.5), HALF), x.mean(1, keepdim=True)
    assert torch.allclose(flipped, x - 2 * grey, atol=1e-6)
    assert torch.equal(ada(x, only(LUMA, 0.4), HALF), x)


@pytest.mark.parametrize("number", [0.0, 0.2, 0.999])
def test_hue_turns_about_the_grey_axis(number: float) -> None:
    x, angle = rough(), (2 * number - 1) * math.pi
    turn = torch.from_numpy(Rotation.from_rotvec(angle * np.full(3, 3**-0.5)).as_matrix())
    expected = torch.einsum("ij,njhw->nihw", turn, x.double()).float()
    assert torch.allclose(ada(x, only(HUE, number), HALF), expected, atol=1e-6)


def test_a_third_of_a_hue_turn_is_a_third_of_a_turn_in_hsv() -> None:
    red = torch.tensor([0.9, 0.2, 0.1]).reshape(1, 3, 1, 1)
    turned = ada(red, only(HUE, 0.5 + 1 / 3), HALF)[0, :, 0, 0].tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(0.9, 0.2, 0.1)
    assert turned == pytest.approx(colorsys.hsv_to_rgb((hue + 1 / 3) % 1.0, saturation, value), abs=1e-6)


@pytest.mark.parametrize("number", [0.0, 0.2, 0.99])
def test_saturation_scales_the_distance_from_grey(number: float) -> None:
    x = rough()
    grey = x.mean(1, keepdim=True)
    expected = grey + (x - grey) * 2 ** quantile(number)
    assert torch.allclose(ada(x, only(SATURATION, number), HALF), expected, atol=1e-5)


def test_colours_compose_in_the_published_order() -> None:
    numbers = only(BRIGHTNESS, 0.9)
    numbers[0, CONTRAST : CONTRAST + 2] = torch.tensor([0.0, 0.2])
    x = rough()
    expected = (x + 0.2 * quantile(0.9)) * 2 ** (0.5 * quantile(0.2))
    assert torch.allclose(ada(x, numbers, HALF), expected, atol=1e-6)


# --- filters, noise, cut-out ------------------------------------------------------------------------------------------


def test_the_octaves_add_up_to_nothing_done_and_pass_their_own_frequencies() -> None:
    bands = octaves()
    assert np.allclose(bands.sum(0), np.eye(43)[21])
    tones = np.array([1 / 16, 3 / 16, 3 / 8, 3 / 4]) * np.pi
    response = bands @ np.cos(np.outer(np.arange(43) - 21, tones))
    assert (response.argmax(0) == np.arange(4)).all()
    assert (response.diagonal() > 0.7).all()


def test_amplified_octaves_keep_a_natural_pictures_power() -> None:
    numbers = uniform(200).double().numpy()[:, BANDS : BANDS + 8]
    numbers[:, 0], numbers[:, 2], numbers[:, 4], numbers[:, 6] = 0.0, 0.999, 0.999, 0.999
    assert np.allclose((gains(numbers, HALF) ** 2) @ BAND_POWER, 1.0)


def test_filtering_amplifies_a_tone_by_its_octaves_gain() -> None:
    at = torch.arange(128).double()
    tone = (torch.cos(at * math.pi * 3 / 4).expand(1, 3, 128, 128)).contiguous()
    numbers = only(BANDS + 6, 0.9)
    gain = 2 ** quantile(0.9)
    norm = math.sqrt((12 + gain**2) / 13)
    response = float(octaves()[3] @ np.cos((np.arange(43) - 21) * math.pi * 3 / 4))
    expected = (1 + (gain - 1) * response) / norm * (1 / norm)  # across rows the tone is constant: the lowest octave
    shown = ada(tone, numbers, HALF, ("filter",))
    assert torch.allclose(shown[..., 24:-24], tone[..., 24:-24] * expected, atol=1e-6)


def test_noise_has_its_strength_and_its_seed() -> None:
    x = torch.zeros(1, 3, 64, 64)
    shown = ada(x, only(NOISE, 0.9, 0.3), HALF, ("corruption",))
    assert float(shown.std()) == pytest.approx(0.1 * quantile(0.9), rel=0.02)
    assert torch.equal(shown, ada(x, only(NOISE, 0.9, 0.3), HALF, ("corruption",)))
    assert not torch.equal(shown, ada(x, only(NOISE, 0.9, 0.31), HALF, ("corruption",)))


def test_the_cut_out_is_a_square_of_half_the_side() -> None:
    x = torch.ones(1, 3, 16, 16)
    expected = x.clone()
    expected[..., 2:10, 8:16] = 0  # centred at x 12, y 6
    assert torch.equal(ada(x, only(HOLE, 0.75, 0.375), HALF, ("corruption",)), expected)


# --- chances ----------------------------------------------------------------------------------------------------------


def test_nothing_happens_at_p_0() -> None:
    for x in (rough(3), rough(3).bfloat16(), rough(3).contiguous(memory_format=torch.channels_last)):
        assert torch.equal(ada(x, torch.zeros(3, NUMBERS), 0.0, GROUPS), x)


def test_p_is_the_share_of_samples_a_transform_changes() -> None:
    x, count, p = rough(), 2000, 0.3
    numbers = torch.full((count, NUMBERS), 0.999)
    for place in STARTS:
        drawn = uniform(count, place)
        chosen = numbers.clone()
        chosen[:, place : place + 2] = drawn[:, :2]
        share = (ada(x.expand(count, -1, -1, -1), chosen, p) != x).flatten(1).any(1).float().mean()
        idle = {FLIP: 1 / 2, TURN: 1 / 4, LUMA: 1 / 2}.get(place, 0.0)
        expected = (1 - math.sqrt(1 - p) if place in {FIRST, LAST} else p) * (1 - idle)
        assert float(share) == pytest.approx(expected, abs=4 * math.sqrt(p * (1 - p) / count))


def test_below_p_1_untouched_samples_remain_to_the_bit_and_at_p_1_none() -> None:
    x = rough(1, 4).expand(4000, -1, -1, -1)
    same = (ada(x, uniform(4000), 0.2) == x).flatten(1).all(1).float().mean()
    chances = [1 - 0.2 / 2, 1 - 0.2 * 3 / 4, 0.8**4, 0.8**4, 1 - 0.2 / 2]  # a 4-pixel picture shifts by no whole pixel
    assert float(same) == pytest.approx(math.prod(chances), abs=0.03)
    assert not (ada(x[:100], uniform(100), 1.0) == x[:100]).flatten(1).all(1).any()


def test_numbers_at_either_end_give_finite_pictures() -> None:
    for value in (0.0, 1 - 2**-24):
        assert ada(rough(), torch.full((1, NUMBERS), value), 1.0, GROUPS).isfinite().all()


def test_transforms_keep_their_numbers_whatever_the_groups() -> None:
    x, numbers = rough(4), uniform(4)
    apart = ada(ada(x, numbers, 0.7, ("blit",)), numbers, 0.7, ("colour",))
    assert torch.allclose(apart, ada(x, numbers, 0.7, ("colour", "blit")), atol=1e-6)


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(ConfigError, match="warp"):
        ada(rough(), uniform(1), 0.5, ("warp",))


# --- one sample, whatever its company ---------------------------------------------------------------------------------


def test_a_samples_result_does_not_depend_on_its_batch() -> None:
    x, numbers = rough(6, 24), uniform(6)
    together = ada(x, numbers, 0.6, GROUPS)
    assert torch.equal(together, ada(x, numbers, 0.6, GROUPS))
    for i in range(6):
        alone = ada(x[i : i + 1], numbers[i : i + 1], 0.6, GROUPS)
        assert torch.allclose(together[i : i + 1], alone, atol=2e-6)


def test_memory_format_and_autocast_make_no_difference() -> None:
    x, numbers = rough(4), uniform(4)
    expected = ada(x, numbers, 0.8, GROUPS)
    last = ada(x.contiguous(memory_format=torch.channels_last), numbers, 0.8, GROUPS)
    assert torch.allclose(last, expected, atol=2e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ada(x, numbers, 0.8, GROUPS), expected)
        halved = ada(x.bfloat16(), numbers, 0.8, GROUPS)
    assert halved.dtype == torch.bfloat16
    assert torch.allclose(halved.float(), expected, atol=0.1)


@pytest.mark.gpu
def test_a_gpu_augments_alike() -> None:
    x, numbers = rough(6, 32), uniform(6)
    assert torch.allclose(ada(x.cuda(), numbers, 0.7, GROUPS).cpu(), ada(x, numbers, 0.7, GROUPS), atol=1e-4)


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.4, 1.0])
def test_first_and_second_derivatives(p: float) -> None:
    x = rough(2, 5).double().requires_grad_()
    numbers = uniform(2, 3)
    assert gradcheck(lambda y: ada(y, numbers, p, GROUPS), (x,), fast_mode=True)
    assert gradgradcheck(lambda y: ada(y, numbers, p, GROUPS).tanh(), (x,), fast_mode=True)


def test_the_gradient_penalty_reaches_weights_through_the_augmentation() -> None:
    """R1 of a one-layer critic: the derivative of its penalty by a weight against a difference quotient."""
    x, numbers = rough(3, 8).double().requires_grad_(), uniform(3, 5)

    def penalty(weight: torch.Tensor) -> torch.Tensor:
        logits = torch.tanh(ada(x, numbers, 0.8) * weight).sum()
        (slope,) = torch.autograd.grad(logits, x, create_graph=True)
        return slope.square().sum()

    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(penalty(weight), weight)
    step = 1e-5
    quotient = (penalty(weight.detach() + step) - penalty(weight.detach() - step)) / (2 * step)
    assert float(derivative) == pytest.approx(float(quotient.detach()), rel=1e-6)


# --- strength ---------------------------------------------------------------------------------------------------------


def test_p_crosses_the_range_in_the_given_time() -> None:
    p = 0.0
    for _ in range(1000):
        p = adapted(p, 0.9, target=0.6, images=8 * 4, speed_kimg=32.0)
    assert p == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("p", "sign", "expected"),
    [(0.5, 0.7, 0.51), (0.5, 0.5, 0.49), (0.5, 0.6, 0.5), (0.005, -1.0, 0.0), (0.995, 1.0, 1.0)],
)
def test_p_moves_towards_the_target_and_stays_a_probability(p: float, sign: float, expected: float) -> None:
    assert adapted(p, sign, target=0.6, images=5000, speed_kimg=500.0) == pytest.approx(expected)
