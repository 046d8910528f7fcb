"""The aligner against the slow reference, paste-back against its promises, both against the half pixel."""

import csv
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from reference_ffhq import reference_crop

from drfhq_tools.align import align, face_mask, feather_mask, paste_back
from drfhq_tools.geometry import Quad, outside_fraction, points_in_crop
from drfhq_tools.manifest import open_manifest
from drfhq_tools.records import Pixels

EXAMPLE = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"
RENDERS = Path(__file__).parents[3] / ".." / "shared" / "renders-large"


def turned(x: float, y: float, side: float, degrees: float) -> Quad:
    """A quad around index (x, y), turned clockwise on screen."""
    angle = np.radians(degrees)
    across = np.array([np.cos(angle), np.sin(angle)]) * side / 2
    down = np.array([-across[1], across[0]])
    return Quad(np.array([x, y]) + np.array([-across - down, -across + down, across + down, across - down]))


def scenery(width: int, height: int, seed: int = 0) -> Pixels:
    """Smooth shapes and texture in colour, about as detailed as a portrait."""
    rng = np.random.default_rng(seed)
    layers = np.zeros((height, width, 3), np.float32)
    for scale, weight in ((64, 90), (16, 45), (4, 14)):
        coarse = rng.normal(size=(height // scale + 3, width // scale + 3, 3)).astype(np.float32)
        layers += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(layers + 128, 0, 255), dtype=np.uint8)


def differences(pixels: Pixels, quad: Quad, size: int) -> tuple[float, float]:
    """Mean absolute difference, grey levels, and PSNR, dB, to the reference."""
    ours = align(pixels, quad, size).pixels.astype(np.float64)
    error = ours - reference_crop(pixels, quad.corners, size)
    return float(np.abs(error).mean()), float(10 * np.log10(255**2 / (error**2).mean()))


CASES = {
    "inside": (turned(400, 300, 300, 8), 128),
    "same size": (turned(400, 300, 256, 0), 256),
    "enlarged": (turned(400, 300, 150, -12), 256),
    "shrunk fourfold": (turned(400, 300, 520, 3), 128),
    "shrunk ninefold": (turned(400, 300, 580, 3), 64),
    "left": (turned(90, 300, 300, 5), 128),
    "top": (turned(400, 80, 300, 5), 128),
    "right": (turned(700, 300, 300, 5), 128),
    "bottom": (turned(400, 520, 300, 5), 128),
    "corner": (turned(100, 90, 300, -20), 128),
    "everywhere": (turned(400, 300, 800, 10), 128),
    "padded, enlarged": (turned(60, 60, 150, 15), 256),
    "padded, shrunk ninefold": (turned(200, 300, 580, 3), 64),
    "just within the rim": (turned(155, 300, 300, 0), 128),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_published_procedure(case: str) -> None:
    quad, size = CASES[case]
    mean, psnr = differences(scenery(801, 603), quad, size)
    assert mean < 1.0
    assert psnr > 45


# Where the crop is far smaller than the face, half a source pixel is an eighth of an output pixel.
FINE_CASES = [name for name, (quad, size) in CASES.items() if quad.side_px / size < 4]


@pytest.mark.parametrize("case", FINE_CASES)
def test_half_a_source_pixel_would_show(case: str) -> None:
    """The comparison is sharp enough to see the mistake it guards against."""
    quad, size = CASES[case]
    mean, psnr = differences(scenery(801, 603), quad, size)
    moved = align(scenery(801, 603), Quad(quad.corners + 0.5), size).pixels.astype(np.float64)
    error = moved - reference_crop(scenery(801, 603), quad.corners, size)
    assert np.abs(error).mean() > 2 * mean
    assert 10 * np.log10(255**2 / (error**2).mean()) < psnr - 3


def test_equal_on_rendered_portraits() -> None:
    if not RENDERS.is_dir():
        pytest.skip("no shared/renders-large beside the project")
    with (RENDERS / "labels.csv").open(encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file)][:3]
    quads = [turned(900, 800, 900, 4), turned(900, 250, 900, -6), turned(300, 900, 1100, 2)]
    for name, quad in zip(names, quads, strict=True):
        mean, psnr = differences(np.asarray(Image.open(RENDERS / name).convert("RGB")), quad, 256)
        assert mean < 1.0
        assert psnr > 45


def test_an_aligned_quad_of_the_output_size_is_the_picture_half_a_pixel_on() -> None:
    """FFHQ's 0.5: the crop's first pixel centre lies at index +0.5, so a ramp of slope 2 comes out one higher."""
    ramp = np.broadcast_to(2 * np.arange(120, dtype=np.uint8)[None, :, None], (120, 120, 3))
    out = align(np.ascontiguousarray(ramp), turned(60, 60, 64, 0), 64).pixels
    expected = 2 * (60 - 32 + np.arange(64) + 0.5)
    np.testing.assert_allclose(out[32, 4:-4, 0], expected[4:-4], atol=1)


def test_a_dot_lands_where_points_in_crop_says() -> None:
    pixels = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(pixels, (120, 77), 3, (255, 255, 255), -1)
    quad = turned(100, 90, 110, 25)
    crop = align(pixels, quad, 128).pixels[..., 0].astype(np.float64)
    ys, xs = np.mgrid[:128, :128]
    centroid = [(xs * crop).sum() / crop.sum(), (ys * crop).sum() / crop.sum()]
    np.testing.assert_allclose(centroid, points_in_crop(np.array([[120.0, 77.0]]), quad, 128)[0], atol=0.05)


def test_pad_fraction_and_scale() -> None:
    inside = align(scenery(300, 300), turned(150, 150, 100, 10), 64)
    assert inside.pad_fraction == 0
    assert inside.scale == pytest.approx(0.64)
    quad = turned(10, 150, 100, 10)
    assert align(scenery(300, 300), quad, 64).pad_fraction == outside_fraction(quad, 300, 300) > 0.3


def test_a_plain_picture_stays_plain_however_padded() -> None:
    pixels = np.full((100, 140, 3), (200, 90, 30), np.uint8)
    for quad in (turned(10, 10, 90, 30), turned(70, 50, 400, 5)):
        out = align(pixels, quad, 64).pixels
        assert np.abs(out.astype(int) - (200, 90, 30)).max() <= 1


@pytest.mark.parametrize(
    "quad", [turned(-900, 50, 40, 0), turned(50, 400, 40, 0), Quad(np.zeros((4, 2))), Quad(np.full((4, 2), np.nan))]
)
def test_a_quad_without_picture_is_refused(quad: Quad) -> None:
    with pytest.raises(ValueError, match="quad"):
        align(np.zeros((100, 100, 3), np.uint8), quad, 32)
    with pytest.raises(ValueError, match="quad"):
        paste_back(np.zeros((100, 100, 3), np.uint8), np.zeros((32, 32, 3), np.uint8), quad)


def test_tiny_pictures_and_crops_work() -> None:
    for width, height in ((1, 1), (2, 7), (30, 1)):
        assert align(np.zeros((height, width, 3), np.uint8), turned(0, 0, 20, 10), 4).pixels.shape == (4, 4, 3)


def test_face_mask_covers_the_features_and_leaves_hair_and_background() -> None:
    face = next(iter(open_manifest(EXAMPLE).faces))
    landmarks = points_in_crop(face.landmarks_xy, face.quad_corners, 256)
    mask = face_mask(landmarks, 256)
    assert (mask.shape, mask.dtype) == ((256, 256), np.float32)
    x, y = np.rint(landmarks[27:68]).astype(int).T  # nose, eyes, mouth
    assert mask[y, x].min() > 0.95
    x, y = np.rint(landmarks[:17]).astype(int).T  # the jaw lies in the soft edge
    assert mask[y, x].max() < 0.6
    assert mask[:20].max() == mask[:, :20].max() == mask[:, -20:].max() == 0
    assert mask[-1].max() < 1e-3


def test_feather_mask_covers_the_face_and_dies_at_the_rim() -> None:
    mask = feather_mask(64)
    assert mask.dtype == np.float32
    assert mask.min() == 0
    assert mask.max() == 1
    assert not mask[0].any()
    assert not mask[-1].any()
    assert not mask[:, 0].any()
    assert not mask[:, -1].any()
    assert (mask[16:48, 16:48] == 1).all()
    assert np.abs(np.diff(mask, axis=1)).max() < 0.2


@pytest.mark.parametrize("size", [48, 96, 256])
def test_pasting_back_what_was_cut_changes_little(size: int) -> None:
    picture = np.asarray(cv2.GaussianBlur(scenery(400, 300), (0, 0), 4), dtype=np.uint8)
    quad = turned(180, 150, 96, 17)
    back = paste_back(picture, align(picture, quad, size).pixels, quad)
    error = np.abs(back.astype(int) - picture)
    assert error.max() <= 6
    assert error.mean() < 0.5


def test_pasting_back_is_not_half_a_pixel_off() -> None:
    ramp = np.broadcast_to(2 * np.arange(120, dtype=np.uint8)[None, :, None], (120, 120, 3))
    picture = np.ascontiguousarray(ramp)
    for size in (24, 48, 192):
        quad = turned(60, 60, 48, 0)
        back = paste_back(picture, align(picture, quad, size).pixels, quad).astype(int)
        assert abs((back - picture)[50:70, 50:70].mean()) < 0.4


def test_pixels_under_no_mask_are_untouched() -> None:
    picture = scenery(300, 200)
    mask: npt.NDArray[np.float32] = np.zeros((64, 64), np.float32)
    mask[24:40, 24:40] = 1
    quad = turned(150, 100, 128, 0)
    crop = np.full((64, 64, 3), 255, np.uint8)
    before = picture.copy()
    out = paste_back(picture, crop, quad, mask)
    np.testing.assert_array_equal(picture, before)
    changed = (out != picture).any(axis=2)
    ys, xs = np.nonzero(changed)
    # The mask's square spans indices 134 to 166 across and 84 to 116 down; bilinear reach is one crop pixel more.
    assert 132 <= xs.min() < xs.max() <= 169
    assert 82 <= ys.min() < ys.max() <= 119
    np.testing.assert_array_equal(out[90:110, 140:160], np.full((20, 20, 3), 255))
    np.testing.assert_array_equal(paste_back(picture, crop, quad, np.zeros((64, 64), np.float32)), picture)


def test_pasting_far_larger_crops_does_not_alias() -> None:
    """A 1-pixel checkerboard, 8 times finer than the face's pixels, comes back as its mean."""
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = np.repeat(board[..., None], 3, axis=2)
    out = paste_back(np.full((100, 100, 3), 128, np.uint8), crop, turned(50, 50, 64, 11))
    assert np.abs(out.astype(int) - 128).max() <= 6


def test_pasting_over_the_rim_keeps_the_picture_size() -> None:
    picture = scenery(120, 100)
    quad = turned(5, 5, 80, 30)
    out = paste_back(picture, align(picture, quad, 64).pixels, quad)
    assert out.shape == picture.shape
    assert np.abs(out[10:30, 10:30].astype(int) - picture[10:30, 10:30]).mean() < 12
