"""`drfhq export`: the layouts as those who read them see them."""

import hashlib
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from faces_made import make_faces
from loaded_rows import load, needs_datasets
from PIL import Image

from drfhq_tools.cli import main
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS
from drfhq_tools.records import FaceRecord

HUB_NAMES = {"train": "train", "val": "validation", "test": "test"}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "data"
    make_faces(folder, 13)
    return folder


def expected(data: Path, split: str) -> list[dict[str, object]]:
    return [face.to_row() for face in open_manifest(data).faces if face.split == split]


def same_rows(found: dict[str, list[dict[str, Any]]], data: Path) -> None:
    """Every row, every column, every picture, in order."""
    assert set(found) == {"train", "validation", "test"}
    for split, name in HUB_NAMES.items():
        rows = expected(data, split)
        images = [row.pop("image") for row in found[name]]
        assert found[name] == rows
        hashes = [hashlib.sha256(image["bytes"] or Path(image["path"]).read_bytes()).hexdigest() for image in images]
        assert hashes == [row["image_sha256"] for row in rows]


def typed(features: dict[str, Any]) -> None:
    """Pictures are pictures, words words, lists lists, and no column's type hangs on what is in it."""
    assert features.pop("image")["_type"] == "Image"
    assert set(features) == {column.name for column in MANIFEST_COLUMNS}
    kinds = {"string": "string", "int64": "int64", "double": "float64", "float": "float32", "bool": "bool"}
    for column in MANIFEST_COLUMNS:
        feature = features[column.name]
        text = str(column.type)
        if text.startswith("list"):
            assert feature["_type"] in ("List", "Sequence")
            assert feature["feature"]["dtype"] == kinds[str(column.type.value_type)]
        else:
            assert (feature["_type"], feature["dtype"]) == ("Value", kinds[text])


@needs_datasets
@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_opens_the_parquet_export(data: Path, tmp_path: Path, streaming: bool) -> None:
    assert run("export", data, "--format", "parquet", "--out", tmp_path / "out").exit_code == 0
    loaded = load(tmp_path / "loaded", str(tmp_path / "out"), streaming=streaming)
    same_rows(loaded.rows, data)
    assert loaded.decoded == {"train": [64, 64], "validation": [64, 64], "test": [64, 64]}
    for features in loaded.features.values():
        typed(features)


@needs_datasets
@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_opens_the_imagefolder_export(data: Path, tmp_path: Path, streaming: bool) -> None:
    assert run("export", data, "--format", "imagefolder", "--out", tmp_path / "out").exit_code == 0
    loaded = load(tmp_path / "loaded", "imagefolder", data_dir=str(tmp_path / "out"), streaming=streaming)
    same_rows(loaded.rows, data)
    assert loaded.decoded["train"] == [64, 64]
    for features in loaded.features.values():
        typed(features)


def nvlabs_reading(path: Path) -> list[tuple[np.ndarray, int | None]]:
    """What NVIDIA's ``ImageFolderDataset`` reads of a zip, by its published description: entries that are pictures,
    sorted; labels looked up by name."""
    with zipfile.ZipFile(path) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        pairs = json.loads(archive.read("dataset.json"))["labels"]
        labels = dict(pairs) if pairs is not None else dict.fromkeys(names)
        return [(np.asarray(Image.open(BytesIO(archive.read(name)))), labels[name]) for name in names]


@pytest.mark.parametrize("label", [None, "gender"])
def test_stylegan_zip_reads_as_nvidias_tooling_reads_it(data: Path, tmp_path: Path, label: str | None) -> None:
    out = tmp_path / "faces.zip"
    options = ("--label", label) if label else ()
    assert run("export", data, "--format", "stylegan", "--out", out, *options).exit_code == 0
    faces: list[FaceRecord] = open_manifest(data).faces
    read = nvlabs_reading(out)
    assert len(read) == len(faces)
    numbers = {"female": 0, "male": 1, None: 2}
    for face, (pixels, number) in zip(faces, read, strict=True):
        assert np.array_equal(pixels, np.asarray(Image.open(data / face.image_path)))
        assert number == (numbers[face.gender] if label else None)
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist()[:2] == ["00000/img00000000.png", "00000/img00000001.png"]
        if label:
            assert json.loads(archive.read("dataset.json"))["classes"] == ["female", "male", "unknown"]


def test_command_says_what_it_wrote_and_that_it_was_there(data: Path, tmp_path: Path) -> None:
    arguments = ("export", data, "--format", "parquet", "--out", tmp_path / "out", "--split", "val", "--json")
    first = json.loads(run(*arguments).stdout)
    assert (first["faces"], first["files"], first["mature"], first["written"]) == (2, 1, 0, True)
    assert first["size_bytes"] == sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.parquet"))
    assert json.loads(run(*arguments).stdout) == {**first, "written": False}


def test_command_tells_of_mature_pictures_and_refuses_labels_elsewhere(tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 3, content_rating="Mature")
    result = run("export", tmp_path / "data", "--format", "imagefolder", "--out", tmp_path / "out")
    assert "3 of the faces are of pictures rated mature" in result.stderr
    result = run("export", tmp_path / "data", "--format", "parquet", "--out", tmp_path / "p", "--label", "race")
    assert (result.exit_code, (tmp_path / "p").exists()) == (2, False)
