"""One row of the manifest against itself, the settings and the data set's folder: pure but for the names of checks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from drfhq_tools.barrier.split import SPLITS
from drfhq_tools.config import MAX_SIZE_PX, MIN_SIZE_PX, BuildConfig
from drfhq_tools.filters import judge
from drfhq_tools.geometry import IBUG68, Quad, outside_fraction, quad_from
from drfhq_tools.hashing import face_id
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.manifest.tombstones import Tombstones
from drfhq_tools.ratings import is_mature, is_minor
from drfhq_tools.records import MAX_AGE_YEARS, FaceRecord
from drfhq_tools.records.labels import VOCABULARY

STATUSES: Final = ("declared", "predicted", "reviewed", "unknown")
Problem = tuple[str, str]
"""A check, and what it found."""

_HEX: Final = {
    "face_id": 32,
    "image_sha256": 64,
    "source_sha256": 64,
    "pixels_sha256": 64,
    "phash": 16,
    "phash_fine": 64,
    "pixels_digest": 16,
    "rules_digest": 16,
}
_RANGES: Final = {
    "size_px": (MIN_SIZE_PX, MAX_SIZE_PX),
    "source_width_px": (1, math.inf),
    "source_height_px": (1, math.inf),
    "face_index": (0, math.inf),
    "num_faces": (1, math.inf),
    "detection_score": (-1e9, 1e9),
    "quad_repeatability": (0, math.inf),
    "native_side_px": (1e-6, 1e7),
    "inter_eye_px": (0, 1e7),
    "pad_fraction": (0, 1),
    "yaw_deg": (-180, 180),
    "pitch_deg": (-180, 180),
    "roll_deg": (-180, 180),
    "sharpness": (0, 1e4),
    "brightness": (0, 1),
    "contrast": (0, 0.5 + 1e-9),
    "under_exposure_prevention": (0, 1),
    "over_exposure_prevention": (0, 1),
    "dynamic_range": (0, 8 + 1e-9),
    "illumination_uniformity": (0, 1 + 1e-9),
    "compression_artifacts": (0, 1),
    "eyes_open": (0, 1e3),
    "mouth_closed": (-1e3, 1),
    "left_eye_occlusion": (0, 1),
    "right_eye_occlusion": (0, 1),
    "age_years": (0, MAX_AGE_YEARS),
    **{f"{name}_probability": (0, 1 + 1e-6) for name in VOCABULARY},
}
_LENGTHS: Final = {"box": 4, "quad": 8, "landmarks": 136}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Settings, and their digests, which take a while."""

    config: BuildConfig
    digests: Mapping[str, str]

    @classmethod
    def of(cls, config: BuildConfig) -> Settled:
        """The settings with both digests, by the column's name."""
        return cls(config=config, digests={name: getattr(config, name) for name in ("pixels_digest", "rules_digest")})


def problems(face: FaceRecord, settled: Settled | None, stones: Tombstones) -> Iterator[Problem]:
    """All that is wrong with one row on its own; what hangs on the settings only where they are known."""
    yield from _names(face)
    yield from _vocabulary(face)
    yield from _ranges(face)
    yield from _geometry(face)
    yield from _ratings(face, settled.config if settled else None)
    if settled is not None:
        yield from _settings(face, settled)
    for sha256 in (face.source_sha256, face.image_sha256):
        if stones.find(sha256=sha256, urls=[face.source_url], author=face.author):
            yield "removed", "a tombstone takes it out"
            break


def _names(face: FaceRecord) -> Iterator[Problem]:
    for name, digits in _HEX.items():
        if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", getattr(face, name)):
            yield "names", f"{name} is {getattr(face, name)[:80]!r}, must be {digits} hexadecimal digits"
    if face.face_id != face_id(face.source_sha256, face.face_index):
        yield "names", "face_id is not the hash of source_sha256 and face_index"
    if face.source_paths[:1] != (face.source_path,) or list(face.source_paths) != sorted(face.source_paths):
        yield "names", "source_paths is not sorted, or does not begin with source_path"
    for path in face.source_paths:
        if path.startswith("/") or ".." in path.split("/"):
            yield "names", f"source path {path[:80]!r} leads out of the raw folder"
    if face.schema_version != SCHEMA_VERSION:
        yield "versions", f"is of schema {face.schema_version[:80]!r}"
    if not face.tool_version:
        yield "versions", "tool_version is empty"


