"""What a face's pixels tell: sharpness, exposure, range, evenness of the light.

Read from the crop's luma at a fixed scale, within the hull of the landmarks (OFIQ's "landmarked region": no hair above
the brows, no background), or, without 68 landmarks, within the ellipse an FFHQ crop's face fills. OFIQ counts on linear
luminance; here it is luma, the grey values as stored: its bound of "too dark", 25 of 255 linear, is 89 as stored, and
would call healthy dark skin underexposed.
"""

from __future__ import annotations

from typing import Final, TypedDict

import cv2
import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray, eye_and_mouth_means
from drfhq_tools.records import Pixels

MEASURE_PX: Final = 256  # side of the copy everything here is measured on
DARK: Final = 25  # up to this luma a pixel is too dark …
BRIGHT: Final = 247  # … and from this on too bright (OFIQ's bounds)
_ZONE: Final = 0.3  # side of the squares the light is compared on, in inter-eye distances
_LEVELS_A_BIN: Final = 8

Luma = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class PictureMeasures(TypedDict):
    """The fields of :class:`drfhq_tools.records.FaceMeasures` that are read from the crop."""

    sharpness: float
    brightness: float
    contrast: float
    under_exposure_prevention: float
    over_exposure_prevention: float
    dynamic_range: float
    illumination_uniformity: float | None


def measured_copy(crop: Pixels) -> Luma:
    """(S, S, 3) RGB → its luma at MEASURE_PX²."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    shrinking = grey.shape[0] >= MEASURE_PX
    interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (MEASURE_PX, MEASURE_PX), interpolation=interpolation), dtype=np.uint8)


def picture_measures(luma: Luma, points: FloatArray | None) -> PictureMeasures:
    """Measure a (S, S) luma copy; ``points`` (68, 2) are the landmarks in its pixel-index coordinates, None unknown."""
    laplacian = cv2.Laplacian(luma, cv2.CV_16S)
    face = face_region(luma.shape[0], points)
    values = luma[face]
    shares = np.bincount(values, minlength=256) / values.size
    present = shares[shares > 0]
    return PictureMeasures(
        sharpness=float(laplacian[face].std()),
        brightness=float(values.mean()) / 255,
        contrast=float(values.std()) / 255,
        under_exposure_prevention=float(1 - shares[: DARK + 1].sum()),
        over_exposure_prevention=float(1 - shares[BRIGHT:].sum()),
        dynamic_range=float(-(present * np.log2(present)).sum()),
        illumination_uniformity=None if points is None else _uniformity(luma, points),
    )


def face_region(size: int, points: FloatArray | None) -> Mask:
    """(size, size) bool: the hull of the landmarks, or the ellipse a face usually fills."""
    if points is not None:
        hull = cv2.convexHull(np.rint(points).astype(np.int32))
        region = cv2.fillConvexPoly(np.zeros((size, size), dtype=np.uint8), hull, 1).astype(bool)
        if region.any():
            return np.asarray(region)
    axis = (np.arange(size) + 0.5) / size
    return np.asarray(((axis[None, :] - 0.5) / 0.3) ** 2 + ((axis[:, None] - 0.57) / 0.36) ** 2 < 1)


def _uniformity(luma: Luma, points: FloatArray) -> float | None:
    """How far the histograms of the two cheeks overlap, 0 to 1; None where a cheek lies outside the crop."""
    left, right, mouth = eye_and_mouth_means(points)
    down = (mouth - (left + right) / 2) / 2
    side = max(round(_ZONE * float(np.hypot(*(right - left)))), 1)
    histograms = []
    for eye in (left, right):
        x, y = np.rint(eye + down - (side - 1) / 2).astype(int)
        zone = luma[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)]
        if zone.shape != (side, side):
            return None
        histograms.append(np.bincount(zone.ravel() // _LEVELS_A_BIN, minlength=256 // _LEVELS_A_BIN) / zone.size)
    return float(np.minimum(*histograms).sum())
