"""Are the features still where they were? 68 landmarks of two crops, compared in units of the distance of the eyes.

The builder's own detector looks at the crops, enlarged where they are small, as it looked at the pictures they come
from. Source of the unit: Sagonas et al. 2013, "300 Faces in-the-Wild Challenge" (there between the eyes' outer corners,
here between their centres, which is a third shorter).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drfhq_tools.detect import Detector
from drfhq_tools.geometry import FloatArray, eye_and_mouth_means

Pixels = npt.NDArray[np.uint8]
POINTS: Final = 68
WORK_PX: Final = 256
"""Side at which a crop is looked at: the face then is some 150 px wide, where detector and predictor are at home."""


def crop_landmarks(crops: Pixels, detector: Detector) -> FloatArray:
    """(N, S, S, 3) uint8 → (N, 68, 2) float64, x and y as shares of the side; NaN where no face is found.

    Of several faces the largest counts.
    """
    found = np.full((len(crops), POINTS, 2), np.nan)
    for row, crop in zip(found, crops, strict=True):
        how = cv2.INTER_AREA if len(crop) > WORK_PX else cv2.INTER_CUBIC
        work = crop if len(crop) == WORK_PX else cv2.resize(crop, (WORK_PX, WORK_PX), interpolation=how)
        faces = detector.detect(np.asarray(work, dtype=np.uint8))
        if faces:
            largest = max(faces, key=lambda face: face.box_xyxy[2] - face.box_xyxy[0])
            row[:] = (largest.landmarks + 0.5) / WORK_PX
    return found


def landmark_error(before: FloatArray, after: FloatArray) -> FloatArray:
    """(N, 68, 2) twice → (N,) mean distance of the points over the distance of the eyes' centres in ``before``; NaN
    where either has no face."""
    left, right, _ = eye_and_mouth_means(before)
    eyes = np.hypot(*np.moveaxis(right - left, -1, 0))
    return np.asarray(np.hypot(*np.moveaxis(after - before, -1, 0)).mean(axis=-1) / eyes)