def _vocabulary(face: FaceRecord) -> Iterator[Problem]:
    for name, classes in VOCABULARY.items():
        value, status = getattr(face, name), getattr(face, f"{name}_status")
        if value is not None and value not in classes:
            yield "vocabulary", f"{name} is {value[:80]!r}, none of {', '.join(classes)}"
        if status not in STATUSES:
            yield "vocabulary", f"{name}_status is {status[:80]!r}, none of {', '.join(STATUSES)}"
        elif (value is None) != (status == "unknown"):
            yield "vocabulary", f"{name} is {value}, but its status is {status}"
    if face.split not in SPLITS:
        yield "vocabulary", f"split is {face.split[:80]!r}, none of {', '.join(SPLITS)}"
    if face.landmark_scheme != IBUG68:
        yield "vocabulary", f"landmark_scheme is {face.landmark_scheme[:80]!r}, not {IBUG68}"


def _ranges(face: FaceRecord) -> Iterator[Problem]:
    for name, (low, high) in _RANGES.items():
        value = getattr(face, name)
        if value is not None and not low <= value <= high:  # NaN is in no range
            yield "ranges", f"{name} is {value}, must be from {low:g} to {high:g}"
    if face.face_index >= face.num_faces:
        yield "ranges", f"face_index is {face.face_index} of {face.num_faces} faces"
    for name, length in _LENGTHS.items():
        values = getattr(face, name)
        if len(values) != length or not all(map(math.isfinite, values)):
            yield "ranges", f"{name} must be {length} finite numbers"
    if len(face.box) == 4 and not (face.box[0] < face.box[2] and face.box[1] < face.box[3]):
        yield "ranges", "box must be x0, y0, x1, y1 with x0 < x1 and y0 < y1"


def _geometry(face: FaceRecord) -> Iterator[Problem]:
    if any(len(getattr(face, name)) != length for name, length in _LENGTHS.items()):
        return
    quad = Quad.from_row(list(face.quad))
    try:
        wanted = quad_from(face.landmarks_xy, face.landmark_scheme)
    except ValueError as error:
        yield "geometry", str(error)
        return
    tolerance = 1e-6 * wanted.side_px
    if not abs(quad.corners - wanted.corners).max() <= tolerance:
        yield "geometry", "quad is not the one that FFHQ's formula gives for the landmarks"
    elif not abs(quad.side_px - face.native_side_px) <= tolerance:
        yield "geometry", f"native_side_px is {face.native_side_px}, the quad's side {quad.side_px:.3f}"
    else:
        outside = _outside(quad, face)
        if not abs(outside - face.pad_fraction) <= 1e-6:
            yield "geometry", f"pad_fraction is {face.pad_fraction}, but {outside:.6f} of the quad is outside"


def _outside(quad: Quad, face: FaceRecord) -> float:
    """Share of the quad outside its picture; most lie inside, which is quick to tell."""
    low, high = quad.corners.min() + 0.5, quad.corners.max(axis=0) + 0.5
    if low >= 0 and high[0] <= face.source_width_px and high[1] <= face.source_height_px:
        return 0.0
    return outside_fraction(quad, face.source_width_px, face.source_height_px)


def _ratings(face: FaceRecord, config: BuildConfig | None) -> Iterator[Problem]:
    by_words = is_minor(face.age_years, face.age_group)
    if by_words is not None and not (face.minor or face.minor is by_words):  # what did not win counts, too, if it warns
        yield "ratings", f"minor is {face.minor}, but {by_words} by age_years and age_group"
    if not is_mature(face.content_rating):
        return
    if face.minor or by_words:
        yield "ratings", f"may be a minor's, in a picture rated {face.content_rating!r}"
    elif config is not None and not config.keep_mature:
        yield "ratings", f"in a picture rated {face.content_rating!r}, without keep_mature"


def _settings(face: FaceRecord, settled: Settled) -> Iterator[Problem]:
    for name, digest in settled.digests.items():
        if getattr(face, name) != digest:
            yield "build.json", f"{name} is {getattr(face, name)[:80]}, that of the settings {digest}"
    if face.size_px != settled.config.size:
        yield "versions", f"size_px is {face.size_px}, not {settled.config.size}"
    for verdict in judge(face.measures, settled.config):
        if not verdict.keep:
            yield "rules", f"fails {verdict.rule}: {verdict.value}, threshold {verdict.threshold}"
