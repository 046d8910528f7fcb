"""All faces at once: their order, their copies, who they may be, their splits. Nothing here reads a file.

Copies that a rule of one a picture leaves out stay known by their rejects, and still count: a person's split must not
hang on which copy was the best.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from drfhq_tools.barrier.dedupe import best_of, duplicate_groups
from drfhq_tools.barrier.people import identity_groups
from drfhq_tools.barrier.split import assign_splits
from drfhq_tools.config import BuildConfig
from drfhq_tools.records import Candidate, FaceRecord, Reject, RejectReason

DUPLICATES_RULE: Final = "duplicates"
"""The setting that a reject of a copy names."""

_COPY: Final = RejectReason.DUPLICATE


def merge(
    faces: Iterable[FaceRecord], rejects: Iterable[Reject], config: BuildConfig, earlier: Mapping[str, str]
) -> tuple[list[FaceRecord], list[Reject]]:
    """The faces that stay, in order and with what only all of them decide, and all rejects.

    ``faces`` have passed every rule on their own, as have the copies among ``rejects``. ``earlier`` has the splits they
    were in before, by face_id.
    """
    ordered, rows = sorted(faces, key=lambda face: (face.source_path, face.face_index)), list(rejects)
    everyone: list[FaceRecord | Candidate] = [*ordered, *_candidates(r for r in rows if r.reason is _COPY)]
    groups = duplicate_groups(everyone, config.near_radius)
    splits = assign_splits(
        everyone,
        groups,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.split_seed,
        earlier=earlier,
    )
    dealt = [
        replace(face, duplicate_group=group, split=split)
        for face, group, split in zip(ordered, groups, splits, strict=False)  # what is beyond the faces is left out
    ]
    if config.duplicates == "keep-best":
        group_of = {one.face_id: group for one, group in zip(everyone, groups, strict=True)}
        dealt, rows = _keep_best(dealt, rows, group_of)
    rows.sort(key=lambda r: (r.source_path, -1 if r.face_index is None else r.face_index, r.message))
    return _with_identities(dealt, config.identity_distance), rows


def without_copies(
    faces: Sequence[FaceRecord], passing: Sequence[Reject], config: BuildConfig
) -> tuple[list[FaceRecord], list[Reject], list[Reject]]:
    """What the policy makes of faces and of rejects that pass every rule by now: the faces that stay, the rejects to be
    gained, and all others as rejects of copies, in the words of which :func:`merge` has the last."""
    if config.duplicates == "keep-all":
        return list(faces), list(passing), []
    everyone: list[FaceRecord | Candidate] = [*faces, *_candidates(passing)]
    best = set(best_of(everyone, duplicate_groups(everyone, config.near_radius)).values())
    gained = [row for row in passing if row.candidate and row.candidate.face_id in best]
    copies = [_as_copy(row) for row in passing if not (row.candidate and row.candidate.face_id in best)]
    copies += (row for face in faces if face.face_id not in best for row in _rows(face))
    return [face for face in faces if face.face_id in best], gained, copies


def _keep_best(
    faces: Sequence[FaceRecord], rejects: Iterable[Reject], group_of: Mapping[str, str]
) -> tuple[list[FaceRecord], list[Reject]]:
    best = best_of(faces, [face.duplicate_group for face in faces])
    by_id = {face.face_id: face for face in faces}
    rows = [*rejects, *(row for face in faces if face.face_id != best[face.duplicate_group] for row in _rows(face))]
    named = []
    for row in rows:
        candidate = row.candidate if row.reason is _COPY else None
        kept = by_id.get(best.get(group_of[candidate.face_id], "")) if candidate else None
        named.append(_as_copy(row, kept) if kept else row)
    return [face for face in faces if face.face_id == best[face.duplicate_group]], named


def _rows(face: FaceRecord) -> list[Reject]:
    """A copy's rejects, one for each path its picture lies at."""
    row = Reject(
        source_path=face.source_path,
        face_index=face.face_index,
        reason=_COPY,
        message="",
        found=face.found,
        measures=face.measures,
    )
    return [_as_copy(each) for each in row.at_each(face.source_paths)]


def _as_copy(row: Reject, kept: FaceRecord | None = None) -> Reject:
    of = f"face {kept.face_id} of {kept.source_path}, which is kept" if kept else "another face, which is kept"
    return replace(
        row,
        reason=_COPY,
        rule=DUPLICATES_RULE,
        value=None,
        threshold=None,
        message=f"the same picture as {of}",
    )


def _candidates(rows: Iterable[Reject]) -> list[Candidate]:
    """The faces of these rejects, each once, in the order of their names."""
    found = {one.face_id: one for one in (row.candidate for row in rows) if one}
    return [found[name] for name in sorted(found)]


def _with_identities(faces: Sequence[FaceRecord], distance: float) -> list[FaceRecord]:
    known = [face for face in faces if face.identity_embedding is not None]
    if not known or not distance:
        return list(faces)
    embeddings = np.array([face.identity_embedding for face in known], dtype=np.float32)
    groups = identity_groups([face.face_id for face in known], embeddings, distance)
    group_of = {face.face_id: group for face, group in zip(known, groups, strict=True)}
    return [replace(face, identity_group=group_of.get(face.face_id)) for face in faces]
