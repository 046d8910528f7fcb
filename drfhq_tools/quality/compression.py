"""Traces of JPEG: how much the picture steps at the rims of 8×8 blocks, and not elsewhere."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray, Quad
from drfhq_tools.records import Pixels

BLOCK: Final = 8
WINDOW_PX: Final = 768  # at most so much of the picture is looked at, around the face's middle


def blockiness(picture: Pixels, quad: Quad) -> float | None:
    """0 without a trace of blocks, towards 1 the coarser the compression; None where the face is too small to tell.

    Read from the (H, W, 3) picture itself: aligning a face destroys the grid.
    """
    window = _window(picture, quad)
    if min(window.shape[:2]) < 4 * BLOCK:
        return None
    luma = np.asarray(cv2.cvtColor(window, cv2.COLOR_RGB2GRAY), dtype=np.int16)
    return max(0.0, (_excess(luma) + _excess(luma.T)) / 2)


def _window(picture: Pixels, quad: Quad) -> Pixels:
    height, width = picture.shape[:2]
    half = min(quad.side_px, WINDOW_PX) / 2
    (x, y) = quad.centre
    x0, y0 = max(math.floor(x - half), 0), max(math.floor(y - half), 0)
    return picture[y0 : min(math.ceil(y + half), height), x0 : min(math.ceil(x + half), width)]


def _excess(luma: npt.NDArray[np.int16]) -> float:
    """By how much the steps between columns at a block's rim exceed the usual, as a share of their sum."""
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    whole = len(steps) // BLOCK * BLOCK
    by_phase: FloatArray = steps[:whole].reshape(-1, BLOCK).mean(axis=0)
    rim = float(by_phase.max())
    others = float(np.median(by_phase))
    return (rim - others) / max(rim + others, 1e-9)
