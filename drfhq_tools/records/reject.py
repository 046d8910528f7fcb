"""What was left out, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from drfhq_tools.hashing import face_id
from drfhq_tools.records.columns import as_list, picked
from drfhq_tools.records.found import Candidate, FaceMeasures, FoundFace
from drfhq_tools.records.source import SourceImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of one face; the value is recorded, passed or not."""

    rule: str
    value: float | None
    threshold: float | None
    keep: bool


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
    REVIEWED = "reviewed"
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
        row |= {f.name: as_list(getattr(self.found, f.name, row.get(f.name))) for f in fields(FoundFace)}
        row |= {f.name: getattr(self.measures, f.name, None) for f in fields(FaceMeasures)}
        return row | {"reason": self.reason.value}

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Reject:
        """Inverse of :meth:`to_row`; columns unknown to this version are passed over.

        Raises:
            KeyError: a column is missing.
            ValueError: the reason is none of the closed list.
        """
        values: dict[str, Any] = picked(_REJECT_FIELDS, row)
        values["reason"] = RejectReason(values["reason"])
        if values["face_index"] is not None:
            values["source_sha256"] = None
            values["found"] = FoundFace(**picked([f.name for f in fields(FoundFace)], row))
            values["measures"] = FaceMeasures(**picked([f.name for f in fields(FaceMeasures)], row))
        return cls(**values)


_REJECT_FIELDS: Final = tuple(f.name for f in fields(Reject) if f.name not in {"found", "measures"})
