"""What needs all faces at once."""

from collections import Counter
from collections.abc import Callable

from drfhq_tools.dedupe import duplicate_groups
from drfhq_tools.records import FaceRecord
from drfhq_tools.split import assign_splits

Make = Callable[..., FaceRecord]


def test_duplicate_groups_are_named_by_their_smallest_face(face: Make) -> None:
    faces = [face(face_id=name, image_sha256=image) for name, image in [("c", "1"), ("a", "1"), ("b", "2")]]
    assert duplicate_groups(faces) == ["a", "a", "b"]


def test_fractions_hold_over_many_people(face: Make) -> None:
    faces = [face(subject_id=f"p{n}", source_sha256=f"s{n}", duplicate_group=f"d{n}") for n in range(4000)]
    dealt = Counter(assign_splits(faces, val_fraction=0.1, test_fraction=0.2, seed=0))
    assert abs(dealt["val"] - 400) < 80
    assert abs(dealt["test"] - 800) < 110
    none_held = assign_splits(faces, val_fraction=0, test_fraction=0, seed=0)
    assert set(none_held) == {"train"}


def test_another_seed_deals_anew(face: Make) -> None:
    faces = [face(source_sha256=f"s{n}", duplicate_group=f"d{n}") for n in range(200)]
    first, second = (assign_splits(faces, val_fraction=0.3, test_fraction=0.3, seed=seed) for seed in (0, 1))
    assert 0.2 < sum(a != b for a, b in zip(first, second, strict=True)) / 200 < 0.9


def test_a_chain_of_links_is_one_cluster(face: Make) -> None:
    """Picture 0 and 1 show one person, 1 and 2 share pixels, 2 and 3 are faces of one picture, and so on."""
    chain = []
    for n in range(30):
        chain.append(face(subject_id=f"p{n}", source_sha256=f"s{n}", duplicate_group=f"d{n}"))
        chain.append(face(subject_id=f"p{n + 1}", source_sha256=f"t{n}", duplicate_group=f"d{n}"))
    assert len(set(assign_splits(chain, val_fraction=0.4, test_fraction=0.4, seed=5))) == 1
