"""Rows → Parquet bytes, the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.manifest.schema import LABEL_COLUMNS, MANIFEST_COLUMNS, REJECT_COLUMNS, Column, to_schema
from drfhq_tools.records import FaceRecord, LabelScores, Reject


def manifest_bytes(faces: Sequence[FaceRecord], *, size_px: int, landmark_scheme: str) -> bytes:
    """``manifest.parquet``; the two facts shared by all faces stand in its metadata too, for a set without faces."""
    shared = {"drfhq_size_px": str(size_px), "drfhq_landmark_scheme": landmark_scheme}
    return _encode(MANIFEST_COLUMNS, (face.to_row() for face in faces), shared)


def labels_bytes(labels: Iterable[tuple[str, LabelScores]]) -> bytes:
    """``labels.parquet`` from (face_id, label) pairs."""
    names = [column.name for column in LABEL_COLUMNS[1:]]
    return _encode(
        LABEL_COLUMNS, ({"face_id": face} | {name: getattr(label, name) for name in names} for face, label in labels)
    )


def rejects_bytes(rejects: Iterable[Reject]) -> bytes:
    """``rejects.parquet``."""
    return _encode(REJECT_COLUMNS, (reject.to_row() for reject in rejects))


def _encode(
    columns: tuple[Column, ...], rows: Iterable[Mapping[str, object]], metadata: Mapping[str, str] | None = None
) -> bytes:
    schema = to_schema(columns)
    schema = schema.with_metadata({**schema.metadata, **(metadata or {})})
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
    return bytes(sink.getvalue())
