"""Head pose: the rigid motion that carries a generic face onto the landmarks (perspective-n-point)."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from drfhq_tools.geometry import FloatArray

FOCAL_SHARE: Final = 2.5  # focal length over the picture's longer side: a portrait lens
# The left half (the viewer's) of a generic face: iBUG point → millimetres, x to the viewer's right, y down, z away from
# the viewer, the eyes' means at y = 0 and 62 mm apart. Brows and mouth, which expressions move, are left out. A bundle
# adjustment over this toolkit's own landmarks of 114 renders and 196 photo-like portraits, the renders' declared head
# yaw fixing the depth. Jaw and ears reach deep, so that the shape of a nose tells less on pitch.
_LEFT_HALF_MM: Final = {
    0: (-67.5, 0.4, 46.3),
    1: (-67.1, 18.2, 43.4),
    2: (-65.1, 36.0, 41.6),
    3: (-61.7, 53.6, 39.8),
    4: (-55.5, 70.2, 34.4),
    5: (-45.4, 84.9, 25.5),
    6: (-32.5, 97.3, 15.1),
    7: (-17.4, 106.8, 4.2),
    8: (0.0, 109.6, 0.0),
    27: (0.0, -1.6, -16.7),
    28: (0.0, 10.7, -22.2),
    29: (0.0, 22.9, -28.4),
    30: (0.0, 35.5, -34.5),
    31: (-14.9, 42.7, -19.1),
    32: (-7.7, 45.1, -22.2),
    33: (0.0, 47.3, -24.0),
    36: (-42.9, 0.0, 4.3),
    37: (-35.3, -4.2, 0.3),
    38: (-26.5, -3.9, -1.3),
    39: (-18.5, 2.0, -1.8),
    40: (-27.0, 3.1, -1.6),
    41: (-35.9, 3.0, 0.1),
}
_MIRROR: Final = {**{i: 16 - i for i in range(8)}, 31: 35, 32: 34, 36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46}
_FACE_MM: Final = _LEFT_HALF_MM | {_MIRROR[i]: (-x, y, z) for i, (x, y, z) in _LEFT_HALF_MM.items() if i in _MIRROR}
_POINTS: Final = sorted(_FACE_MM)
_MODEL: Final = np.array([_FACE_MM[i] for i in _POINTS])


def head_pose(landmarks: FloatArray, image_size: tuple[int, int]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of (68, 2) landmarks in a (width, height) picture.

    Signs are those of :class:`drfhq_tools.records.FaceMeasures`.

    The lens is unknown: its focal length is taken as FOCAL_SHARE of the longer side, its axis through the centre.
    """
    width, height = image_size
    focal = FOCAL_SHARE * max(width, height)
    camera = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    points = np.ascontiguousarray(landmarks[_POINTS])
    _, rotation, shift = cv2.solvePnP(_MODEL, points, camera, np.zeros(4), flags=cv2.SOLVEPNP_SQPNP)
    rotation, _ = cv2.solvePnPRefineLM(_MODEL, points, camera, np.zeros(4), rotation, shift)
    return _angles(np.asarray(cv2.Rodrigues(rotation)[0], dtype=np.float64))


def _angles(rotation: FloatArray) -> tuple[float, float, float]:
    """R = Rz(roll) · Ry(yaw) · Rx(pitch) taken apart, signs turned to :func:`head_pose`'s."""
    yaw = np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0))
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return -float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))
