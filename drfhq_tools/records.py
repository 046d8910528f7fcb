"""The types that cross module borders: frozen, typed, no I/O. Pixels are RGB HWC uint8 in sRGB, upright."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray, Quad

Pixels = npt.NDArray[np.uint8]
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
class SourceImage:
    """One raw picture. ``source_id`` is its sha256; ``path`` is POSIX and relative to the raw folder."""

    path: str
    paths: tuple[str, ...]
    sha256: str
    size_bytes: int
    provenance: Provenance = field(default_factory=Provenance)
    declared: Declared = field(default_factory=Declared)

    @property
    def source_id(self) -> str:
        """The hash of the bytes: identical files are one source."""
        return self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One face. ``box_xyxy`` (x0, y0, x1, y1) and ``landmarks`` (N, 2) float64 in pixels of the upright picture."""

    box_xyxy: tuple[float, float, float, float]
    landmarks: FloatArray
    scheme: str
    score: float
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedFace:
    """A cropped face: ``pixels`` (S, S, 3); ``pad_fraction`` is the share of the crop that lay outside the picture."""

    face_id: str
    source: SourceImage
    detection: Detection
    quad: Quad
    pixels: Pixels
    pad_fraction: float
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of one face; the value is recorded, passed or not."""

    rule: str
    value: float | None
    threshold: float | None
    keep: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """One attribute of one face from one source; classes are stored by name, never by index."""

    attribute: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    labeler: str
    status: LabelStatus
    weights_sha256: str | None = None
