"""Splits: nothing linked is parted, nothing moves when unrelated data come."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_strategies import records

from drfhq_tools.records import FaceRecord
from drfhq_tools.split import assign_splits

few = st.sampled_from("abcdef")
linked = st.builds(
    lambda face, source, subject, group: replace(face, source_sha256=source, subject_id=subject, duplicate_group=group),
    records,
    few,
    st.none() | few,
    few,
)


def splits(faces: list[FaceRecord], seed: int = 0) -> list[str]:
    return assign_splits(faces, val_fraction=0.3, test_fraction=0.3, seed=seed)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(linked, max_size=8), st.integers(0, 50))
def test_links_are_never_cut(faces: list[FaceRecord], seed: int) -> None:
    dealt = splits(faces, seed)
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
