"""``weights.parquet``: how often training should show each face, as ``drfhq balance`` writes it.

face_id (string), cell (string, null where a class is unknown), weight (float64, from 0). Weights are relative; 0 is
never shown. Metadata: drfhq_manifest_sha256, the manifest they were made for, and drfhq_balance, the settings as JSON.
Faces of splits that were left out have no row.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.errors import ManifestError

WEIGHTS_NAME: Final = "weights.parquet"

_SCHEMA: Final = pa.schema(
    [
        pa.field("face_id", pa.string(), nullable=False),
        pa.field("cell", pa.string()),
        pa.field("weight", pa.float64(), nullable=False),
    ]
)
_DIGEST, _BALANCE = b"drfhq_manifest_sha256", b"drfhq_balance"


class WeightedFace(NamedTuple):
    """A face, the cell it is in (None where unknown), and its weight."""

    face_id: str
    cell: str | None
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingWeights:
    """``faces`` in the manifest's order; ``balance`` holds the settings they were made with, for people."""

    manifest_sha256: str
    balance: Mapping[str, object]
    faces: Sequence[WeightedFace]


def weights_bytes(weights: SamplingWeights) -> bytes:
    """The file; the same bytes for the same weights."""
    balance = json.dumps(dict(weights.balance), sort_keys=True)
    schema = _SCHEMA.with_metadata({_DIGEST: weights.manifest_sha256, _BALANCE: balance})
    table = pa.Table.from_pylist([face._asdict() for face in weights.faces], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def read_weights(path: Path) -> SamplingWeights:
    """Inverse of :func:`weights_bytes`.

    Raises:
        ManifestError: it is no such file, or a weight is negative or no number, or a face is named twice.
    """
    try:
        table = pq.read_table(path)
        metadata = table.schema.metadata or {}
        faces = [WeightedFace(**row) for row in table.select(_SCHEMA.names).cast(_SCHEMA).to_pylist()]
        digest, balance = metadata[_DIGEST].decode(), json.loads(metadata[_BALANCE])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ManifestError(f"{path} is no file of weights ({error}): make one with `drfhq balance`") from error
    if len({face.face_id for face in faces}) < len(faces):
        raise ManifestError(f"{path} names a face twice: make it anew with `drfhq balance`")
    for face in faces:
        if not (math.isfinite(face.weight) and face.weight >= 0):
            raise ManifestError(f"{path}: the weight of {face.face_id} is {face.weight}, must be a number from 0")
    return SamplingWeights(manifest_sha256=digest, balance=dict(balance), faces=faces)
