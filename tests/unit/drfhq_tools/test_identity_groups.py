"""Who may be one person: the network's numbers, and groups that never chain."""

import numpy as np
import pytest
import skimage.data
from PIL import Image

from drfhq_tools.barrier import people
from drfhq_tools.barrier.people import identity_groups
from drfhq_tools.identity import embed


def placed(*places: float) -> people.Embeddings:
    """Embeddings on a line."""
    embeddings = np.zeros((len(places), 128), dtype=np.float32)
    embeddings[:, 5] = places
    return embeddings


def is_sound(groups: list[str], embeddings: people.Embeddings, distance: float) -> bool:
    return all(
        np.linalg.norm(embeddings[i] - embeddings[j]) <= distance + 1e-5
        for i in range(len(groups))
        for j in range(i)
        if groups[i] == groups[j]
    )


def test_near_faces_join_and_are_named_by_the_smallest() -> None:
    embeddings = placed(0, 0.3, 5, 5.1, 9)
    assert identity_groups(["e", "d", "c", "b", "a"], embeddings, 0.42) == ["d", "d", "b", "b", "a"]
    assert identity_groups([], placed(), 0.42) == []


def test_nobody_is_chained_to_a_stranger() -> None:
    """Each stands 0.3 from the next; the nearest two join first, and the outer ones lie too far from one of them."""
    assert identity_groups(list("abcd"), placed(0, 0.3, 0.59, 0.89), 0.42) == ["a", "b", "b", "d"]


def test_order_does_not_matter_nor_do_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, 128))
    embeddings = (centres[rng.integers(0, 40, 300)] + 0.02 * rng.normal(size=(300, 128))).astype(np.float32)
    names = [f"{number:03d}" for number in range(300)]
    groups = identity_groups(names, embeddings, 0.5)
    assert len(set(groups)) == 40
    assert is_sound(groups, embeddings, 0.5)
    shuffled = rng.permutation(300)
    again = identity_groups([names[number] for number in shuffled], embeddings[shuffled], 0.5)
    assert again == [groups[number] for number in shuffled]
    monkeypatch.setattr(people, "_BLOCK", 7)
    assert identity_groups(names, embeddings, 0.5) == groups


def test_a_crowd_that_all_lie_near_is_one_group() -> None:
    """More of them than the nearest that count."""
    embeddings = placed(*np.linspace(0, 0.4, 500))
    groups = identity_groups([f"{number:03d}" for number in range(500)], embeddings, 0.42)
    assert is_sound(groups, embeddings, 0.42)
    assert len(set(groups)) < 8


def test_the_network_knows_a_face_again_and_tells_another() -> None:
    face = skimage.data.astronaut()[0:256, 96:352]
    again = np.asarray(Image.fromarray(face).resize((128, 128)))
    cat = skimage.data.chelsea()[0:256, 100:356]
    one, same, other = (np.array(embed(np.ascontiguousarray(pixels))) for pixels in (face, again, cat))
    assert one.shape == (128,)
    assert np.linalg.norm(one - same) < 0.3 < 0.6 < np.linalg.norm(one - other)
    assert embed(np.ascontiguousarray(face)) == tuple(one.tolist())
