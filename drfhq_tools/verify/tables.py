"""Whether the tables are of the schema: columns, types, nulls, what their metadata says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.manifest.reader import LABELS_NAME, MANIFEST_NAME, REJECTS_NAME
from drfhq_tools.manifest.schema import LABEL_COLUMNS, MANIFEST_COLUMNS, REJECT_COLUMNS, SCHEMA_VERSION, Column
from drfhq_tools.verify.findings import Report

TABLES: Final = {MANIFEST_NAME: MANIFEST_COLUMNS, LABELS_NAME: LABEL_COLUMNS, REJECTS_NAME: REJECT_COLUMNS}
_BATCH_ROWS: Final = 1000


def check_tables(data: Path, report: Report) -> set[str]:
    """Names of the tables that can be read row by row."""
    return {name for name, columns in TABLES.items() if _check_table(data / name, columns, report)}


def rows(path: Path, names: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of a table that was checked, a batch in memory at a time."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
            yield from batch.to_pylist()


def _check_table(path: Path, columns: tuple[Column, ...], report: Report) -> bool:
    try:
        with pq.ParquetFile(path) as file:
            before = report.counts["tables"]
            _check_schema(path.name, file.schema_arrow, columns, report)
            if report.counts["tables"] > before:
                return False
            _check_nulls(file, path.name, columns, report)
            return report.counts["tables"] == before
    except (OSError, pa.ArrowException) as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        report.add("tables", path.name, what)
        return False


def _check_schema(name: str, schema: pa.Schema, columns: tuple[Column, ...], report: Report) -> None:
    for column in columns:
        index = schema.get_field_index(column.name)
        if index < 0:
            report.add("tables", f"{name}: {column.name}", "the column is missing")
        elif not _same_type(schema.field(index).type, column.type):
            report.add(
                "tables", f"{name}: {column.name}", f"is of type {schema.field(index).type}, must be {column.type}"
            )
    said = (schema.metadata or {}).get(b"drfhq_schema_version", b"").decode("utf-8", "replace")
    if said != SCHEMA_VERSION:
        report.add("versions", name, f"is of schema {said or 'unknown'} by its metadata, not {SCHEMA_VERSION}")


def _same_type(one: pa.DataType, other: pa.DataType) -> bool:
    """A list's item has a name that says nothing."""
    lists = pa.types.is_list(one) and pa.types.is_list(other)
    return bool(one.value_type.equals(other.value_type) if lists else one.equals(other))


def _check_nulls(file: pq.ParquetFile, name: str, columns: tuple[Column, ...], report: Report) -> None:
    nulls: dict[str, int] = {}
    wanted = [column.name for column in columns if not column.nullable]
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
        for column in wanted:
            values = batch.column(batch.schema.get_field_index(column))
            inner = values.flatten().null_count if pa.types.is_list(values.type) else 0
            nulls[column] = nulls.get(column, 0) + values.null_count + inner
    for column, count in nulls.items():
        if count:
            report.add("tables", f"{name}: {column}", f"{count} values are null")
