"""Geometry and picture quality of one face, measured once and stored, so that rules can be changed without pixels.

Names follow OFIQ, the reference software of ISO/IEC 29794-5, where it has one; ``docs/quality.md`` says how each
measure is defined, how it differs from OFIQ's and what it was checked against.
"""

from __future__ import annotations

import numpy as np

from drfhq_tools.geometry import IBUG68, points_in_crop
from drfhq_tools.quality.compression import blockiness
from drfhq_tools.quality.eyes import eye_occlusion
from drfhq_tools.quality.lids import eyes_open, inter_eye_px, mouth_closed
from drfhq_tools.quality.picture import measured_copy, picture_measures
from drfhq_tools.quality.pose import head_pose
from drfhq_tools.records import Detection, FaceMeasures, Pixels

__all__ = ["head_pose", "measure"]


def measure(crop: Pixels, pad_fraction: float, picture: Pixels, detection: Detection) -> FaceMeasures:
    """Measure one face.

    ``crop`` (S, S, 3) is the face aligned from ``picture`` (H, W, 3), where ``detection`` found it; ``pad_fraction`` is
    the share of the crop outside the picture. What needs 68 landmarks is None for a detection of another scheme.
    """
    quad = detection.quad
    points = detection.landmarks if detection.scheme == IBUG68 else None
    yaw, pitch, roll = (None, None, None) if points is None else head_pose(points, (picture.shape[1], picture.shape[0]))
    left_eye, right_eye = (None, None) if points is None else eye_occlusion(picture, points)
    luma = measured_copy(crop)
    inside = None if points is None else np.asarray(points_in_crop(points, quad, luma.shape[0]))
    return FaceMeasures(
        quad_repeatability=detection.repeatability,
        native_side_px=quad.side_px,
        inter_eye_px=None if points is None else inter_eye_px(points),
        pad_fraction=pad_fraction,
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        eyes_open=None if points is None else eyes_open(points),
        mouth_closed=None if points is None else mouth_closed(points),
        left_eye_occlusion=left_eye,
        right_eye_occlusion=right_eye,
        compression_artifacts=blockiness(picture, quad),
        **picture_measures(luma, inside),
    )
