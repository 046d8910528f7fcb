"""The FFHQ crop, slowly: every step at full size, in the published order, written from its formulas alone.

Shares no code with drfhq_tools, so that the two can be held against each other. Karras et al. 2019.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

OVERSAMPLING = 4


def reference_quad(landmarks: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(4, 2) corners NW SW SE NE from (68, 2) landmarks, by complex numbers: a turn by 90° is a product with i."""
    z = landmarks[:, 0] + 1j * landmarks[:, 1]
    eyes = (z[36:42].mean(), z[42:48].mean())
    middle, mouth = sum(eyes) / 2, (z[48] + z[54]) / 2
    across, down = eyes[1] - eyes[0], mouth - middle
    x = across - 1j * down
    x *= max(2.0 * abs(across), 1.8 * abs(down)) / abs(x)
    y = 1j * x
    centre = middle + 0.1 * down
    return np.array([[c.real, c.imag] for c in (centre - x - y, centre - x + y, centre + x + y, centre + x - y)])


def reference_crop(pixels: npt.NDArray[np.uint8], quad: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8]:
    """(size, size, 3) uint8 crop of (H, W, 3) ``pixels``; ``quad`` (4, 2) in pixel indices."""
    picture, quad = _shrunk(Image.fromarray(pixels), quad.copy(), size)
    side = float(np.hypot(*(quad[3] - quad[0])))
    border = max(int(np.rint(side * 0.1)), 3)
    picture, quad = _cut(picture, quad, border)
    picture, quad = _padded(picture, quad, side, border)
    large = size * OVERSAMPLING
    picture = picture.transform(
        (large, large), Image.Transform.QUAD, tuple((quad + 0.5).ravel()), Image.Resampling.BILINEAR
    )
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def needs_padding(quad: npt.NDArray[np.float64], size: int, width: int, height: int) -> bool:
    """Whether the crop is padded and blurred, which is what takes the time."""
    picture, quad = _shrunk(Image.new("L", (width, height)), quad.copy(), size)
    border = max(int(np.rint(np.hypot(*(quad[3] - quad[0])) * 0.1)), 3)
    return bool(_pads(quad, picture, border).max() > border - 4)


def _shrunk(
    picture: Image.Image, quad: npt.NDArray[np.float64], size: int
) -> tuple[Image.Image, npt.NDArray[np.float64]]:
    factor = int(np.floor(np.hypot(*(quad[3] - quad[0])) / size * 0.5))
    if factor <= 1:
        return picture, quad
    smaller = (int(np.rint(picture.width / factor)), int(np.rint(picture.height / factor)))
    return picture.resize(smaller, Image.Resampling.LANCZOS), quad / factor


def _bounds(quad: npt.NDArray[np.float64]) -> tuple[int, int, int, int]:
    low, high = np.floor(quad.min(axis=0)), np.ceil(quad.max(axis=0))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _cut(
    picture: Image.Image, quad: npt.NDArray[np.float64], border: int
) -> tuple[Image.Image, npt.NDArray[np.float64]]:
    x0, y0, x1, y1 = _bounds(quad)
    box = (
        max(x0 - border, 0),
        max(y0 - border, 0),
        min(x1 + border, picture.width),
        min(y1 + border, picture.height),
    )
    return picture.crop(box), quad - box[:2]


def _pads(quad: npt.NDArray[np.float64], picture: Image.Image, border: int) -> npt.NDArray[np.int_]:
    x0, y0, x1, y1 = _bounds(quad)
    return np.maximum(np.array([-x0, -y0, x1 - picture.width, y1 - picture.height]) + border, 0)


def _padded(
    picture: Image.Image, quad: npt.NDArray[np.float64], side: float, border: int
) -> tuple[Image.Image, npt.NDArray[np.float64]]:
    pads = _pads(quad, picture, border)
    if pads.max() <= border - 4:
        return picture, quad
    left, top, right, bottom = (int(pad) for pad in np.maximum(pads, int(np.rint(side * 0.3))))
    image = np.pad(np.float32(picture), ((top, bottom), (left, right), (0, 0)), mode="reflect")
    height, width = image.shape[:2]
    x, y = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
    mask = np.maximum(
        1 - np.minimum(np.float32(x) / left, np.float32(width - 1 - x) / right),
        1 - np.minimum(np.float32(y) / top, np.float32(height - 1 - y) / bottom),
    )
    blurred = ndimage.gaussian_filter(image, (side * 0.02, side * 0.02, 0))
    image += (blurred - image) * np.clip(3 * mask + 1, 0, 1)
    image += (np.median(image, axis=(0, 1)) - image) * np.clip(mask, 0, 1)
    return Image.fromarray(np.uint8(np.clip(np.rint(image), 0, 255))), quad + np.array([left, top])
