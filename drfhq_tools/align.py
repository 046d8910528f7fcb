"""Quad → aligned square crop, and back: FFHQ's picture with bounded work.

FFHQ (Karras et al. 2019) shrinks the picture, pads and blurs it at full size, warps it to four times the output and
resizes. Here the picture is sampled once, antialiased, straight into output space; reflection, blur and fade are done
there, and only where the quad comes near the picture's rim. The blur's deviation, 0.02 of the quad's side, is 0.02 of
the output whatever the picture's size, so blur and fade are made at a quarter of it, from the crop and, around it, a
thumbnail; the median needs no more than that. Work is done on four channels: OpenCV warps those three times as fast as
three.
Pixel convention: :mod:`drfhq_tools.geometry`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from drfhq_tools.geometry import (
    BROWS,
    JAW,
    FloatArray,
    Quad,
    eye_and_mouth_means,
    outside_fraction,
    source_to_unit,
    unit_to_source,
)
from drfhq_tools.records import Pixels
from drfhq_tools.warp import (
    CONSTANT,
    CUBIC,
    HALVED,
    LINEAR,
    REFLECT_101,
    REPLICATE,
    halve,
    oversampling,
    shrink,
    warp,
)

MaskArray = npt.NDArray[np.float32]
SampleArray = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Pads = tuple[int, int, int, int]  # left, top, right, bottom

BORDER_SHARE: Final = 0.1  # FFHQ keeps this share of the side around the quad …
PAD_SHARE: Final = 0.3  # … and pads at least by this one once it must pad
BLUR_SHARE: Final = 0.02  # deviation of the blur
_BLUR_MARGIN: Final = 4 * BLUR_SHARE  # the Gaussian is cut at four deviations
_THUMBNAIL_PX: Final = 192  # side of the quad in the copy the median is taken of
FOREHEAD: Final = 0.5  # from the brows to the hairline, in distances from mouth to eyes
_BAND_PIXELS: Final = 1 << 18  # of a picture blended at once
_BAND_ROWS: Final = 16
FACE_EDGE: Final = 0.025  # deviation of the face mask's soft edge, as a share of the side


@dataclass(frozen=True, slots=True)
class Aligned:
    """``pixels`` (S, S, 3) uint8 RGB; ``pad_fraction`` in [0, 1], the share of the crop's area outside the picture;
    ``scale``, output pixels per source pixel (above 1 the face was enlarged)."""

    pixels: Pixels
    pad_fraction: float
    scale: float


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of the picture FFHQ works on, shrunk, as RGBA; ``quad`` in its pixel-index coordinates."""

    pixels: Pixels
    quad: Quad
    pads: Pads | None  # None where the picture holds the whole quad


def align(pixels: Pixels, quad: Quad, size: int) -> Aligned:
    """Crop ``quad`` out of ``pixels`` (H, W, 3) as FFHQ does, to ``size``².

    Raises:
        ValueError: the quad is no square of positive size or lies wholly outside the picture.
    """
    height, width = pixels.shape[:2]
    _check(quad, width, height)
    window = _window(pixels, quad, size)
    out = _sample(window, size) if window.pads is None else _faded(window, window.pads, size)
    rgb = np.asarray(cv2.cvtColor(out, cv2.COLOR_RGBA2RGB), dtype=np.uint8)
    return Aligned(rgb, outside_fraction(quad, width, height), size / quad.side_px)


def feather_mask(size: int) -> MaskArray:
    """(size, size) float32 in [0, 1]: 1 over face and near hair of an FFHQ crop, falling smoothly to 0 at the rim."""
    axis = np.abs(np.arange(size, dtype=np.float64) + 0.5 - size / 2) / max(size / 2 - 0.5, 0.5)
    radius = (axis[:, None] ** 3 + axis[None, :] ** 3) ** (1 / 3)
    t = np.clip((1 - radius) / 0.3, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def face_mask(landmarks: FloatArray, size: int) -> MaskArray:
    """(size, size) float32 in [0, 1]: 1 over the face, from chin to hairline, with a soft edge; exactly 0 away from it.

    ``landmarks`` (68, 2) iBUG in the crop's pixel-index coordinates (:func:`drfhq_tools.geometry.points_in_crop`).
    Hair, ears and what stands behind the head stay the picture's own.
    """
    eye_left, eye_right, mouth = eye_and_mouth_means(landmarks)
    up = (eye_left + eye_right) / 2 - mouth
    outline = np.concatenate([landmarks[JAW], landmarks[BROWS], landmarks[BROWS] + FOREHEAD * up])
    hull = cv2.convexHull(np.rint(outline).astype(np.int32))
    inside = cv2.fillConvexPoly(np.zeros((size, size), dtype=np.float32), hull, 1.0)
    edge = FACE_EDGE * size
    inset = cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(edge) + 1,) * 2))
    return np.asarray(cv2.GaussianBlur(inset, (0, 0), edge), dtype=np.float32)


