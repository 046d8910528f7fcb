"""A face: where it was found, what its crop looks like, what was measured of it.

Pixels are RGB HWC uint8 in sRGB, upright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray, Quad, quad_from
from drfhq_tools.hashing import perceptual_hashes, pixels_sha256

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One face. ``box_xyxy`` (x0, y0, x1, y1) and ``landmarks`` (N, 2) float64 in pixels of the upright picture.

    ``repeatability`` is how far the quad moves when the face is found again, as a share of its side, or None.
    """

    box_xyxy: tuple[float, float, float, float]
    landmarks: FloatArray
    scheme: str
    score: float
    detector: str
    repeatability: float | None = None

    @property
    def quad(self) -> Quad:
        """The square FFHQ crops for these landmarks."""
        return quad_from(self.landmarks, self.scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceMeasures:
    """What is measured of a face, kept or rejected: all that rules judge by; None where it cannot be measured.

    Lengths are in source pixels, angles in degrees. :mod:`drfhq_tools.manifest.schema` says what each means,
    ``docs/quality.md`` how far to trust it.
    """

    quad_repeatability: float | None = None
    native_side_px: float
    inter_eye_px: float | None = None
    pad_fraction: float
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    sharpness: float
    brightness: float
    contrast: float
    under_exposure_prevention: float
    over_exposure_prevention: float
    dynamic_range: float
    illumination_uniformity: float | None = None
    compression_artifacts: float | None = None
    eyes_open: float | None = None
    mouth_closed: float | None = None
    left_eye_occlusion: float | None = None
    right_eye_occlusion: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFace:
    """Where a face was found and what its crop looks like, kept or rejected, in the manifest's columns: enough to align
    it without looking again, and to tell its duplicates."""

    source_sha256: str
    num_faces: int
    box: tuple[float, ...]
    detection_score: float
    detector: str
    landmarks: tuple[float, ...]
    landmark_scheme: str
    quad: tuple[float, ...]
    quad_repeatability: float | None
    pixels_sha256: str
    phash: str
    phash_fine: str

    @classmethod
    def of(cls, detection: Detection, crop: Pixels, *, source_sha256: str, num_faces: int) -> FoundFace:
        """The columns of a detection, one of ``num_faces`` in its picture, and of the crop aligned by it."""
        coarse, fine = perceptual_hashes(crop)
        return cls(
            source_sha256=source_sha256,
            num_faces=num_faces,
            box=tuple(float(value) for value in detection.box_xyxy),
            detection_score=float(detection.score),
            detector=detection.detector,
            landmarks=tuple(np.asarray(detection.landmarks, dtype=np.float64).reshape(-1).tolist()),
            landmark_scheme=detection.scheme,
            quad=tuple(detection.quad.to_row()),
            quad_repeatability=detection.repeatability,
            pixels_sha256=pixels_sha256(crop),
            phash=coarse,
            phash_fine=fine,
        )

    @property
    def detection(self) -> Detection:
        """The detection these columns were made of, to the bit."""
        left, top, right, bottom = self.box
        return Detection(
            box_xyxy=(left, top, right, bottom),
            landmarks=np.asarray(self.landmarks, dtype=np.float64).reshape(-1, 2),
            scheme=self.landmark_scheme,
            score=self.detection_score,
            detector=self.detector,
            repeatability=self.quad_repeatability,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the barrier weighs of a face that is no row of the manifest, by the names a row has them under."""

    face_id: str
    source_sha256: str
    pixels_sha256: str
    phash: str
    phash_fine: str
    native_side_px: float
    sharpness: float
    subject_id: str | None = None
