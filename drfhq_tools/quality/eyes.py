"""How sure it is that something covers an eye: hair, a hand, dark glasses.

Around each eye, brow included, the directions of the grey values' gradients are counted by cell (a histogram of
oriented gradients, Dalal and Triggs 2005) and weighed by a logistic regression. It learnt from renders and photo-like
portraits on which occluders were drawn, never from a real one; ``benchmarks/eye_occlusion.py`` makes the weights and
tells how well they do. OFIQ (EyesVisible) reads the share of the eyes' area
that is covered from a network.
"""

from __future__ import annotations

import functools
import importlib.resources
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray
from drfhq_tools.records import Pixels
from drfhq_tools.warp import REPLICATE, warp

PATCH: Final = (48, 40)  # width and height, in pixels
CELL_PX: Final = 8
DIRECTIONS: Final = 8
_EYE_SHARE: Final = 0.46  # of the patch's width, from corner to corner
_EYE_HEIGHT: Final = 0.6  # where it lies in the patch, from the top: above it the brow
_CORNERS: Final = ((36, 39), (45, 42))  # outer and inner, of the viewer's left and right eye
_WEIGHTS: Final = "eye_occlusion.npy"


def eye_occlusion(picture: Pixels, landmarks: FloatArray) -> tuple[float, float]:
    """Probability, 0 to 1, that the left eye (the viewer's) and the right eye of (68, 2) landmarks are covered.

    Read from the (H, W, 3) picture itself, so that the crop's size leaves no trace.
    """
    weights = _weights()
    left, right = (float(weights[:-1] @ eye_features(picture, landmarks, eye) + weights[-1]) for eye in (0, 1))
    return _logistic(left), _logistic(right)


def eye_features(picture: Pixels, landmarks: FloatArray, eye: int) -> FloatArray:
    """What the regression sees of eye 0 (the viewer's left) or of 1, mirrored: (cells · DIRECTIONS,) in [0, 1]."""
    patch = warp(picture, _patch_to_picture(landmarks, eye), PATCH, border=REPLICATE)
    luma = np.sqrt(np.asarray(cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY), dtype=np.float32))
    across, down = (cv2.Sobel(luma, cv2.CV_32F, x, 1 - x, ksize=1) for x in (1, 0))
    length, angle = cv2.cartToPolar(across, down)
    turn = np.asarray(angle, dtype=np.float64) * (DIRECTIONS / (2 * np.pi))
    lower = np.floor(turn).astype(np.int64)
    cell = _cells() * DIRECTIONS
    counts = np.zeros((PATCH[0] // CELL_PX) * (PATCH[1] // CELL_PX) * DIRECTIONS)
    for direction, share in ((lower, 1 - (turn - lower)), (lower + 1, turn - lower)):
        index = (cell + direction % DIRECTIONS).ravel()
        counts += np.bincount(index, weights=(np.asarray(length) * share).ravel(), minlength=len(counts))
    return np.asarray(np.sqrt(counts / max(float(counts.sum()), 1e-6)))


def _patch_to_picture(landmarks: FloatArray, eye: int) -> FloatArray:
    """(3, 3) map of continuous coordinates; in the patch x runs from the outer corner to the inner one."""
    outer, inner = (landmarks[corner] + 0.5 for corner in _CORNERS[eye])
    width, height = PATCH
    x = (inner - outer) / (_EYE_SHARE * width)
    y = np.array([-x[1], x[0]]) * (1 if eye == 0 else -1)
    matrix = np.eye(3)
    matrix[:2, 0], matrix[:2, 1] = x, y
    matrix[:2, 2] = (outer + inner) / 2 - x * (width / 2) - y * (_EYE_HEIGHT * height)
    return matrix


@functools.cache
def _cells() -> npt.NDArray[np.int64]:
    """Number of the cell each pixel of the patch lies in."""
    width, height = PATCH
    across, down = np.arange(width) // CELL_PX, np.arange(height) // CELL_PX
    return np.asarray(down[:, None] * (width // CELL_PX) + across[None, :])


@functools.cache
def _weights() -> FloatArray:
    """One weight a feature, and the bias last."""
    file = importlib.resources.files(__package__).joinpath(_WEIGHTS)
    with file.open("rb") as stream:
        return np.asarray(np.load(stream, allow_pickle=False), dtype=np.float64)


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -50.0, 50.0))))
