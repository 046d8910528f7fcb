"""Whatever a row holds, it comes back from Parquet as it was."""

import io
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifest_strategies import records, rejects

from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.writer import manifest_bytes, rejects_bytes
from drfhq_tools.records import FaceRecord, Reject

quick = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@quick
@given(records)
def test_row_and_back(face: FaceRecord) -> None:
    assert FaceRecord.from_row(face.to_row()) == face
    assert FaceRecord.from_row(face.to_row() | {"a_column_of_tomorrow": 1}) == face


@quick
@given(st.lists(records, max_size=3))
def test_parquet_and_back(faces: list[FaceRecord]) -> None:
    data = manifest_bytes(faces, size_px=64, landmark_scheme="ibug68")
    assert data == manifest_bytes(faces, size_px=64, landmark_scheme="ibug68")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "manifest.parquet").write_bytes(data)
        manifest = open_manifest(Path(folder))
    assert manifest.faces == faces
    assert (manifest.size_px, manifest.landmark_scheme) == (64, "ibug68")


@quick
@given(st.lists(rejects, max_size=3))
def test_rejects_and_back(rows: list[Reject]) -> None:
    read = pq.read_table(io.BytesIO(rejects_bytes(rows))).to_pylist()
    assert read == [row.to_row() for row in rows]
    assert [Reject.from_row(row) for row in read] == rows
