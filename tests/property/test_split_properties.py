"""Splits: nothing linked is parted, nothing moves when data come. Copies: no pair is missed."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_strategies import records

from drfhq_tools.barrier.dedupe import near_pairs
from drfhq_tools.barrier.split import assign_splits
from drfhq_tools.records import FaceRecord

few = st.sampled_from("abcdef")
linked = st.builds(
    lambda face, name, source, subject, group: replace(
        face, face_id=name, source_sha256=source, subject_id=subject, duplicate_group=group
    ),
    records,
    st.uuids().map(str),
    few,
    st.none() | few,
    few,
)


def splits(faces: list[FaceRecord], seed: int = 0, earlier: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    groups = [face.duplicate_group for face in faces]
    return assign_splits(faces, groups, val_fraction=0.3, test_fraction=0.3, seed=seed, earlier=earlier)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(linked, max_size=8), st.integers(0, 50), st.integers(0, 8))
def test_links_are_never_cut(faces: list[FaceRecord], seed: int, known: int) -> None:
    """Not even by what was dealt before, when fewer were linked."""
    before = dict(zip((face.face_id for face in faces[:known]), splits(faces[:known], seed), strict=True))
    dealt = splits(faces, seed, before)
    for name in ("source_sha256", "subject_id", "duplicate_group"):
        homes: dict[str, set[str]] = {}
        for face, split in zip(faces, dealt, strict=True):
            if getattr(face, name) is not None:
                homes.setdefault(getattr(face, name), set()).add(split)
        assert all(len(home) == 1 for home in homes.values())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(linked, max_size=8), st.lists(linked, max_size=4))
def test_unrelated_data_and_order_move_nothing(faces: list[FaceRecord], others: list[FaceRecord]) -> None:
    apart = [
        replace(
            face,
            source_sha256=face.source_sha256.upper(),
            subject_id=face.subject_id and face.subject_id.upper(),
            duplicate_group=face.duplicate_group.upper(),
        )
        for face in others
    ]
    alone = splits(faces)
    assert splits(apart + faces)[len(apart) :] == alone
    assert splits(faces[::-1])[::-1] == alone


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(linked, min_size=1, max_size=8), st.lists(linked, max_size=4))
def test_faces_keep_their_split_or_go_to_train_or_from_test_to_val(
    faces: list[FaceRecord], others: list[FaceRecord]
) -> None:
    """And where new data link nothing that lay apart, they keep it."""
    before = splits(faces)
    after = splits(others + faces, earlier={face.face_id: was for face, was in zip(faces, before, strict=True)})
    order = ["train", "val", "test"]
    now = after[len(others) :]
    assert all(order.index(new) <= order.index(old) for new, old in zip(now, before, strict=True))
    if len(set(before)) == 1:
        assert now == before


hashes = st.integers(0, 2**64 - 1)
crowds = st.lists(hashes | st.integers(0, 255) | st.integers(0, 63).map(lambda bit: 1 << bit), max_size=40)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(crowds, st.integers(0, 8))
def test_no_near_pair_is_missed_and_none_invented(values: list[int], radius: int) -> None:
    pairs = near_pairs(np.array(values, dtype=np.uint64), radius).tolist()
    places = range(len(values))
    assert pairs == [[i, j] for i in places for j in places[i + 1 :] if (values[i] ^ values[j]).bit_count() <= radius]
