"""Parquet shards as the Hugging Face Hub expects them: ``data/{split}-00000-of-000NN.parquet``.

A shard holds about 500 MB in row groups of about 100 MB, the sizes the Hub's documents advise. A row is the crop as it
lies on the disk, in a struct of its bytes and a name, and the manifest's columns. The schema's metadata has an entry
``huggingface`` that names the features, so that ``datasets`` reads pictures as pictures; types need no guessing. Crops
are compressed already: nothing is compressed again, and no dictionary is tried on them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.errors import UsageError
from drfhq_tools.export.chosen import HUB_SPLITS, Chosen, Progress, choose, consecutive, silent
from drfhq_tools.export.files import Asked, Exported, described, put_in_place, staged, standing
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS, to_schema

IMAGE_COLUMN: Final = "image"
SHARD_BYTES: Final = 500_000_000
ROW_GROUP_BYTES: Final = 100_000_000
_IMAGE: Final = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
_DTYPES: Final = {pa.float64(): "float64", pa.float32(): "float32", pa.bool_(): "bool"}
_PLAIN: Final = [column.name for column in MANIFEST_COLUMNS if not pa.types.is_list(column.type)]


def features() -> dict[str, dict[str, object]]:
    """The columns as ``datasets`` describes them, by name: what the card's ``dataset_info`` says too.

    Lists are called ``Sequence``, which every version of ``datasets`` understands.
    """
    found: dict[str, dict[str, object]] = {IMAGE_COLUMN: {"_type": "Image"}}
    for column in MANIFEST_COLUMNS:
        if pa.types.is_list(column.type):
            found[column.name] = {"feature": _value(column.type.value_type), "_type": "Sequence"}
        else:
            found[column.name] = _value(column.type)
    return found


def export_parquet(
    data: Path,
    out: Path,
    *,
    split: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    row_group_bytes: int = ROW_GROUP_BYTES,
    progress: Progress = silent,
) -> Exported:
    """Write the data set in ``data`` to the folder ``out``, one split of it or all; a row group is in memory at a time.

    Raises:
        UsageError: a size is not positive, ``out`` holds something else, or there are no such faces.
        DrfhqError: a crop is damaged, or the disk is full.
        ManifestError: there is no data set of this version in ``data``.
    """
    if shard_bytes < 1 or row_group_bytes < 1:
        raise UsageError("shards and row groups must have room for something: give a size above 0")
    chosen = choose(data, split)
    asked: Asked = {
        "format": "parquet",
        "manifest_sha256": chosen.digest,
        "split": split,
        "shard_bytes": shard_bytes,
        "row_group_bytes": row_group_bytes,
    }
    files = standing(out, asked)
    fresh = files is None
    if files is None:
        with staged(out) as staging:
            written = _write(chosen, staging, shard_bytes, row_group_bytes, progress)
            files = tuple(described(path, staging) for path in written)
            put_in_place(staging, out, asked, files)
    return Exported(out=out, faces=chosen.table.num_rows, mature=chosen.mature, files=files, fresh=fresh)


def _write(chosen: Chosen, staging: Path, shard_bytes: int, row_group_bytes: int, progress: Progress) -> Iterator[Path]:
    (staging / "data").mkdir()
    done = 0
    for split, name in HUB_SPLITS.items():
        part = chosen.of_split(split)
        shards = consecutive(part.sizes, shard_bytes)
        for number, (first, end) in enumerate(shards):
            path = staging / "data" / f"{name}-{number:05d}-of-{len(shards):05d}.parquet"
            for size in _write_shard(path, part.rows(first, end), row_group_bytes):
                done += size
                progress(done, chosen.size_bytes)
            yield path


def _write_shard(path: Path, rows: Chosen, row_group_bytes: int) -> Iterator[int]:
    """Yields each row group's bytes of crops once they are written."""
    schema = _schema()
    with pq.ParquetWriter(
        path,
        schema,
        compression="NONE",
        use_dictionary=_PLAIN,
        write_statistics=_PLAIN,  # of crops they would say nothing, and cost a comparison of each with each
        write_page_index=True,  # lets a reader fetch some rows of a group, as the Hub's viewer does
    ) as writer:
        for first, end in consecutive(rows.sizes, row_group_bytes):
            group = rows.rows(first, end)
            names = pa.array([f"{name}.png" for name in group.column("face_id")])
            crops = pa.StructArray.from_arrays([pa.array(group.crops(), pa.binary()), names], fields=list(_IMAGE))
            table = pa.Table.from_arrays([crops, *group.table.columns], schema=schema)
            writer.write_table(table, row_group_size=table.num_rows)
            yield group.size_bytes


def _schema() -> pa.Schema:
    columns = to_schema(MANIFEST_COLUMNS)
    told = {"huggingface": json.dumps({"info": {"features": features()}})}
    return pa.schema([pa.field(IMAGE_COLUMN, _IMAGE), *columns], metadata={**columns.metadata, **told})


def _value(kind: pa.DataType) -> dict[str, object]:
    return {"dtype": _DTYPES.get(kind, str(kind)), "_type": "Value"}
