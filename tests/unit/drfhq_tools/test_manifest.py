"""Reading a data set, and what is said when there is none."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drfhq_tools.errors import ManifestError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS, REASONS, REJECT_COLUMNS
from drfhq_tools.manifest.writer import labels_bytes, manifest_bytes
from drfhq_tools.records import FaceRecord, LabelScores, Reject, RejectReason

Make = Callable[..., FaceRecord]


def write(folder: Path, faces: list[FaceRecord], **shared: object) -> None:
    facts: dict[str, object] = {"size_px": 64, "landmark_scheme": "ibug68"} | shared
    (folder / "manifest.parquet").write_bytes(manifest_bytes(faces, **facts))  # type: ignore[arg-type]


def test_the_schema_is_the_row() -> None:
    assert [column.name for column in MANIFEST_COLUMNS] == [field.name for field in fields(FaceRecord)]
    reject = Reject(source_path="a", reason=RejectReason.NO_FACE, message="").to_row()
    assert {column.name for column in REJECT_COLUMNS} == set(reject)
    assert set(REASONS) == set(RejectReason)


def test_rows_keep_order_and_shapes(tmp_path: Path, face: Make) -> None:
    faces = [face(face_id=f"f{number}", landmarks=tuple(map(float, range(136)))) for number in range(3)]
    write(tmp_path, faces)
    manifest = open_manifest(tmp_path)
    assert manifest.faces == faces
    assert manifest.root == tmp_path
    assert manifest.digest == sha256_file(tmp_path / "manifest.parquet")
    assert manifest.faces[0].landmarks_xy.shape == (68, 2)
    assert manifest.faces[0].landmarks_xy[1].tolist() == [2.0, 3.0]
    assert manifest.faces[0].quad_corners.side_px == 9.0


def test_an_empty_set_knows_its_size(tmp_path: Path) -> None:
    write(tmp_path, [], size_px=512)
    manifest = open_manifest(tmp_path)
    assert (manifest.faces, manifest.size_px, manifest.landmark_scheme) == ([], 512, "ibug68")


def test_other_tools_may_rewrite_it(tmp_path: Path, face: Make) -> None:
    """pandas and others drop the metadata, move columns and add their own."""
    table = pa.Table.from_pylist([{"mine": 1, **face().to_row()}])
    pq.write_table(table, tmp_path / "manifest.parquet")
    assert open_manifest(tmp_path).faces == [face()]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"landmark_scheme": "five"}, "landmark_scheme must have one value"),
        ({"size_px": 128}, "size_px must have one value"),
        ({"schema_version": "9"}, "of schema 9, not 1"),
    ],
)
def test_mixtures_are_refused(tmp_path: Path, face: Make, changes: dict[str, object], said: str) -> None:
    write(tmp_path, [face(), face(**changes)])
    with pytest.raises(ManifestError, match=said):
        open_manifest(tmp_path)


def test_what_is_no_data_set(tmp_path: Path, face: Make) -> None:
    with pytest.raises(ManifestError, match="run `drfhq build`"):
        open_manifest(tmp_path)
    (tmp_path / "manifest.parquet").write_bytes(b"not parquet")
    with pytest.raises(ManifestError, match="cannot read"):
        open_manifest(tmp_path)
    row = face().to_row()
    del row["quad"]
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "manifest.parquet")
    with pytest.raises(ManifestError, match="lacks the columns quad"):
        open_manifest(tmp_path)


def test_a_null_where_none_may_be_is_caught(face: Make) -> None:
    with pytest.raises(pa.ArrowInvalid):
        manifest_bytes([face(split=None)], size_px=64, landmark_scheme="ibug68")


def test_labels_table() -> None:
    predicted = LabelScores(
        attribute="gender",
        value="female",
        status="predicted",
        labeler="a network",
        classes=("female", "male"),
        probabilities=(0.75, 0.25),
        weights_sha256="w",
    )
    declared = LabelScores(attribute="race", value=None, status="unknown", labeler="declared", declared="AIAN")
    read = pq.read_table(pa.BufferReader(labels_bytes([("f0", predicted), ("f1", declared)]))).to_pylist()
    assert read[0]["classes"] == ["female", "male"]
    assert np.isclose(sum(read[0]["probabilities"]), 1)
    assert (read[1]["face_id"], read[1]["value"], read[1]["declared"]) == ("f1", None, "AIAN")
    assert read[1]["probabilities"] == []
