"""Read a built data set: the one door through which ``transfer`` and the reports see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.errors import ManifestError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest.schema import LABEL_COLUMNS, MANIFEST_COLUMNS, REJECT_COLUMNS, SCHEMA_VERSION
from drfhq_tools.records import FaceRecord, LabelScores, Reject

MANIFEST_NAME: Final = "manifest.parquet"
LABELS_NAME: Final = "labels.parquet"
REJECTS_NAME: Final = "rejects.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A data set: ``faces`` in image order, ``root`` the folder their ``image_path`` starts from.

    ``digest`` is the sha256 of manifest.parquet; ``landmark_scheme`` and ``size_px`` hold for every face.
    """

    root: Path
    faces: list[FaceRecord]
    digest: str
    landmark_scheme: str
    size_px: int


def open_manifest(data_dir: Path) -> Manifest:
    """The manifest of the data set in ``data_dir``.

    Raises:
        ManifestError: there is none, it is not of schema v1, or it mixes landmark schemes or sizes.
    """
    table = read_columns(data_dir, [column.name for column in MANIFEST_COLUMNS])
    faces = [FaceRecord.from_row(row) for row in table.to_pylist()]
    path = data_dir / MANIFEST_NAME
    return Manifest(
        root=data_dir,
        faces=faces,
        digest=sha256_file(path),
        landmark_scheme=_shared_value(table, "landmark_scheme", path),
        size_px=int(_shared_value(table, "size_px", path)),
    )


def read_columns(data_dir: Path, names: Sequence[str]) -> pa.Table:
    """Some columns of the manifest, rows in image order.

    Raises:
        ManifestError: no manifest, not Parquet, a column missing, or a schema of another version.
    """
    path = data_dir / MANIFEST_NAME
    if not path.is_file():
        raise ManifestError(f"no {MANIFEST_NAME} in {data_dir}: not a finished data set; run `drfhq build`")
    table = _read_table(path, [*names, "schema_version"])
    versions = set(table["schema_version"].to_pylist()) - {SCHEMA_VERSION}
    if versions:
        raise ManifestError(f"{path} is of schema {', '.join(map(str, versions))}, not {SCHEMA_VERSION}: rebuild it")
    return table


def read_labels(data_dir: Path) -> dict[str, list[LabelScores]]:
    """All that is said of each face, by face_id, in the table's order.

    Raises:
        ManifestError: no labels.parquet, not Parquet, or a column missing.
    """
    labels: dict[str, list[LabelScores]] = {}
    for row in _read_table(data_dir / LABELS_NAME, [column.name for column in LABEL_COLUMNS]).to_pylist():
        face = row.pop("face_id")
        row |= {name: tuple(row[name]) for name in ("classes", "probabilities")}
        labels.setdefault(face, []).append(LabelScores(**row))
    return labels


def read_rejects(data_dir: Path) -> list[Reject]:
    """All that was left out, in the table's order.

    Raises:
        ManifestError: no rejects.parquet, not Parquet, a column missing, or a reason unknown.
    """
    path = data_dir / REJECTS_NAME
    rows = _read_table(path, [column.name for column in REJECT_COLUMNS]).to_pylist()
    try:
        return [Reject.from_row(row) for row in rows]
    except ValueError as error:
        raise ManifestError(f"{path}: {error}: rebuild the data set with this version of drfhq") from error


def _read_table(path: Path, names: Sequence[str]) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        missing = [name for name in names if name not in schema.names]
        if missing:
            raise ManifestError(f"{path} lacks the columns {', '.join(missing)}: rebuild it with this version of drfhq")
        return pq.read_table(path, columns=list(dict.fromkeys(names)))
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"cannot read {path} ({error}): rebuild the data set") from error


def _shared_value(table: pa.Table, name: str, path: Path) -> str:
    """The one value a column has; an empty table names it in the file's metadata."""
    recorded = (table.schema.metadata or {}).get(f"drfhq_{name}".encode())
    values = {str(value) for value in table[name].to_pylist()} or ({recorded.decode()} if recorded else set())
    if len(values) != 1:
        raise ManifestError(f"{path}: {name} must have one value, has {sorted(values)}: build with one setting")
    return values.pop()
