"""Training, validation and test: a person, a picture and its duplicates never straddle two of them.

Faces that share a subject, a source picture or a duplicate group form one cluster. A hash of the cluster's name and the
seed, not a shuffle, deals it, so data added later leave the others where they were. Where new data join a cluster that
was dealt earlier, they follow it. Where they link several that lie in different splits, someone must move: what was
trained on is never tested, so the whole goes to train if a part was there, else to val.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from drfhq_tools.hashing import unit_interval

SPLITS: Final = ("train", "val", "test")
"""In the order in which linked clusters prefer them."""

_NOTHING_EARLIER: Final[Mapping[str, str]] = {}


class Linked(Protocol):
    """What links a face to others; a manifest's row has it all."""

    @property
    def face_id(self) -> str: ...
    @property
    def source_sha256(self) -> str: ...
    @property
    def subject_id(self) -> str | None: ...


def assign_splits(
    faces: Sequence[Linked],
    groups: Sequence[str],
    *,
    val_fraction: float,
    test_fraction: float,
    seed: int,
    earlier: Mapping[str, str] = _NOTHING_EARLIER,
) -> list[str]:
    """train, val or test for each face, whose duplicate groups are ``groups``; the fractions hold for clusters, on
    average. ``earlier`` has the splits of faces dealt before, by face_id."""
    parent: dict[str, str] = {}
    names = [_keys(face, group) for face, group in zip(faces, groups, strict=True)]
    for first, *others in names:
        for other in others:
            _join(parent, first, other)
    clusters = [_root(parent, first) for first, *_ in names]
    dealt: dict[str, str] = {}
    for face, cluster in zip(faces, clusters, strict=True):
        was = earlier.get(face.face_id)
        if was is not None:
            dealt[cluster] = min(was, dealt.get(cluster, was), key=SPLITS.index)
    for cluster in clusters:
        if cluster not in dealt:
            dealt[cluster] = _deal(f"{seed}/{cluster}", val_fraction, test_fraction)
    return [dealt[cluster] for cluster in clusters]


def _deal(name: str, val_fraction: float, test_fraction: float) -> str:
    place = unit_interval(name)
    return "test" if place < test_fraction else "val" if place < test_fraction + val_fraction else "train"


def _keys(face: Linked, group: str) -> list[str]:
    """What the face is clustered by; a name that sorts first names the cluster, and people sort before pictures."""
    person = [f"1 subject {face.subject_id}"] if face.subject_id else []
    return [*person, f"2 source {face.source_sha256}", f"3 duplicates {group}"]


def _root(parent: dict[str, str], key: str) -> str:
    while (above := parent.get(key, key)) != key:
        parent[key] = parent.get(above, above)
        key = above
    return key


def _join(parent: dict[str, str], one: str, other: str) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first
