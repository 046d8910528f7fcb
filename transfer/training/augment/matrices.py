"""The matrices of adaptive augmentation, from uniform numbers: where a pixel comes from, and its colour.

Small and on the host: what is to be done with a sample is known without asking the device. A transform is used where
its first number lies below p; the next ones say how far. Distances are pixels from the picture's centre, x to the
right, y down.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Array = npt.NDArray[np.float64]

BLIT_NUMBERS = 2 + 2 + 3
GEOMETRY_NUMBERS = 2 + 2 + 2 + 2 + 3
COLOUR_NUMBERS = 5 * 2

REACH = 0.125
"""Shifts: the most whole pixels, and the standard deviation of fractions, as a share of the side."""
SCALE_OCTAVES = 0.2
CONTRAST_OCTAVES = 0.5
SATURATION_OCTAVES = 1.0
BRIGHTNESS = 0.2
"""Standard deviations."""


def blit(numbers: Array, p: float, side_px: int) -> Array:
    """Mirror, turn by right angles, shift by whole pixels. (N, 7) → (N, 3, 3), from output to source."""
    flip_on, flip, turn_on, turn, shift_on, dx, dy = numbers.T
    flip = np.where(flip_on < p, np.floor(flip * 2), 0.0)
    turn = np.where(turn_on < p, np.floor(turn * 4), 0.0)
    shift = [np.where(shift_on < p, np.rint((2 * d - 1) * REACH * side_px), 0.0) for d in (dx, dy)]
    # Right angles have whole cosines, which floating point misses.
    return _scaling(1 - 2 * flip, np.ones_like(flip)) @ np.rint(_rotation(-turn * np.pi / 2)) @ _shift(*shift)


def geometry(numbers: Array, p: float, side_px: int) -> Array:
    """Scale, rotate, stretch, rotate, shift. (N, 11) → (N, 3, 3), from output to source.

    Either rotation has the probability 1 − √(1 − p), so that p is that of any.
    """
    size_on, size, first_on, first, stretch_on, stretch, last_on, last, shift_on, dx, dy = numbers.T
    turned = 1.0 - np.sqrt(1.0 - min(p, 1.0))
    size = np.where(size_on < p, lognormal(size, SCALE_OCTAVES), 1.0)
    stretch = np.where(stretch_on < p, lognormal(stretch, SCALE_OCTAVES), 1.0)
    angles = [np.where(on < turned, (2 * angle - 1) * np.pi, 0.0) for on, angle in ((first_on, first), (last_on, last))]
    shift = [np.where(shift_on < p, normal(d) * REACH * side_px, 0.0) for d in (dx, dy)]
    scaled = _scaling(1 / size, 1 / size) @ _rotation(-angles[0])
    return scaled @ _scaling(1 / stretch, stretch) @ _rotation(-angles[1]) @ _shift(*shift)


def colour(numbers: Array, p: float) -> Array:
    """Brightness, contrast, luma flip, hue, saturation, in this order. (N, 10) → (N, 4, 4) on (r, g, b, 1)."""
    on = numbers[:, ::2] < p
    brightness, contrast, flip, hue, saturation = numbers[:, 1::2].T
    shift = np.tile(np.eye(4), (len(numbers), 1, 1))
    shift[:, :3, 3] = np.where(on[:, 0], normal(brightness) * BRIGHTNESS, 0.0)[:, None]
    contrast = np.where(on[:, 1], lognormal(contrast, CONTRAST_OCTAVES), 1.0)
    flip = np.where(on[:, 2], np.floor(flip * 2), 0.0)
    hue = np.where(on[:, 3], (2 * hue - 1) * np.pi, 0.0)
    saturation = np.where(on[:, 4], lognormal(saturation, SATURATION_OCTAVES), 1.0)
    # All five keep the grey axis in place: they are numbers along it, across it, and a turn about it.
    return _about_grey((1 - 2 * flip) * contrast, contrast * saturation, hue) @ shift


def normal(numbers: Array) -> Array:
    """Standard normal quantiles of uniform numbers of 24 bits, taken at their middle: 0 is among them, −∞ is not."""
    return np.asarray(ndtri(numbers * (1 - 2.0**-24) + 2.0**-25), dtype=np.float64)


def lognormal(numbers: Array, octaves: float) -> Array:
    """Factors whose logarithm to base 2 has the standard deviation ``octaves``."""
    return np.asarray(2.0 ** (normal(numbers) * octaves), dtype=np.float64)


def changed(matrices: Array) -> npt.NDArray[np.bool_]:
    """(N,) whether a matrix is anything but the identity."""
    return np.asarray((matrices != np.eye(matrices.shape[-1])).any(axis=(1, 2)))


def _about_grey(along: Array, across: Array, angle: Array) -> Array:
    """(N, 4, 4): scale ``along`` the grey axis and ``across`` it, and turn about it (Rodrigues' formula)."""
    projection = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    matrix = np.tile(np.eye(4), (len(along), 1, 1))
    a, cos, sin = (x[:, None, None] for x in (along, across * np.cos(angle), across * np.sin(angle)))
    matrix[:, :3, :3] = cos * np.eye(3) + (a - cos) * projection + sin * cross
    return matrix


def _matrix(entries: Sequence[tuple[int, int, Array]]) -> Array:
    matrix = np.tile(np.eye(3), (len(entries[0][2]), 1, 1))
    for row, column, values in entries:
        matrix[:, row, column] = values
    return matrix


def _scaling(x: Array, y: Array) -> Array:
    return _matrix([(0, 0, x), (1, 1, y)])


def _rotation(angle: Array) -> Array:
    cos, sin = np.cos(angle), np.sin(angle)
    return _matrix([(0, 0, cos), (0, 1, -sin), (1, 0, sin), (1, 1, cos)])


def _shift(x: Array, y: Array) -> Array:
    """Back by (x, y): the inverse of the shift that the picture shows."""
    return _matrix([(0, 2, -x), (1, 2, -y)])