def paste_back(picture: Pixels, crop: Pixels, quad: Quad, mask: MaskArray | None = None) -> Pixels:
    """Put ``crop`` (S, S, 3), aligned by ``quad``, back into ``picture`` (H, W, 3); a new array is returned.

    ``mask`` as :func:`paste_into` takes it, :func:`feather_mask` by default.
    """
    out = picture.copy()
    paste_into(out, crop.astype(np.float32), quad, feather_mask(crop.shape[0]) if mask is None else mask)
    return out


def paste_into(samples: SampleArray, crop: MaskArray, quad: Quad, mask: MaskArray) -> None:
    """Put ``crop`` (S, S, C) float32, aligned by ``quad``, into ``samples`` (H, W, C), uint8 or uint16, in place.

    The crop is in the samples' own units. ``mask`` (M, M) float32 in [0, 1] in crop space weighs it; samples where it
    is 0 keep their value bit for bit. Crop and mask are averaged where the face is smaller than they are. Only pixels
    under the mask are touched, a band of rows at a time, so that memory is bounded whatever the face's size.

    Raises:
        ValueError: the quad is no square of positive size or lies wholly outside the picture.
    """
    height, width = samples.shape[:2]
    _check(quad, width, height)
    sampled = _sampled(quad, crop.shape[0], width, height)
    x0, y0, x1, y1 = _covering(_under(mask, sampled), width, height)
    step = max(_BAND_ROWS, _BAND_PIXELS // max(x1 - x0, 1))
    for top in range(y0, y1, step):
        _paste_band(samples[top : min(top + step, y1), x0:x1], crop, mask, sampled, (x0, top))


def _paste_band(region: SampleArray, crop: MaskArray, mask: MaskArray, sampled: Quad, origin: tuple[int, int]) -> None:
    extent = (region.shape[1], region.shape[0])
    alpha = warp(mask, _source_to_crop(sampled, mask.shape[0], *origin), extent, border=CONSTANT)[..., None]
    if not alpha.any():
        return
    crop_map = _source_to_crop(sampled, crop.shape[0], *origin)
    interpolation = CUBIC if oversampling(crop_map) == 1 else LINEAR
    face = warp(crop, crop_map, extent, border=REPLICATE, interpolation=interpolation).reshape(region.shape)
    blended = region + (face - region) * alpha
    top = np.iinfo(region.dtype).max
    np.copyto(region, np.clip(np.rint(blended), 0, top).astype(region.dtype), where=alpha > 0)


def _under(mask: MaskArray, quad: Quad) -> FloatArray:
    """(4, 2) corners of the part of ``quad`` where ``mask`` is above 0, and a mask's pixel more; pixel-index."""
    rows, columns = (np.flatnonzero((mask > 0).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return np.empty((0, 2))
    low = np.array([columns[0] - 1, rows[0] - 1]) / len(mask)
    high = np.array([columns[-1] + 2, rows[-1] + 2]) / len(mask)
    unit = np.array([[low[0], low[1], 1], [low[0], high[1], 1], [high[0], high[1], 1], [high[0], low[1], 1]])
    return np.asarray((unit @ unit_to_source(quad).T)[:, :2] - 0.5)


def _check(quad: Quad, width: int, height: int) -> None:
    if not np.isfinite(quad.corners).all() or quad.side_px < 1e-6:
        raise ValueError("the quad has no area")
    low, high = quad.corners.min(axis=0), quad.corners.max(axis=0)
    if low[0] > width - 1 or low[1] > height - 1 or high[0] < 0 or high[1] < 0:
        raise ValueError("the quad lies wholly outside the picture")


def _covering(corners: FloatArray, width: int, height: int) -> tuple[int, int, int, int]:
    """The picture's pixels that a polygon (N, 2) may touch, as a half-open window; empty if it has no corner."""
    if not len(corners):
        return 0, 0, 0, 0
    low, high = corners.min(axis=0), corners.max(axis=0)
    x0, y0 = max(math.floor(low[0]), 0), max(math.floor(low[1]), 0)
    return x0, y0, min(math.ceil(high[0]) + 1, width), min(math.ceil(high[1]) + 1, height)


def _crop_to_source(quad: Quad, size: int, margin: int = 0) -> FloatArray:
    """Crop pixels, counted from ``margin`` pixels outside its top left corner → continuous source coordinates."""
    to_unit = np.diag([1 / size, 1 / size, 1.0])
    to_unit[:2, 2] = -margin / size
    return np.asarray(unit_to_source(quad) @ to_unit)


def _source_to_crop(quad: Quad, size: int, x0: int, y0: int) -> FloatArray:
    """Pixels of a window that starts at (x0, y0) → continuous crop coordinates."""
    origin = np.eye(3)
    origin[:2, 2] = x0, y0
    return np.asarray(np.diag([size, size, 1.0]) @ source_to_unit(quad) @ origin)


def _shrinking(quad: Quad, size: int, width: int, height: int) -> tuple[int, tuple[int, int]]:
    """FFHQ's shrink factor for a picture of ``width`` × ``height``, and the size the picture shrinks to."""
    factor = max(1, math.floor(quad.side_px / size * 0.5))
    return factor, (max(1, round(width / factor)), max(1, round(height / factor)))


def _sampled(quad: Quad, size: int, width: int, height: int) -> Quad:
    """The quad FFHQ samples: it divides the quad by the shrink factor and adds the half pixel only then, in a picture
    whose size was rounded, so that a quad of over four times the output drifts by up to a quarter output pixel."""
    factor, shrunk = _shrinking(quad, size, width, height)
    stretch = np.array([width / shrunk[0], height / shrunk[1]])
    return Quad((quad.corners / factor + 0.5) * stretch - 0.5)


def _window(pixels: Pixels, quad: Quad, size: int) -> _Window:
    """Shrink and cut as FFHQ does; work stays bounded because the shrunk quad is under four times the output."""
    height, width = pixels.shape[:2]
    factor, shrunk = _shrinking(quad, size, width, height)
    border = max(round(BORDER_SHARE * quad.side_px / factor), 3)
    corners = quad.corners / factor
    low, high = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    start = np.maximum(low - border, 0)
    stop = np.minimum(high + border, shrunk)
    stretch = np.array([width, height]) / shrunk
    cut = _cut(pixels, start * stretch, stop * stretch, (int(stop[0] - start[0]), int(stop[1] - start[1])))
    moved = Quad((_sampled(quad, size, width, height).corners + 0.5) / stretch - start - 0.5)
    pads = np.maximum(np.concatenate([start - low, high - stop]) + border, 0)
    if pads.max() <= border - 4:
        return _Window(cut, moved, None)
    left, top, right, bottom = np.maximum(pads, round(PAD_SHARE * quad.side_px / factor)).tolist()
    return _Window(cut, moved, (left, top, right, bottom))


def _cut(pixels: Pixels, start: FloatArray, stop: FloatArray, size: tuple[int, int]) -> Pixels:
    """The rectangle from ``start`` to ``stop``, continuous (x, y), as RGBA of ``size`` = (width, height)."""
    first, last = np.floor(start).astype(int), np.ceil(stop).astype(int)
    part = pixels[first[1] : last[1], first[0] : last[0]]
    if size != (part.shape[1], part.shape[0]):
        box = (*(start - first).tolist(), *(stop - first).tolist())
        part = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.LANCZOS, box))
    return np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2RGBA), dtype=np.uint8)


