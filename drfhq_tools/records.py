"""The types that cross module borders: frozen, typed, no I/O. Pixels are RGB HWC uint8 in sRGB, upright."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray, Quad, quad_from
from drfhq_tools.hashing import face_id, perceptual_hashes, pixels_sha256

Pixels = npt.NDArray[np.uint8]
MAX_AGE_YEARS: Final = 130.0
LabelStatus = Literal["declared", "predicted", "reviewed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a picture came from and by what right it is kept; every field may be unknown (None)."""

    source_url: str | None = None
    page_url: str | None = None
    title: str | None = None
    author: str | None = None
    license: str | None = None
    license_url: str | None = None
    rights_basis: str | None = None
    content_rating: str | None = None
    retrieved_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a sidecar says of the person in a picture, in the sidecar's own words."""

    gender: str | None = None
    age_years: float | None = None
    age_group: str | None = None
    race: str | None = None
    race_vocabulary: str | None = None
    subject_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFace:
    """A face a sidecar knows: 68 iBUG landmarks, x0 y0 x1 y1 …, and perhaps a box x0 y0 x1 y1, in pixels of the upright
    picture."""

    landmarks: tuple[float, ...]
    box: tuple[float, float, float, float] | None = None

    @property
    def landmarks_xy(self) -> FloatArray:
        """(68, 2) float64."""
        return np.asarray(self.landmarks, dtype=np.float64).reshape(-1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """One raw picture. ``source_id`` is its sha256; ``path`` is POSIX and relative to the raw folder; ``faces`` are
    those a sidecar gives."""

    path: str
    paths: tuple[str, ...]
    sha256: str
    size_bytes: int
    provenance: Provenance = field(default_factory=Provenance)
    declared: Declared = field(default_factory=Declared)
    faces: tuple[GivenFace, ...] = ()

    @property
    def source_id(self) -> str:
        """The hash of the bytes: identical files are one source."""
        return self.sha256


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
class Verdict:
    """What one rule says of one face; the value is recorded, passed or not."""

    rule: str
    value: float | None
    threshold: float | None
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """One attribute of one face from one source; classes are stored by name, never by index.

    ``value`` is the class settled on, None for unknown. ``declared`` is the word as a sidecar wrote it. A declaration
    has no probability vector: ``classes`` and ``probabilities`` are then empty.
    """

    attribute: str
    value: str | None
    status: LabelStatus
    labeler: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    weights_sha256: str | None = None
    declared: str | None = None


class RejectReason(StrEnum):
    """The closed list of reasons in ``rejects.parquet``. See ``manifests/README.md`` for what to do about each."""

    NO_FACE = "no_face"
    TOO_SMALL = "too_small"
    TOO_MUCH_PADDING = "too_much_padding"
    TURNED_AWAY = "turned_away"
    UNSURE_LANDMARKS = "unsure_landmarks"
    EYES_CLOSED = "eyes_closed"
    MOUTH_OPEN = "mouth_open"
    BLURRED = "blurred"
    BADLY_EXPOSED = "badly_exposed"
    COMPRESSED = "compressed"
    EYES_COVERED = "eyes_covered"
    DUPLICATE = "duplicate"
    MATURE = "mature"
    REMOVED = "removed"
    EMPTY_FILE = "empty_file"
    NOT_A_PICTURE = "not_a_picture"
    UNSUPPORTED_FORMAT = "unsupported_format"
    SEVERAL_FRAMES = "several_frames"
    TOO_LARGE = "too_large"
    CORRUPT = "corrupt"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    FAILED = "failed"
    BAD_SIDECAR = "bad_sidecar"
    LABEL_NOTE = "label_note"

    @property
    def failed_input(self) -> bool:
        """True when an input could not be read or failed (exit code 3), false for a rule's verdict or a note."""
        return self in _FAILED_INPUTS


_FAILED_INPUTS: Final = frozenset(
    {
        RejectReason.EMPTY_FILE,
        RejectReason.NOT_A_PICTURE,
        RejectReason.UNSUPPORTED_FORMAT,
        RejectReason.SEVERAL_FRAMES,
        RejectReason.TOO_LARGE,
        RejectReason.CORRUPT,
        RejectReason.UNREADABLE,
        RejectReason.CHANGED,
        RejectReason.FAILED,
        RejectReason.BAD_SIDECAR,
    }
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One row of ``rejects.parquet``. For a face ``face_index``, ``found`` and ``measures`` are set; all three are None
    for a whole file, which has its ``source_sha256`` where it was read."""

    source_path: str
    reason: RejectReason
    message: str
    face_index: int | None = None
    rule: str | None = None
    value: float | None = None
    threshold: float | None = None
    source_sha256: str | None = None
    found: FoundFace | None = None
    measures: FaceMeasures | None = None

    @property
    def candidate(self) -> Candidate | None:
        """The face, as what may be a duplicate; None for a whole file."""
        if self.found is None or self.measures is None or self.face_index is None:
            return None
        return Candidate(
            face_id=face_id(self.found.source_sha256, self.face_index),
            source_sha256=self.found.source_sha256,
            pixels_sha256=self.found.pixels_sha256,
            phash=self.found.phash,
            phash_fine=self.found.phash_fine,
            native_side_px=self.measures.native_side_px,
            sharpness=self.measures.sharpness,
        )

    @classmethod
    def of_picture(cls, source: SourceImage, reason: RejectReason, message: str) -> Reject:
        """The reject of a whole picture, at the first of its paths."""
        return cls(source_path=source.path, reason=reason, message=message, source_sha256=source.sha256)

    def at_each(self, paths: Iterable[str]) -> tuple[Reject, ...]:
        """The same for every path that holds the picture."""
        return tuple(replace(self, source_path=path) for path in paths)

    def to_row(self) -> dict[str, object]:
        """The columns by name; ``found`` and ``measures`` are flattened, null for a whole file."""
        row: dict[str, object] = {name: getattr(self, name) for name in _REJECT_FIELDS}
        row |= {f.name: _as_list(getattr(self.found, f.name, row.get(f.name))) for f in fields(FoundFace)}
        row |= {f.name: getattr(self.measures, f.name, None) for f in fields(FaceMeasures)}
        return row | {"reason": self.reason.value}

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Reject:
        """Inverse of :meth:`to_row`; columns unknown to this version are passed over.

        Raises:
            KeyError: a column is missing.
            ValueError: the reason is none of the closed list.
        """
        values: dict[str, Any] = _picked(_REJECT_FIELDS, row)
        values["reason"] = RejectReason(values["reason"])
        if values["face_index"] is not None:
            values["source_sha256"] = None
            values["found"] = FoundFace(**_picked([f.name for f in fields(FoundFace)], row))
            values["measures"] = FaceMeasures(**_picked([f.name for f in fields(FaceMeasures)], row))
        return cls(**values)


_REJECT_FIELDS: Final = tuple(f.name for f in fields(Reject) if f.name not in {"found", "measures"})


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
    subject_id: str | None = None
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
        return {f.name: _as_list(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> FaceRecord:
        """Inverse of :meth:`to_row`; columns unknown to this version are passed over.

        Raises:
            KeyError: a column is missing.
        """
        return cls(**_picked([f.name for f in fields(cls)], row))


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _picked(names: Iterable[str], row: Mapping[str, object]) -> dict[str, Any]:
    """The values of these columns, sequences as tuples."""
    columns = ((name, row[name]) for name in names)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in columns}
