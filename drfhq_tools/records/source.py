"""A raw picture: where it came from, and what is said of the person in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from drfhq_tools.geometry import FloatArray

MAX_AGE_YEARS: Final = 130.0


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
    products: tuple[str, ...] | None = None
    vendors: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a sidecar says of the person in a picture, in the sidecar's own words."""

    gender: str | None = None
    age_years: float | None = None
    age_group: str | None = None
    race: str | None = None
    race_vocabulary: str | None = None
    subject_id: str | None = None
    figure_generation: str | None = None
    character: str | None = None


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
