"""Geometry and picture quality of one aligned face.

Head pose is the rigid motion that carries a generic face onto the landmarks (perspective-n-point). Sharpness,
brightness and contrast are read from the crop's luma, at a fixed scale, within the ellipse an FFHQ crop's face fills.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from drfhq_tools.geometry import FloatArray, Quad, eye_and_mouth_means
from drfhq_tools.records import Pixels

MEASURE_PX: Final = 256  # side of the copy sharpness, brightness and contrast are measured on

# A generic adult face in millimetres, x to the viewer's right, y down, z away from the viewer, origin between the eyes.
# Anthropometric means (biocular width 90, intercanthal 33, nose height 50, mouth width 50, chin 115 below the eyes).
_POINTS: Final = (36, 39, 42, 45, 30, 48, 54, 8, 27, 33)
_FACE_MM: Final = np.array(
    [
        (-45.0, 0.0, 12.0),
        (-16.5, 1.0, 5.0),
        (16.5, 1.0, 5.0),
        (45.0, 0.0, 12.0),
        (0.0, 38.0, -25.0),
        (-25.0, 70.0, 2.0),
        (25.0, 70.0, 2.0),
        (0.0, 115.0, -2.0),
        (0.0, -5.0, -7.0),
        (0.0, 50.0, -11.0),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Measures of one face.

    Attributes:
        native_side_px: side of the FFHQ quad in the source picture.
        inter_eye_px: distance of the eyes' means in the source picture.
        yaw_deg: turn of the head; positive where the nose points to the viewer's right.
        pitch_deg: positive where the face looks down.
        roll_deg: positive where the head is tilted clockwise on screen.
        sharpness: standard deviation of the Laplacian of the face's luma, in grey levels, on a 256² copy.
        brightness: mean luma of the face, 0 to 1.
        contrast: standard deviation of the face's luma, 0 to 0.5.
    """

    native_side_px: float
    inter_eye_px: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    sharpness: float
    brightness: float
    contrast: float


def measure(crop: Pixels, landmarks: FloatArray, quad: Quad, image_size: tuple[int, int]) -> Quality:
    """Measure one face.

    ``crop`` (S, S, 3) is the aligned face; ``landmarks`` (68, 2) and ``quad`` are in pixels of the source picture,
    whose ``image_size`` is (width, height).
    """
    left, right, _ = eye_and_mouth_means(landmarks)
    yaw, pitch, roll = head_pose(landmarks, image_size)
    sharpness, brightness, contrast = _exposure(crop)
    return Quality(
        native_side_px=quad.side_px,
        inter_eye_px=float(np.hypot(*(right - left))),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        sharpness=sharpness,
        brightness=brightness,
        contrast=contrast,
    )


def head_pose(landmarks: FloatArray, image_size: tuple[int, int]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees (signs: :class:`Quality`) of (68, 2) landmarks in a (width, height) picture.

    The lens is unknown: the focal length is taken as 1.5 times the longer side, the optical axis through the centre.
    """
    width, height = image_size
    focal = 1.5 * max(width, height)
    camera = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    points = np.ascontiguousarray(landmarks[list(_POINTS)])
    _, rotation, _ = cv2.solvePnP(_FACE_MM, points, camera, np.zeros(4), flags=cv2.SOLVEPNP_SQPNP)
    return _angles(np.asarray(cv2.Rodrigues(rotation)[0], dtype=np.float64))


def _angles(rotation: FloatArray) -> tuple[float, float, float]:
    """R = Rz(roll) · Ry(yaw) · Rx(pitch) taken apart, signs turned to :class:`Quality`'s."""
    yaw = np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0))
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(rotation[1, 0], rotation[0, 0])
    return -float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def _exposure(crop: Pixels) -> tuple[float, float, float]:
    """Sharpness, brightness and contrast of the face's ellipse."""
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    shrinking = grey.shape[0] >= MEASURE_PX
    scaled = cv2.resize(grey, (MEASURE_PX, MEASURE_PX), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    luma = np.asarray(scaled, dtype=np.float32)
    axis = (np.arange(MEASURE_PX) + 0.5) / MEASURE_PX
    face = ((axis[None, :] - 0.5) / 0.3) ** 2 + ((axis[:, None] - 0.57) / 0.36) ** 2 < 1
    laplacian = cv2.Laplacian(luma, cv2.CV_32F)
    return float(laplacian[face].std()), float(luma[face].mean()) / 255, float(luma[face].std()) / 255
