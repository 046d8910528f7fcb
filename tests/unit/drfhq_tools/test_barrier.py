"""What needs all faces at once, put together."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from drfhq_tools.barrier.merge import merge, without_copies
from drfhq_tools.config import BuildConfig
from drfhq_tools.hashing import face_id
from drfhq_tools.records import FaceRecord, Reject, RejectReason

Make = Callable[..., FaceRecord]
ALL = BuildConfig(size=64)
BEST = replace(ALL, duplicates="keep-best")


@pytest.fixture
def faces(face: Make) -> list[FaceRecord]:
    """0, 1 and 2 are copies, 1 the largest and 2 in two files; 3 is another picture."""

    def one(number: int, **changes: object) -> FaceRecord:
        source = f"s{number}"
        path = f"{number}.png"
        named = {"face_id": face_id(source, 0), "source_sha256": source, "source_path": path, "source_paths": (path,)}
        return face(**named | changes)

    return [
        one(0),
        one(1, native_side_px=12.0),
        one(2, source_paths=("2.png", "copy.png")),
        one(3, phash="f" * 16, phash_fine="f" * 64),
    ]


def paths(faces: list[FaceRecord]) -> list[str]:
    return [face.source_path for face in faces]


def test_copies_are_recorded_and_kept_by_default(faces: list[FaceRecord]) -> None:
    kept, rejects = merge(faces[::-1], [], ALL, {})
    assert paths(kept) == ["0.png", "1.png", "2.png", "3.png"]
    group = min(face.face_id for face in faces[:3])
    assert [face.duplicate_group for face in kept] == [group, group, group, faces[3].face_id]
    assert len({face.split for face in kept[:3]}) == 1
    assert rejects == []


def test_the_best_copy_is_kept_and_the_others_say_which(faces: list[FaceRecord]) -> None:
    kept, rejects = merge(faces, [], BEST, {})
    assert paths(kept) == ["1.png", "3.png"]
    assert [(one.source_path, one.reason, one.rule) for one in rejects] == [
        (path, RejectReason.DUPLICATE, "duplicates") for path in ("0.png", "2.png", "copy.png")
    ]
    assert all(faces[1].face_id in one.message and "1.png" in one.message for one in rejects)
    assert (rejects[0].found, rejects[0].measures) == (faces[0].found, faces[0].measures)
    assert not RejectReason.DUPLICATE.failed_input


def test_a_copy_left_out_still_holds_its_split(faces: list[FaceRecord]) -> None:
    """A better copy comes; what it replaces was trained on, so it is not tested."""
    for was in ("train", "val", "test"):
        kept, _ = merge(faces, [], BEST, {faces[0].face_id: was})
        assert kept[0].split == was


def test_rejects_of_copies_count_as_the_copies_do(faces: list[FaceRecord]) -> None:
    """What a built set knows of itself gives the same set again."""
    kept, rejects = merge(faces, [], BEST, {})
    assert merge(kept, rejects, BEST, {}) == (kept, rejects)


def test_other_rules_let_copies_back_in(faces: list[FaceRecord]) -> None:
    kept, rejects = merge(faces, [], BEST, {})
    assert without_copies(kept, rejects, ALL) == (kept, rejects, [])
    stay, gained, copies = without_copies(kept, rejects, BEST)
    assert (stay, gained, len(copies)) == (kept, [], 3)
    stay, gained, copies = without_copies(kept[1:], rejects, BEST)  # the best left by another rule
    assert (paths(stay), {one.source_path for one in gained}) in [
        (["3.png"], {"0.png"}),
        (["3.png"], {"2.png", "copy.png"}),
    ]
    assert {one.source_path for one in gained + copies} == {"0.png", "2.png", "copy.png"}


def test_a_better_copy_among_rejects_drives_out_the_kept(faces: list[FaceRecord]) -> None:
    one = faces[1]
    row = Reject(
        source_path="1.png",
        face_index=0,
        reason=RejectReason.BLURRED,
        message="",
        found=one.found,
        measures=one.measures,
    )
    stay, gained, copies = without_copies([faces[0], faces[3]], [row], BEST)
    assert (paths(stay), gained, [copy.source_path for copy in copies]) == (["3.png"], [row], ["0.png"])


def test_people_are_grouped_where_asked_and_nothing_follows_from_it(faces: list[FaceRecord]) -> None:
    one, other = (1.0, *[0.0] * 127), (1.5, *[0.0] * 127)
    known = [replace(face, identity_embedding=one) for face in faces[2:]]
    known = [faces[0], replace(faces[1], identity_embedding=other), *known]
    asked, _ = merge(known, [], replace(ALL, identity_distance=0.42), {})
    name = min(face.face_id for face in known[2:])
    assert [face.identity_group for face in asked] == [None, known[1].face_id, name, name]
    unasked, _ = merge(known, [], ALL, {})
    assert [replace(face, identity_group=None) for face in asked] == unasked
