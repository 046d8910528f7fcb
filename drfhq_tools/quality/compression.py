"""Traces of JPEG: how far the picture breaks at the rims of 8×8 blocks, and not elsewhere.

A block's rim shows in the third difference across it, which smooth shading leaves small; compared are its mean at the
rims and at the other places of the grid, whatever the grid's origin. OFIQ's measure of this name is a network's. A
picture that was resized or turned after it was compressed has lost its grid: this measures nothing there.
"""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import Quad
from drfhq_tools.records import Pixels

BLOCK: Final = 8
WINDOW_PX: Final = 512  # at most so much of the picture is looked at, around the face's middle
_THIRD_DIFFERENCE: Final = np.array([[-1.0, 3.0, -3.0, 1.0]], dtype=np.float32)


def blockiness(picture: Pixels, quad: Quad) -> float | None:
    """Strength of the blocks around the face, 0 to 1: some 0.05 without any; None where the face is too small to tell.

    Read from the (H, W, 3) picture itself: aligning a face destroys the grid.
    """
    window = _window(picture, quad)
    if min(window.shape[:2]) < 4 * BLOCK:
        return None
    luma = np.asarray(cv2.cvtColor(window, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    return (_at_rims(luma, _THIRD_DIFFERENCE, 0) + _at_rims(luma, _THIRD_DIFFERENCE.T, 1)) / 2


def _window(picture: Pixels, quad: Quad) -> Pixels:
    """The middle of the quad, as it lies in the picture."""
    height, width = picture.shape[:2]
    half = min(quad.side_px, WINDOW_PX) / 2
    x, y = quad.centre
    x0, y0 = max(math.floor(x - half), 0), max(math.floor(y - half), 0)
    return picture[y0 : min(math.ceil(y + half), height), x0 : min(math.ceil(x + half), width)]


def _at_rims(luma: npt.NDArray[np.float32], kernel: npt.NDArray[np.float32], axis: int) -> float:
    """By how much the breaks at one of the grid's places exceed the usual, as a share of both; means over ``axis``."""
    breaks = np.abs(cv2.filter2D(luma, cv2.CV_32F, kernel)).mean(axis=axis, dtype=np.float64)
    whole = len(breaks) // BLOCK * BLOCK
    places = breaks[:whole].reshape(-1, BLOCK).mean(axis=0)
    rim, usual = float(places.max()), float(np.median(places))
    return (rim - usual) / max(rim + usual, 1e-9)
