"""The door for programs: what is built, as typed rows and pixels."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drfhq_tools
from drfhq_tools import Dataset, open_dataset
from drfhq_tools.errors import ManifestError, UsageError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.imageio import decode_picture, encode_png
from drfhq_tools.manifest.writer import manifest_bytes

TINY = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"


@pytest.fixture
def data() -> Dataset:
    return open_dataset(TINY)


def test_faces_come_in_order_with_their_pictures(data: Dataset) -> None:
    assert [face.image_path for face in data] == [f"images/00000/{number:05d}.png" for number in range(4)]
    assert (len(data), data.landmark_scheme, data.digest) == (4, "ibug68", sha256_file(TINY / "manifest.parquet"))
    for face in data:
        pixels = data.picture(face)
        assert pixels.shape == (data.size_px, data.size_px, 3)
        assert pixels.dtype == np.uint8
    assert not np.array_equal(data.picture(data[0]), data.picture(data[1]))


def test_faces_are_found_by_label_and_split(data: Dataset) -> None:
    assert [face.gender for face in data.where(gender="female")] == ["female"]
    assert [face.race for face in data.where(race=["Black", "White"], split="train")] == ["White", "White"]
    (unmapped,) = data.where(race="unknown")
    assert (unmapped.race, unmapped.race_declared) == (None, "AIAN")
    assert len(data.where(lambda face: face.license == "CC0-1.0", gender="male")) == 1
    assert data.where(split="val").digest == data.digest
    with pytest.raises(UsageError, match="no race Asian; known: White"):
        data.where(race="Asian")


def test_labels_and_rejects_come_along(data: Dataset) -> None:
    (black,) = data.where(race="Black")
    assert {(label.attribute, label.value, label.status) for label in data.labels(black)} >= {
        ("race", "Black", "declared"),
        ("gender", "male", "declared"),
    }
    assert data.rejects() == []
    table = data.where(gender="male").to_arrow()
    assert table.num_rows == 3
    assert table["race"].to_pylist() == [None, "Black", "White"]


def test_a_manifest_that_names_other_files_opens_none(data: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(TINY, folder)
    astray = [replace(face, image_path="../secret.png") for face in data]
    (folder / "manifest.parquet").write_bytes(manifest_bytes(astray, size_px=64, landmark_scheme="ibug68"))
    (tmp_path / "secret.png").write_bytes(encode_png(np.zeros((8, 8, 3), np.uint8)))
    tampered = open_dataset(folder)
    with pytest.raises(ManifestError, match="tampered"):
        tampered.picture(tampered[0])


def test_threads_may_share_it(data: Dataset) -> None:
    one_by_one = [data.picture(face) for face in data]
    with ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(data.picture, list(data) * 8))
        labels = list(threads.map(data.labels, list(data) * 8))
    assert all(np.array_equal(pixels, one_by_one[row % 4]) for row, pixels in enumerate(at_once))
    assert all(label == labels[row % 4] for row, label in enumerate(labels))


def test_what_is_public_is_said_and_loads_no_torch() -> None:
    assert {"open_dataset", "Dataset", "__version__"} <= set(dir(drfhq_tools))
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        drfhq_tools.absent  # noqa: B018
    code = (
        "import sys, drfhq_tools; before = 'pyarrow' in sys.modules\n"
        f"from drfhq_tools import open_dataset; open_dataset({str(TINY)!r})\n"
        "print(before, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False False"


def test_reading_pictures_in_threads_leaves_no_setting_behind() -> None:
    """Pillow's own limit and the warnings' filters are one for all threads: whoever is last puts them back."""
    import warnings

    from PIL import Image

    encoded = encode_png(np.zeros((300, 300, 3), np.uint8))
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: decode_picture(encoded), range(400)))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before
