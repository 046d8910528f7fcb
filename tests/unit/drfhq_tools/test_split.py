"""Who is dealt where, and who keeps his place."""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from drfhq_tools.barrier.split import assign_splits
from drfhq_tools.records import FaceRecord

Make = Callable[..., FaceRecord]


def deal(faces: Sequence[FaceRecord], seed: int = 0, earlier: dict[str, str] | None = None) -> dict[str, str]:
    groups = [face.duplicate_group for face in faces]
    splits = assign_splits(faces, groups, val_fraction=0.1, test_fraction=0.2, seed=seed, earlier=earlier or {})
    return {face.face_id: split for face, split in zip(faces, splits, strict=True)}


def lone(face: Make, number: int, **changes: object) -> FaceRecord:
    return face(**{"face_id": f"f{number}", "source_sha256": f"s{number}", "duplicate_group": f"f{number}"} | changes)


def test_fractions_hold_over_many_faces(face: Make) -> None:
    """Half of them people of two pictures, some of the others copied."""
    faces = [lone(face, n, subject_id=f"p{n // 2}" if n < 5000 else None) for n in range(10_000)]
    faces += [lone(face, 10_000 + n, duplicate_group=f"f{5000 + n}") for n in range(500)]
    dealt = Counter(deal(faces).values())
    assert abs(dealt["val"] - 1050) < 130
    assert abs(dealt["test"] - 2100) < 170
    none_held = assign_splits(faces, [f.face_id for f in faces], val_fraction=0, test_fraction=0, seed=0)
    assert set(none_held) == {"train"}


def test_another_seed_deals_anew(face: Make) -> None:
    faces = [lone(face, n) for n in range(400)]
    first, second = deal(faces), deal(faces, seed=1)
    assert 0.2 < sum(first[name] != second[name] for name in first) / 400 < 0.7


def test_a_chain_of_links_is_one_cluster(face: Make) -> None:
    """Picture 0 and 1 show one person, 1 and 2 share pixels, 2 and 3 are faces of one picture, and so on."""
    chain = []
    for n in range(30):
        chain.append(face(face_id=f"a{n}", subject_id=f"p{n}", source_sha256=f"s{n}", duplicate_group=f"d{n}"))
        chain.append(face(face_id=f"b{n}", subject_id=f"p{n + 1}", source_sha256=f"t{n}", duplicate_group=f"d{n}"))
    assert len(set(deal(chain).values())) == 1


def test_who_joins_a_cluster_follows_it(face: Make) -> None:
    """Whatever the newcomer's name: in a hundred groups of copies some would be named after it and dealt anew."""
    faces = [lone(face, n) for n in range(100)]
    earlier = deal(faces)
    copies = [lone(face, 100 + n, source_sha256=f"a{n}", duplicate_group=f"f{n}") for n in range(100)]
    afresh, after = deal([*faces, *copies]), deal([*faces, *copies], earlier=earlier)
    assert {name: after[name] for name in earlier} == earlier
    assert all(after[f"f{100 + n}"] == earlier[f"f{n}"] for n in range(100))
    assert afresh != after


@pytest.mark.parametrize(
    ("one", "other", "linked"),
    [("train", "test", "train"), ("val", "test", "val"), ("val", "train", "train"), ("test", "test", "test")],
)
def test_what_was_trained_on_is_never_tested(face: Make, one: str, other: str, linked: str) -> None:
    faces = [lone(face, 0), lone(face, 1), lone(face, 2, duplicate_group="f0", subject_id="p")]
    faces[1] = lone(face, 1, subject_id="p")
    assert deal(faces, earlier={"f0": one, "f1": other}) == dict.fromkeys(["f0", "f1", "f2"], linked)
