"""Pixels between the two packages, and the cache of training pictures."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from drfhq_tools.manifest import Manifest, open_manifest
from transfer.data import load_portraits, resized, to_pixels, to_tensor
from transfer.errors import ConfigError
from transfer.randomness import SampleRandom

TINY = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A copy of the example data set, free to be damaged."""
    shutil.copytree(TINY, tmp_path / "data")
    return open_manifest(tmp_path / "data")


def test_every_level_survives_the_way_to_a_tensor_and_back() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    tensor = to_tensor(pixels)
    assert tensor.shape == (1, 3, 16, 16)
    assert (float(tensor.min()), float(tensor.max())) == (-1.0, 1.0)
    assert (to_pixels(tensor)[0] == pixels).all()


def test_values_outside_the_range_are_clamped() -> None:
    assert to_pixels(torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)).tolist() == [[[[0] * 3, [255] * 3]]]


def test_shrinking_averages_areas() -> None:
    checker = np.indices((8, 8)).sum(axis=0) % 2 * 255
    small = resized(checker.astype(np.uint8)[..., None].repeat(3, axis=2), 4)
    assert (abs(small.astype(int) - 127) <= 1).all()


def test_colours_are_red_first_and_flips_are_mirrors(manifest: Manifest, tmp_path: Path) -> None:
    portraits = load_portraits(manifest, manifest.size_px, tmp_path / "cache.npy", "all")
    stored = cv2.imread(str(manifest.root / manifest.faces[1].image_path))
    assert (portraits.pixels[1] == stored[..., ::-1]).all()
    plain, mirrored = portraits.batch([1, 1], [False, True])
    assert torch.equal(plain.flip(2), mirrored)


def test_the_second_time_nothing_is_decoded(manifest: Manifest, tmp_path: Path) -> None:
    cache = tmp_path / "cache.npy"
    first = load_portraits(manifest, 32, cache, "all")
    for face in manifest.faces:
        (manifest.root / face.image_path).unlink()
    assert (load_portraits(manifest, 32, cache, "all").pixels == first.pixels).all()


def test_a_skipped_picture_is_never_shown(manifest: Manifest, tmp_path: Path) -> None:
    (manifest.root / manifest.faces[2].image_path).unlink()
    portraits = load_portraits(manifest, 32, tmp_path / "cache.npy", "all")
    count = len(manifest.faces)
    everyone = set(range(count)) - {2}
    assert [face.row for face in portraits.skipped] == [2]
    assert portraits.usable.tolist() == sorted(everyone)
    random = SampleRandom(0)
    assert sorted(portraits.order(random, range(count - 1))) == sorted(everyone)  # one epoch, each once
    doubled = portraits.weighted(np.full(count, 2.0))
    assert set(doubled.order(random, range(5 * count))) == everyone
    with pytest.raises(ConfigError, match="missing or damaged"):
        portraits.weighted(np.eye(count)[2])


def test_an_empty_split_and_a_cache_of_other_pictures_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no faces in split 'nowhere'"):
        load_portraits(manifest, 32, tmp_path / "a.npy", "nowhere")
    load_portraits(manifest, 32, tmp_path / "a.npy", "all")
    with pytest.raises(ConfigError, match="other pictures"):
        load_portraits(manifest, 64, tmp_path / "a.npy", "all")
