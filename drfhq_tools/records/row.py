"""One row of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from drfhq_tools.geometry import FloatArray, Quad
from drfhq_tools.records.columns import as_list, picked
from drfhq_tools.records.found import FaceMeasures, FoundFace
from drfhq_tools.records.labels import LabelStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceRecord:
    """One row of ``manifest.parquet``: fields are the columns, by the same names, in the same order; None is null.

    ``manifests/README.md`` says what each means. Sequences are flat tuples: ``box`` x0 y0 x1 y1, ``landmarks``
    x0 y0 x1 y1 …, ``quad`` the corners NW SW SE NE; :attr:`landmarks_xy` and :attr:`quad_corners` give them shape.
    """

    face_id: str
    image_path: str
    image_sha256: str
    size_px: int
    source_path: str
    source_paths: tuple[str, ...]
    source_sha256: str
    source_width_px: int
    source_height_px: int
    source_url: str | None = None
    page_url: str | None = None
    title: str | None = None
    author: str | None = None
    license: str | None = None
    license_url: str | None = None
    rights_basis: str | None = None
    content_rating: str | None = None
    retrieved_at: str | None = None
    products: tuple[str, ...] | None = None
    vendors: tuple[str, ...] | None = None
    subject_id: str | None = None
    figure_generation: str | None = None
    character: str | None = None
    face_index: int
    num_faces: int
    box: tuple[float, ...]
    detection_score: float
    detector: str
    landmarks: tuple[float, ...]
    landmark_scheme: str
    quad: tuple[float, ...]
    quad_repeatability: float | None = None
    pixels_sha256: str
    phash: str
    phash_fine: str
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
    gender: str | None = None
    gender_status: LabelStatus = "unknown"
    gender_probability: float | None = None
    gender_labeler: str | None = None
    gender_declared: str | None = None
    age_group: str | None = None
    age_group_status: LabelStatus = "unknown"
    age_group_probability: float | None = None
    age_group_labeler: str | None = None
    age_group_declared: str | None = None
    race: str | None = None
    race_status: LabelStatus = "unknown"
    race_probability: float | None = None
    race_labeler: str | None = None
    race_declared: str | None = None
    race_vocabulary: str | None = None
    age_years: float | None = None
    minor: bool | None = None
    duplicate_group: str
    identity_group: str | None = None
    identity_embedding: tuple[float, ...] | None = None
    split: str
    schema_version: str
    tool_version: str
    pixels_digest: str
    rules_digest: str

    @property
    def landmarks_xy(self) -> FloatArray:
        """(N, 2) float64 in pixels of the upright source picture."""
        return np.asarray(self.landmarks, dtype=np.float64).reshape(-1, 2)

    @property
    def quad_corners(self) -> Quad:
        """The crop square in pixels of the upright source picture."""
        return Quad.from_row(list(self.quad))

    @property
    def found(self) -> FoundFace:
        """Where it was found, as a reject would say it."""
        return FoundFace(**{f.name: getattr(self, f.name) for f in fields(FoundFace)})

    @property
    def measures(self) -> FaceMeasures:
        """What was measured of it."""
        return FaceMeasures(**{f.name: getattr(self, f.name) for f in fields(FaceMeasures)})

    def to_row(self) -> dict[str, object]:
        """The columns by name; sequences as lists."""
        return {f.name: as_list(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> FaceRecord:
        """Inverse of :meth:`to_row`; columns unknown to this version are passed over.

        Raises:
            KeyError: a column is missing.
        """
        return cls(**picked([f.name for f in fields(cls)], row))
