"""Copies of a picture: found whatever was done to the file, told from other pictures, none missed."""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
from PIL import Image

from drfhq_tools.barrier.dedupe import FINE_RADIUS, Hashes, best_of, duplicate_groups, near_groups, near_pairs
from drfhq_tools.hashing import perceptual_hashes, pixels_sha256
from drfhq_tools.records import FaceRecord

Make = Callable[..., FaceRecord]
Pixels = npt.NDArray[np.uint8]

PHOTO = np.ascontiguousarray(skimage.data.astronaut()[0:256, 96:352])
RESAVED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 50": lambda image: Image.open(io.BytesIO(jpeg(image, 50))).convert("RGB"),
    "JPEG of quality 95": lambda image: Image.open(io.BytesIO(jpeg(image, 95))).convert("RGB"),
    "half the size": lambda image: image.resize((128, 128), Image.Resampling.LANCZOS),
    "twice the size": lambda image: image.resize((512, 512), Image.Resampling.BICUBIC),
    "5 % darker": lambda image: image.point(lambda value: round(value * 0.95)),
    "5 % brighter": lambda image: image.point(lambda value: min(round(value * 1.05), 255)),
}


def jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def looks(face: Make, name: str, pixels: Pixels) -> FaceRecord:
    coarse, fine = perceptual_hashes(pixels)
    return face(face_id=name, pixels_sha256=pixels_sha256(pixels), phash=coarse, phash_fine=fine)


def by_brute_force(hashes: Hashes, radius: int) -> list[list[int]]:
    apart = np.bitwise_count(hashes[:, None] ^ hashes)
    return [[i, j] for i, j in np.argwhere(apart <= radius).tolist() if i < j]


def flipped(hashes: Hashes, most: int, rng: np.random.Generator) -> Hashes:
    """Each with up to ``most`` bits flipped."""
    masks = [
        sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, most + 1), replace=False))
        for _ in range(len(hashes))
    ]
    return hashes ^ np.array(masks, dtype=np.uint64)


@pytest.mark.parametrize("radius", range(9))
def test_pairs_are_those_of_brute_force(radius: int) -> None:
    rng = np.random.default_rng(radius)
    some = rng.integers(0, 2**64, 300, dtype=np.uint64)
    hashes = np.concatenate([some, flipped(some, 10, rng), flipped(some[:50], 10, rng), some[:20]])
    expected = by_brute_force(hashes, radius)
    assert len(expected) > 20
    assert near_pairs(hashes, radius).tolist() == expected


def test_pairs_are_found_among_so_many_that_keys_are_of_several_bands() -> None:
    rng = np.random.default_rng(0)
    some = rng.integers(0, 2**64, 30_000, dtype=np.uint64)
    hashes = np.concatenate([some, flipped(some[:2000], 4, rng)])
    found = {tuple(pair) for pair in near_pairs(hashes, 4).tolist()}
    assert {(number, 30_000 + number) for number in range(2000)} <= found
    assert near_pairs(hashes[:0], 4).shape == (0, 2)


def test_a_crowd_of_equal_hashes_takes_no_memory_of_pairs(face: Make) -> None:
    """20,000 alike are 200 million pairs."""
    faces = [face(face_id=f"{number:05d}", pixels_sha256=str(number)) for number in range(20_000)]
    assert set(duplicate_groups(faces, 8)) == {"00000"}
    alike = np.zeros(20_000, dtype=np.uint64)
    fine = np.zeros((20_000, 4), dtype=np.uint64)
    fine[:, 0] = np.arange(20_000) % 1024
    assert set(near_groups(alike, fine, 4).tolist()) == {0}


def test_groups_are_named_by_their_smallest_face(face: Make) -> None:
    other = {"phash": "f" * 16, "phash_fine": "f" * 64}
    faces = [face(face_id="c"), face(face_id="a"), face(face_id="b", pixels_sha256="p1", **other)]
    assert duplicate_groups(faces, 4) == ["a", "a", "b"]
    assert duplicate_groups(faces, 0) == ["a", "a", "b"]
    assert duplicate_groups([], 4) == []


def test_radius_0_knows_identical_pixels_alone(face: Make) -> None:
    faces = [face(face_id="a"), face(face_id="b", pixels_sha256="other pixels"), face(face_id="c")]
    assert duplicate_groups(faces, 0) == ["a", "b", "a"]
    assert duplicate_groups(faces, 1) == ["a", "a", "a"]


def test_both_hashes_must_agree(face: Make) -> None:
    """Faces aligned alike collide in the coarse hash."""
    near, far = (f"{(1 << bits) - 1:064x}" for bits in (FINE_RADIUS, FINE_RADIUS + 1))
    faces = [face(face_id="a"), face(face_id="b", phash_fine=near), face(face_id="c", phash=f"{31:016x}")]
    assert duplicate_groups(faces, 4) == ["a", "a", "c"]
    assert duplicate_groups(faces, 5) == ["a", "a", "a"]
    faces = [face(face_id="a"), face(face_id="b", phash_fine=far)]
    assert duplicate_groups(faces, 8) == ["a", "b"]


def test_links_chain(face: Make) -> None:
    names = "edcba"
    faces = [face(face_id=name, phash=f"{(1 << 3 * place) - 1:016x}") for place, name in enumerate(names)]
    assert duplicate_groups(faces, 3) == ["a"] * 5
    assert duplicate_groups(faces, 2) == list(names)


@pytest.mark.parametrize("how", RESAVED)
def test_a_copy_is_found_whatever_was_done_to_it(face: Make, how: str) -> None:
    copy = np.asarray(RESAVED[how](Image.fromarray(PHOTO)))
    faces = [looks(face, "a", PHOTO), looks(face, "b", copy), looks(face, "c", PHOTO[:, ::-1])]
    assert duplicate_groups(faces, 4) == ["a", "a", "c"]


def test_the_best_is_the_largest_then_the_sharpest_then_the_first(face: Make) -> None:
    faces = [
        face(face_id="small", native_side_px=8.0, sharpness=9.0),
        face(face_id="blurred", native_side_px=9.0, sharpness=1.0),
        face(face_id="z", native_side_px=9.0, sharpness=2.0),
        face(face_id="y", native_side_px=9.0, sharpness=2.0),
        face(face_id="alone", native_side_px=1.0),
    ]
    groups = ["g", "g", "g", "g", "alone"]
    assert best_of(faces, groups) == {"g": "y", "alone": "alone"}
    assert best_of(faces[::-1], groups[::-1]) == {"g": "y", "alone": "alone"}
