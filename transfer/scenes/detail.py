"""What the generator could not know of a face, and is better left as it is in the picture.

A strand of hair over the forehead, a hand, an earring, the rim of glasses: there the portrait and the tuned
generator's re-creation of it differ strongly, in one connected piece. Within eyes, nose and mouth more is asked for,
since there the two differ for other reasons, and an eye left as rendered would be worse than a lost lash.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from drfhq_tools.geometry import FloatArray
from transfer.scenes.colour import FloatPixels

DIFFERENT: Final = 18.0
"""Distance in CIE Lab, after a small blur and less what the two faces differ by on the whole, from which on a pixel
counts as another thing …"""
CERTAIN: Final = 32.0
"""… and from which on it is wholly so."""
FEATURES: Final = slice(17, 68)
"""iBUG landmarks of brows, nose, eyes and mouth: the face proper."""
_IN_FEATURES: Final = 2.0
"""By how much more the two must differ there."""
_BLUR: Final = 0.01
_LEAST_AREA: Final = 0.001
_EDGE: Final = 0.012
"""Shares of the crop's side, of its area, and of its side."""


def carried(scene: FloatPixels, recreated: FloatPixels, landmarks: FloatArray, mask: FloatPixels) -> FloatPixels:
    """(R, R) float32 in [0, 1]: how much of the picture stays.

    Args:
        scene: The portrait's crop, (R, R, 3) sRGB in [0, 1].
        recreated: The tuned generator's image of its latent, alike.
        landmarks: (68, 2) in the crop's pixel-index coordinates.
        mask: (R, R), where the face goes; the difference of the whole is measured there.
    """
    size = len(scene)
    if not mask.any():
        return np.zeros((size, size), dtype=np.float32)
    rough = np.asarray(_lab(scene) - _lab(recreated))
    difference = np.asarray(cv2.GaussianBlur(rough, (0, 0), max(_BLUR * size, 0.5)), dtype=np.float32)
    if (mask > 0.5).any():
        difference = difference - np.median(difference[mask > 0.5], axis=0).astype(np.float32)
    distance = np.sqrt((difference**2).sum(axis=-1)) / _stricter(landmarks, size)
    share = ((distance - DIFFERENT) / (CERTAIN - DIFFERENT)).clip(0, 1).astype(np.float32)
    share *= _compact(share > 0, share, size)
    soft = cv2.GaussianBlur(cv2.dilate(share, _disc(_EDGE * size)), (0, 0), max(_EDGE * size, 0.5))
    return np.asarray(soft, dtype=np.float32)


def _stricter(landmarks: FloatArray, size: int) -> FloatPixels:
    """(R, R): 1 away from the features, more within, changing smoothly."""
    hull = cv2.convexHull(np.rint(landmarks[FEATURES]).astype(np.int32))
    inside = cv2.fillConvexPoly(np.zeros((size, size), dtype=np.float32), hull, 1.0)
    return np.asarray(1 + (_IN_FEATURES - 1) * cv2.GaussianBlur(inside, (0, 0), 2 * _EDGE * size), dtype=np.float32)


def _compact(piece: np.ndarray[tuple[int, int], np.dtype[np.bool_]], share: FloatPixels, size: int) -> FloatPixels:
    """1 on connected pieces that are large enough and somewhere certain, 0 elsewhere."""
    count, numbered, statistics, _ = cv2.connectedComponentsWithStats(piece.astype(np.uint8), connectivity=8)
    keep = statistics[:, cv2.CC_STAT_AREA] >= _LEAST_AREA * size**2
    labels = np.asarray(numbered, dtype=np.intp)
    peak = np.zeros(count, dtype=np.float32)
    np.maximum.at(peak, labels, share)
    keep &= peak >= 1
    keep[0] = False
    return np.asarray(keep[labels], dtype=np.float32)


def _disc(radius: float) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    side = 2 * max(round(radius), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


def _lab(rgb: FloatPixels) -> FloatPixels:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb, dtype=np.float32), cv2.COLOR_RGB2Lab), dtype=np.float32)
