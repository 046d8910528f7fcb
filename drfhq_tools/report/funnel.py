"""From the files in the raw folder to the faces kept: how many fell where, and why.

Files are counted by path, pictures by their bytes (one that was never read, by its path), faces by picture and place in
it. So a picture that lies at three paths is three files, one picture, and as many faces as it shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from drfhq_tools.manifest.schema import REASONS
from drfhq_tools.records import FaceRecord, Reject, RejectReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What one reason took; ``rules`` counts by the setting that did, where one did."""

    reason: RejectReason
    count: int
    rules: tuple[tuple[str, int], ...] = ()

    @property
    def meaning(self) -> str:
        """What the reason means, and what to do about it."""
        return REASONS[self.reason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """``files`` hold ``pictures``; those with a face, ``shown``, show ``found`` faces, of which ``kept`` stay.

    ``notes`` are rows of rejects.parquet about sidecars, which took nothing away.
    """

    files: int
    pictures: int
    without_face: tuple[Loss, ...]
    shown: int
    found: int
    left_out: tuple[Loss, ...]
    kept: int
    notes: tuple[Loss, ...]

    @property
    def never(self) -> tuple[RejectReason, ...]:
        """The reasons that took nothing."""
        met = {loss.reason for loss in (*self.without_face, *self.left_out, *self.notes)}
        return tuple(reason for reason in REASONS if reason not in met)


def is_note(reject: Reject) -> bool:
    """Whether a row speaks of a sidecar, not of a picture or face."""
    about_sidecar = reject.reason is RejectReason.BAD_SIDECAR and reject.source_sha256 is None
    return reject.reason is RejectReason.LABEL_NOTE or (about_sidecar and reject.face_index is None)


def distinct_faces(rejects: Iterable[Reject]) -> list[Reject]:
    """The rejected faces, each once however many paths hold its picture, in the table's order."""
    return list({one.candidate.face_id: one for one in reversed(list(rejects)) if one.candidate}.values())[::-1]


def count_losses(faces: Sequence[FaceRecord], rejects: Sequence[Reject]) -> Funnel:
    """The funnel of a data set's rows."""
    rows = [reject for reject in rejects if not is_note(reject)]
    rejected = distinct_faces(rows)
    shown = {face.source_sha256 for face in faces}
    shown |= {reject.found.source_sha256 for reject in rejected if reject.found}
    whole: dict[Hashable, Reject] = {}
    for reject in rows:
        if reject.face_index is None and reject.source_sha256 not in shown:
            whole.setdefault(reject.source_sha256 or (reject.source_path,), reject)
    paths = {path for face in faces for path in face.source_paths} | {reject.source_path for reject in rows}
    return Funnel(
        files=len(paths),
        pictures=len(shown) + len(whole),
        without_face=_losses(whole.values()),
        shown=len(shown),
        found=len(faces) + len(rejected),
        left_out=_losses(rejected),
        kept=len(faces),
        notes=_losses(reject for reject in rejects if is_note(reject)),
    )


def _losses(rejects: Iterable[Reject]) -> tuple[Loss, ...]:
    counts: Counter[RejectReason] = Counter()
    rules: dict[RejectReason, Counter[str]] = {}
    for reject in rejects:
        counts[reject.reason] += 1
        if reject.rule:
            rules.setdefault(reject.reason, Counter())[reject.rule] += 1
    ordered = [reason for reason in REASONS if counts[reason]]
    return tuple(
        Loss(reason=reason, count=counts[reason], rules=tuple(sorted(rules.get(reason, Counter()).items())))
        for reason in sorted(ordered, key=lambda reason: -counts[reason])
    )
