"""Training, validation and test: a person, a picture and its duplicates never straddle two of them.

Faces that share a subject, a source picture or a duplicate group form one cluster. A hash of the cluster's name and the
seed, not a shuffle, deals it, so that data added later leave the others where they were, unless the new data link two
clusters into one.
"""

from __future__ import annotations

from collections.abc import Sequence

from drfhq_tools.hashing import unit_interval
from drfhq_tools.records import FaceRecord


def assign_splits(faces: Sequence[FaceRecord], *, val_fraction: float, test_fraction: float, seed: int) -> list[str]:
    """train, val or test for each face; the fractions hold for clusters, on average."""
    parent: dict[str, str] = {}
    for face in faces:
        first, *others = _keys(face)
        for other in others:
            _join(parent, first, other)
    splits = []
    for face in faces:
        place = unit_interval(f"{seed}/{_root(parent, _keys(face)[0])}")
        splits.append("test" if place < test_fraction else "val" if place < test_fraction + val_fraction else "train")
    return splits


def _keys(face: FaceRecord) -> list[str]:
    """What the face is clustered by; a name that sorts first names the cluster, and people sort before pictures."""
    person = [f"1 subject {face.subject_id}"] if face.subject_id else []
    return [*person, f"2 source {face.source_sha256}", f"3 duplicates {face.duplicate_group}"]


def _root(parent: dict[str, str], key: str) -> str:
    while (above := parent.get(key, key)) != key:
        parent[key] = parent.get(above, above)
        key = above
    return key


def _join(parent: dict[str, str], one: str, other: str) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first
