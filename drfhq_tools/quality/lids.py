"""Distances between landmarks: of the eyes, between the lids, between the lips.

As OFIQ (ISO/IEC 29794-5, EyesOpen and MouthClosed) defines them: openings over the distance from the eyes' midpoint to
the chin, which hardly changes as the head turns aside. Points are iBUG's 68 where OFIQ takes its own 98.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from drfhq_tools.geometry import FloatArray, eye_and_mouth_means

_LIDS: Final = (((37, 41), (38, 40)), ((43, 47), (44, 46)))  # upper and lower, of either eye
_LIPS: Final = ((61, 67), (62, 66), (63, 65))  # their inner edges
_CORNERS: Final = ((36, 39), (42, 45))
_CHIN: Final = 8


def inter_eye_px(landmarks: FloatArray) -> float:
    """Distance of the eyes' means in (68, 2) landmarks, in their unit."""
    left, right, _ = eye_and_mouth_means(landmarks)
    return float(np.hypot(*(right - left)))


def eyes_open(landmarks: FloatArray) -> float:
    """The lids' widest distance over that from eyes to chin, of the eye that is less open; 0 is shut."""
    return min(_widest(landmarks, pairs) for pairs in _LIDS) / _eyes_to_chin(landmarks)


def mouth_closed(landmarks: FloatArray) -> float:
    """1 less the inner lips' widest distance over that from eyes to chin: 1 is closed."""
    return 1.0 - _widest(landmarks, _LIPS) / _eyes_to_chin(landmarks)


def _widest(landmarks: FloatArray, pairs: tuple[tuple[int, int], ...]) -> float:
    return max(float(np.hypot(*(landmarks[a] - landmarks[b]))) for a, b in pairs)


def _eyes_to_chin(landmarks: FloatArray) -> float:
    eyes = landmarks[np.ravel(_CORNERS)].mean(axis=0)
    return max(float(np.hypot(*(landmarks[_CHIN] - eyes))), 1e-9)
