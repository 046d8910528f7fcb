"""Whatever bytes come: a picture or DecodeError; rows or rejects. Nothing else leaves the readers."""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from drfhq_tools.errors import DecodeError
from drfhq_tools.imageio import decode_picture
from drfhq_tools.records import Declared, Pixels, Provenance, RejectReason
from drfhq_tools.sources.sidecar import combine, read_json, read_table

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind)
    return file.getvalue()


def pixels_or_reason(data: bytes) -> Pixels | str:
    try:
        return decode_picture(data, max_pixels=1_000_000)
    except DecodeError as error:
        return error.reason


FORMATS = st.sampled_from([encoded(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")])
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["file", "gender", "age_years", "race", "author", "landmarks", "faces", "content_rating", "x"])


@settings(max_examples=300, deadline=None)
@given(data=FORMATS, edits=EDITS, length=st.floats(0, 1))
def test_damaged_pictures_decode_or_say_why(data: bytes, edits: list[tuple[float, int]], length: float) -> None:
    damaged = bytearray(data)
    for place, value in edits:
        damaged[int(place * len(damaged))] = value
    decoded = pixels_or_reason(bytes(damaged[: round(length * len(damaged))]))
    if isinstance(decoded, str):
        assert RejectReason(decoded)
    else:
        assert (decoded.dtype, decoded.ndim, decoded.shape[2]) == (np.uint8, 3, 3)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_no_picture_or_one(data: bytes) -> None:
    decoded = pixels_or_reason(data)
    assert not isinstance(decoded, str) or RejectReason(decoded)


@settings(max_examples=200, deadline=None)
@given(document=st.dictionaries(NAMES, VALUES, max_size=5) | VALUES, tail=st.sampled_from(["", "{", "\x00"]))
def test_any_json_is_fields_or_rejects(document: object, tail: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_text(json.dumps(document) + tail, encoding="utf-8")
        fields, rejects = read_json(path, "x.json")
    said = combine([fields])
    assert isinstance(said.declared, Declared)
    assert isinstance(said.provenance, Provenance)
    for row in rejects:
        json.dumps(row.to_row()).encode()


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"file,age_years\n{text}".encode()))
def test_any_csv_is_rows_or_rejects(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        path.write_bytes(content)
        table = read_table(path, "labels.csv")
    for fields in table.rows.values():
        combine([fields])
    for row in table.rejects:
        row.message.encode()


@settings(max_examples=100, deadline=None)
@given(
    columns=st.dictionaries(
        NAMES,
        st.lists(st.integers(-(2**62), 2**62), min_size=2, max_size=2)
        | st.lists(st.floats(), min_size=2, max_size=2)
        | st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=2, max_size=2)
        | st.lists(st.binary(max_size=6), min_size=2, max_size=2)
        | st.lists(st.lists(st.floats(), max_size=3), min_size=2, max_size=2)
        | st.just(pa.array([2**62, -(2**62)], pa.timestamp("us")))
        | st.just(pa.array([2**30, -(2**30)], pa.date32())),
        min_size=1,
        max_size=4,
    )
)
def test_any_parquet_is_rows_or_rejects(columns: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.parquet"
        pq.write_table(pa.table(columns), path)
        table = read_table(path, "labels.parquet")
    for fields in table.rows.values():
        combine([fields])
