"""Which faces stand for the many: a few of every cell, of every reason, of every group of copies.

Where there are more than can be shown, the order of face_id decides: it is a hash, so that the choice is the same each
time and favours nothing. Of a cell, different people come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drfhq_tools.barrier.dedupe import duplicate_groups
from drfhq_tools.manifest.schema import REASONS
from drfhq_tools.records import Candidate, FaceRecord, Reject, RejectReason
from drfhq_tools.records.labels import VOCABULARY
from drfhq_tools.report.labels import race_word
from drfhq_tools.stats import UNKNOWN

UNSHOWN: Final = frozenset({RejectReason.MATURE, RejectReason.REMOVED})
"""Reasons for which neither a picture nor its path is shown: it was left unopened for a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Faces of one gender and one race word: how many, of how many ``people`` as far as known, and a few of them."""

    gender: str
    race: str
    count: int
    people: int
    examples: tuple[FaceRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """What one reason took, in rows of the table: how many, and a few of them."""

    reason: RejectReason
    count: int
    examples: tuple[Reject, ...]

    @property
    def meaning(self) -> str:
        """What the reason means, and what to do about it."""
        return REASONS[self.reason]

    @property
    def shown(self) -> bool:
        """Whether its pictures can be opened and may be."""
        return self.reason is RejectReason.NO_FACE or any(reject.found for reject in self.examples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Faces that belong together: how many are kept and left out, how many people the kept are of as far as was
    declared, and a few of either."""

    name: str
    kept: int
    left_out: int
    subjects: int
    faces: tuple[FaceRecord, ...]
    rejects: tuple[Reject, ...] = ()


def cells(faces: Sequence[FaceRecord], most: int) -> tuple[Cell, ...]:
    """Every cell, in the vocabulary's order, words of no class after it and unknown last; ``most`` faces of each."""
    found: dict[tuple[str, str], list[FaceRecord]] = {}
    for face in faces:
        found.setdefault((face.gender or UNKNOWN, race_word(face)), []).append(face)
    ordered = sorted(
        found, key=lambda cell: (_place(VOCABULARY["gender"], cell[0]), _place(VOCABULARY["race"], cell[1]))
    )
    return tuple(
        Cell(
            gender=gender,
            race=race,
            count=len(found[gender, race]),
            people=len({person(face) for face in found[gender, race]}),
            examples=varied(found[gender, race], most),
        )
        for gender, race in ordered
    )


def varied(faces: Iterable[FaceRecord], most: int) -> tuple[FaceRecord, ...]:
    """A few of them, one a person as long as there are others, whom a network takes for one counting as one."""
    ordered = sorted(faces, key=lambda face: face.face_id)
    first: dict[str, FaceRecord] = {}
    for face in ordered:
        first.setdefault(face.subject_id or face.identity_group or face.duplicate_group, face)
    chosen = {face.face_id for face in first.values()}
    return tuple([*first.values(), *(face for face in ordered if face.face_id not in chosen)][:most])


def person(face: FaceRecord) -> str:
    """Whom it is counted as: the subject declared; without one a face and its copies are a person."""
    return face.subject_id or face.duplicate_group


def rejected(rejects: Iterable[Reject], most: int) -> tuple[Rejected, ...]:
    """By reason, the most frequent first; ``most`` examples of each, by rule and value, none of :data:`UNSHOWN`."""
    found: dict[RejectReason, list[Reject]] = {}
    for reject in rejects:
        found.setdefault(reject.reason, []).append(reject)
    order = list(REASONS)
    return tuple(
        Rejected(
            reason=reason,
            count=len(found[reason]),
            examples=() if reason in UNSHOWN else _examples(found[reason], most),
        )
        for reason in sorted(found, key=lambda reason: (-len(found[reason]), order.index(reason)))
    )


def copies(faces: Sequence[FaceRecord], rejects: Iterable[Reject], near_radius: int, most: int) -> tuple[Group, ...]:
    """The groups of copies, the largest first; ``rejects`` are the faces left out as copies, each once.

    A reject's group stands in no table, so all are grouped anew, as the build did.
    """
    left_out = {one.face_id: reject for reject in rejects if (one := reject.candidate)}
    if not left_out:
        return _groups(faces, lambda face: face.duplicate_group, most)
    names = sorted(left_out)
    everyone: list[FaceRecord | Candidate] = [*faces, *(one for name in names if (one := left_out[name].candidate))]
    groups = duplicate_groups(everyone, near_radius)
    of_rejects: dict[str, list[Reject]] = {}
    for name, group in zip(names, groups[len(faces) :], strict=True):
        of_rejects.setdefault(group, []).append(left_out[name])
    of_faces = dict(zip((face.face_id for face in faces), groups, strict=False))
    return _groups(faces, lambda face: of_faces[face.face_id], most, of_rejects)


def identities(faces: Iterable[FaceRecord], most: int) -> tuple[Group, ...]:
    """The groups of faces that a network takes for one person, the largest first."""
    return _groups([face for face in faces if face.identity_group], lambda face: face.identity_group or "", most)


def _groups(
    faces: Iterable[FaceRecord],
    group_of: Callable[[FaceRecord], str],
    most: int,
    rejects: Mapping[str, Sequence[Reject]] | None = None,
) -> tuple[Group, ...]:
    found: dict[str, list[FaceRecord]] = {}
    for face in faces:
        found.setdefault(group_of(face), []).append(face)
    left_out = rejects or {}
    groups = [
        Group(
            name=name,
            kept=len(found.get(name, ())),
            left_out=len(left_out.get(name, ())),
            subjects=len({face.subject_id for face in found.get(name, ()) if face.subject_id}),
            faces=tuple(found.get(name, ()))[:most],
            rejects=tuple(left_out.get(name, ()))[: max(0, most - len(found.get(name, ())))],
        )
        for name in {**found, **left_out}
    ]
    several = (group for group in groups if group.kept + group.left_out > 1)
    return tuple(sorted(several, key=lambda group: (-group.kept - group.left_out, group.name)))


def _examples(rejects: Sequence[Reject], most: int) -> tuple[Reject, ...]:
    chosen = sorted(rejects, key=_hashed)[:most]
    return tuple(sorted(chosen, key=lambda one: (one.rule or "", one.value or 0.0, one.source_path)))


def _hashed(reject: Reject) -> tuple[str, str]:
    return (reject.candidate.face_id if reject.candidate else reject.source_sha256 or "", reject.source_path)


def _place(known: Sequence[str], word: str) -> tuple[int, str]:
    if word == UNKNOWN:
        return len(known) + 1, word
    return (known.index(word), "") if word in known else (len(known), word)