def _sample(window: _Window, size: int, border: int = REPLICATE) -> Pixels:
    """(size, size, 4): the quad. Two samples an output pixel along each axis do for FFHQ's four, and one where the face
    is enlarged."""
    matrix = _crop_to_source(window.quad, size)
    if window.quad.side_px <= size:
        return warp(window.pixels, matrix, (size, size), border=border)
    return halve(warp(window.pixels, matrix @ HALVED, (2 * size, 2 * size), border=border))


def _faded(window: _Window, pads: Pads, size: int) -> Pixels:
    """Sample with reflection beyond the rim, blur towards it and fade to the median outside.

    What is not sharp is smooth, and so is its share: both are made at a fraction of the size.
    """
    sharp = _sample(window, size, REFLECT_101)
    scale = math.gcd(size, min(max(size // 128, 1), 4))  # a deviation of 2.5 px or more, where the Gaussian is true
    thumbnail, factor = _thumbnail(window)
    x, y = _source_grid(_crop_to_source(window.quad, size // scale), size // scale)
    fade = _fade(x, y, (window.pixels.shape[1], window.pixels.shape[0]), pads)
    outside = np.clip(fade, 0, 1)
    kept = np.clip(-3 * fade, 0, 1) * (1 - outside)
    blurred = _blurred(shrink(sharp, scale), thumbnail)
    left, top, right, bottom = (max(1, round(pad / factor)) for pad in pads)
    median = _median(thumbnail, (left, top, right, bottom))
    soft = blurred + (median - blurred) * (outside / np.maximum(1 - kept, 1e-6))[..., None]
    return _blend(sharp, np.rint(soft).astype(np.uint8), kept, scale)


def _thumbnail(window: _Window) -> tuple[_Window, int]:
    """The window at a power of two, by which it was shrunk."""
    factor = 2 ** max(0, math.floor(math.log2(window.quad.side_px / _THUMBNAIL_PX)))
    quad = Quad((window.quad.corners + 0.5) / factor - 0.5)
    return _Window(shrink(window.pixels, factor), quad, None), factor


def _blurred(small: Pixels, thumbnail: _Window) -> MaskArray:
    """The small crop, (S, S, 4), as float32, blurred; what lies around it is seen in the thumbnail."""
    size = small.shape[0]
    margin = math.ceil(_BLUR_MARGIN * size)
    inner = slice(margin, margin + size)
    matrix = _crop_to_source(thumbnail.quad, size, margin)
    wide = warp(thumbnail.pixels, matrix, (size + 2 * margin,) * 2, border=REFLECT_101)
    wide[inner, inner] = small
    return np.asarray(cv2.GaussianBlur(wide.astype(np.float32), (0, 0), BLUR_SHARE * size)[inner, inner])


def _source_grid(matrix: FloatArray, size: int) -> tuple[MaskArray, MaskArray]:
    """Pixel-index x and y, each (size, size), of the centres of the crop's pixels in the window."""
    centres = np.arange(size) + 0.5
    across, down = matrix[:2, 0, None] * centres, matrix[:2, 1, None] * centres + matrix[:2, 2, None] - 0.5
    x, y = (np.add.outer(down[axis], across[axis], dtype=np.float32) for axis in (0, 1))
    return x, y


def _blend(sharp: Pixels, soft: Pixels, kept: MaskArray, scale: int) -> Pixels:
    """``sharp``, changed where less than all of it is kept, to ``soft``; both that and ``kept`` are ``scale`` times
    smaller."""
    rows, columns = (_span(np.asarray((kept < 1).any(axis=axis))) for axis in (1, 0))
    region = sharp[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
    if region.size:
        extent = (region.shape[1], region.shape[0])
        share = cv2.resize(kept[rows, columns], extent, interpolation=LINEAR)
        enlarged = cv2.resize(soft[rows, columns], extent, interpolation=LINEAR)
        region[:] = cv2.blendLinear(region, enlarged, share, 1 - share)
    return sharp


def _span(touched: npt.NDArray[np.bool_]) -> slice:
    """From the first to the last that is true, and one more either way: enlarging looks at neighbours."""
    index = np.flatnonzero(touched)
    return slice(max(int(index[0]) - 1, 0), min(int(index[-1]) + 2, len(touched))) if index.size else slice(0, 0)


def _fade(x: MaskArray, y: MaskArray, size: tuple[int, int], pads: Pads) -> MaskArray:
    """FFHQ's mask m at window pixel-index coordinates: 1 at the padded picture's rim, 0 where the padding starts."""
    left, top, right, bottom = pads
    across = np.maximum(x * (-1 / left), (x - (size[0] - 1)) * (1 / right))
    down = np.maximum(y * (-1 / top), (y - (size[1] - 1)) * (1 / bottom))
    return np.asarray(np.maximum(across, down), dtype=np.float32)


def _median(thumbnail: _Window, pads: Pads) -> Pixels:
    """(4,) per-channel median of the padded, blurred window, from a thumbnail of it."""
    height, width = thumbnail.pixels.shape[:2]
    left, top, right, bottom = pads
    padded = np.pad(thumbnail.pixels, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    blurred = _roughly_blurred(padded, BLUR_SHARE * thumbnail.quad.side_px)
    x = np.arange(-left, width + right, dtype=np.float32)[None, :]
    y = np.arange(-top, height + bottom, dtype=np.float32)[:, None]
    share = np.clip(3 * _fade(x, y, (width, height), pads) + 1, 0, 1)
    mixed = cv2.blendLinear(padded, blurred, 1 - share, share)
    return np.array([_middle(np.asarray(channel)) for channel in cv2.split(mixed)], dtype=np.uint8)


def _roughly_blurred(pixels: Pixels, deviation: float) -> Pixels:
    """Two boxes for a Gaussian of this deviation: one tenth of the time, near enough to count grey values."""
    box = (2 * round((math.sqrt(6 * deviation**2 + 1) - 1) / 2) + 1,) * 2
    return np.asarray(cv2.blur(cv2.blur(pixels, box), box), dtype=np.uint8)


def _middle(values: Pixels) -> int:
    """The median, rounded down."""
    below = np.bincount(values.ravel(), minlength=256).cumsum()
    low, high = np.searchsorted(below, [(values.size - 1) // 2, values.size // 2], side="right")
    return int(low + high) // 2
