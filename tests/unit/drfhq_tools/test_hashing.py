"""Names of things: stable, and telling apart what differs."""

import hashlib
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from drfhq_tools.hashing import (
    face_id,
    perceptual_hashes,
    phash,
    pixels_sha256,
    settings_digest,
    sha256_file,
    unit_interval,
)


def hamming(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_file_hash_is_sha256_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000  # more than one piece
    (tmp_path / "x").write_bytes(data)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_face_id_tells_faces_and_pictures_apart() -> None:
    names = {face_id(source, index) for source in ("a" * 64, "b" * 64) for index in range(12)}
    assert len(names) == 24
    assert all(len(name) == 32 for name in names)


def test_settings_digest_ignores_order_and_sees_values() -> None:
    assert settings_digest({"a": 1, "b": 2.5}) == settings_digest({"b": 2.5, "a": 1})
    assert settings_digest({"a": 1}) != settings_digest({"a": 2})


def test_unit_interval_is_even() -> None:
    places = np.array([unit_interval(str(number)) for number in range(4000)])
    assert places.min() >= 0
    assert places.max() < 1
    shares = np.histogram(places, bins=10, range=(0, 1))[0] / 4000
    assert np.abs(shares - 0.1).max() < 0.02


def test_phash_survives_resizing_and_light_but_not_another_picture() -> None:
    face = np.ascontiguousarray(skimage.data.astronaut()[40:240, 120:320])
    small = np.asarray(Image.fromarray(face).resize((90, 90)))
    darker = (face * 0.8).astype(np.uint8)
    other = np.ascontiguousarray(skimage.data.coffee()[100:300, 200:400])
    assert hamming(phash(face), phash(small)) <= 3
    assert hamming(phash(face), phash(darker)) <= 3
    assert hamming(phash(face), phash(other)) > 12


def test_phash_is_the_dct_hash() -> None:
    """Against the textbook's sum, at 32² where no resizing blurs the comparison."""
    grey = np.random.default_rng(3).integers(0, 256, (32, 32), dtype=np.uint8)
    n = np.arange(32)
    low = np.empty((8, 8))
    for u in range(8):
        for v in range(8):
            waves = np.outer(np.cos(np.pi * u * (2 * n + 1) / 64), np.cos(np.pi * v * (2 * n + 1) / 64))
            low[u, v] = (grey * waves).sum() * (2**-0.5 if u == 0 else 1) * (2**-0.5 if v == 0 else 1)
    expected = "".join("1" if value > np.median(low) else "0" for value in low.reshape(-1))
    assert int(phash(np.repeat(grey[..., None], 3, axis=2)), 16) == int(expected, 2)


def test_the_fine_hash_has_the_signs_of_256_frequencies_nearest_to_the_constant_one() -> None:
    """One wave up and down and eight across, drawn: exactly that sign is set, or cleared for its negative."""
    n = np.arange(32)
    nearest = sorted((u * u + v * v, u, v) for u in range(32) for v in range(32))[1:257]
    for u, v in ((0, 1), (1, 8), (12, 5)):
        place = [(a, b) for _, a, b in nearest].index((u, v))
        wave = np.outer(np.cos(np.pi * u * (n + 0.5) / 32), np.cos(np.pi * v * (n + 0.5) / 32))
        for sign in (1, -1):
            grey = np.round(128 + sign * 100 * wave).astype(np.uint8)
            coarse, fine = perceptual_hashes(np.repeat(grey[..., None], 3, axis=2))
            assert coarse == phash(np.repeat(grey[..., None], 3, axis=2))
            assert len(fine) == 64
            assert int(fine, 16) >> (255 - place) & 1 == (sign > 0)


def test_pixels_hash_sees_pixels_and_shape_alone() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert pixels_sha256(pixels) == pixels_sha256(np.asfortranarray(pixels))
    assert pixels_sha256(pixels) != pixels_sha256(pixels.reshape(2, 8, 3))
    assert pixels_sha256(pixels) != pixels_sha256(pixels + 1)
