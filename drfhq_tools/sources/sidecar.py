"""What lies beside pictures: ``labels.csv`` or ``labels.parquet`` in a folder, ``x.json`` beside ``x.png``, and
``provenance.parquet``, which ``drfhq crawl`` writes. The scene ``x.duf`` is read by :mod:`~drfhq_tools.sources.duf`.

A table's column ``file`` is a path relative to the table's folder, pictures in subfolders included. All other columns
are optional: the fields of :class:`~drfhq_tools.records.Declared` and :class:`~drfhq_tools.records.Provenance`, by
name, and those of :mod:`~drfhq_tools.sources.given_faces`; others are passed over. Field by field, a table in a nearer
folder overrides one in an outer folder, within a folder ``labels.csv`` overrides ``labels.parquet`` and both override
``provenance.parquet``, and the picture's own JSON overrides all. What a scene beside the picture says counts where none
of these says otherwise. An empty value says nothing and overrides nothing.
What cannot be understood is a :class:`~drfhq_tools.records.Reject`, never an exception.

Of ``provenance.parquet`` the rows that name a picture (column ``path``) are read, of several for one picture the first:
``url`` is its ``source_url``, and what its column ``metadata``, a JSON object, declares of the person counts too.
"""

from __future__ import annotations

import csv
import datetime
import json
import math
import posixpath
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from drfhq_tools.errors import SidecarError
from drfhq_tools.records import MAX_AGE_YEARS, Declared, GivenFace, Provenance, Reject, RejectReason
from drfhq_tools.sources.given_faces import FACE_FIELDS, FACES, read_faces

PROVENANCE: Final = "provenance.parquet"
TABLE_NAMES: Final = (PROVENANCE, "labels.parquet", "labels.csv")
DECLARED_FIELDS: Final = tuple(f.name for f in fields(Declared))
PROVENANCE_FIELDS: Final = tuple(f.name for f in fields(Provenance))
_LIST_FIELDS: Final = frozenset({"products", "vendors"})
_TEXT_FIELDS: Final = frozenset({*DECLARED_FIELDS, *PROVENANCE_FIELDS} - {"age_years"} - _LIST_FIELDS)
_MAX_JSON_BYTES: Final = 1 << 20
_NAMES: Final = "a list of names, or names between semicolons"
_WANTED: Final = {"age_years": f"a number from 0 to {MAX_AGE_YEARS:g}", **dict.fromkeys(_LIST_FIELDS, _NAMES)}

Fields = dict[str, str | float | tuple[str, ...] | tuple[GivenFace, ...]]
"""What one sidecar says of one picture, by field name; absent where it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One picture's declaration; ``disputed`` names the fields its copies disagree on."""

    declared: Declared
    provenance: Provenance
    faces: tuple[GivenFace, ...]
    disputed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One of :data:`TABLE_NAMES`: ``rows`` by the file they speak of; ``path`` from the raw folder."""

    path: str
    rows: dict[str, Fields] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)


def read_table(file: Path, path: str) -> Table:
    """Read ``file``; ``path`` names it in rejects. Of two rows for one file the first counts."""
    table = Table(path)
    try:
        for number, row in enumerate(_table_rows(file), start=1):
            _add_row(table, number, row)
    except SidecarError as error:
        table.rejects.append(_reject(path, str(error)))
    return table


def read_json(file: Path, path: str) -> tuple[Fields, list[Reject]]:
    """What a picture's own JSON says of it."""
    try:
        if file.stat().st_size > _MAX_JSON_BYTES:
            raise SidecarError("larger than 1 MB: no label file")
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return {}, [_reject(path, f"cannot be read: {error.strerror or error}")]
    except (ValueError, RecursionError) as error:
        return {}, [_reject(path, f"no valid JSON: {error}")]
    except SidecarError as error:
        return {}, [_reject(path, str(error))]
    if not isinstance(document, dict):
        return {}, [_reject(path, "must hold one JSON object, with fields such as gender or license")]
    found, problems = _clean(document)
    return found, [_reject(path, problem) for problem in problems]


def table_key(path: str) -> str:
    """A path as tables are looked up by: POSIX, composed Unicode, no ``./``; macOS decomposes accents in names."""
    return unicodedata.normalize("NFC", posixpath.normpath(path.replace("\\", "/")))


def combine(said: Iterable[Fields]) -> Said:
    """One picture's declaration from what was said of each of its identical copies.

    A disagreement about the person or the faces leaves the field unknown; of provenance the first counts.
    """
    merged: Fields = {}
    disputed: list[str] = []
    for entry in said:
        for name, value in entry.items():
            if merged.setdefault(name, value) != value and name not in (*PROVENANCE_FIELDS, *disputed):
                disputed.append(name)
    undisputed = {name: value for name, value in merged.items() if name not in disputed}
    age = undisputed.pop("age_years", None)
    faces = undisputed.pop(FACES, ())
    words: dict[str, Any] = undisputed
    person = {name: word for name, word in words.items() if name in DECLARED_FIELDS}
    origin = {name: word for name, word in words.items() if name in PROVENANCE_FIELDS}
    return Said(
        declared=Declared(**person, age_years=float(age) if isinstance(age, (int, float)) else None),
        provenance=Provenance(**origin),
        faces=tuple(face for face in faces if isinstance(face, GivenFace)) if isinstance(faces, tuple) else (),
        disputed=tuple(disputed),
    )


def _table_rows(file: Path) -> Iterator[Mapping[str, object]]:
    if file.name.lower() == PROVENANCE:
        rows = _provenance_rows(file)
    else:
        rows = _parquet_rows(file) if file.suffix.lower() == ".parquet" else _csv_rows(file)
    try:
        yield from rows
    except OSError as error:
        raise SidecarError(f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SidecarError(f"is not UTF-8 text ({error.reason}); save it as UTF-8") from error


def _csv_rows(file: Path) -> Iterator[Mapping[str, object]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text)
        try:
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            _require_file_column(reader.fieldnames)
            yield from reader
        except csv.Error as error:
            raise SidecarError(f"line {reader.line_num}: {error}") from error


def _parquet_rows(file: Path, names_file: str = "file", more: Iterable[str] = ()) -> Iterator[Mapping[str, object]]:
    """The rows of a table whose column ``names_file`` names the picture; of ``more`` columns too."""
    import pyarrow as pa  # noqa: PLC0415  most builds have no Parquet sidecar
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(file)
        table = table.rename_columns([name.strip().lower() for name in table.column_names])
        _require_file_column(table.column_names, names_file)
        read = {names_file, "age_years", *_TEXT_FIELDS, *_LIST_FIELDS, *FACE_FIELDS, *more}
        yield from table.select([name for name in table.column_names if name in read]).to_pylist()
    except UnicodeDecodeError:
        raise
    except (pa.ArrowException, ValueError, OverflowError, KeyError) as error:  # two columns of a name, a year 146139
        raise SidecarError(f"no valid Parquet: {error}") from error


def _provenance_rows(file: Path) -> Iterator[Mapping[str, object]]:
    """What a crawl says of the pictures it kept, in the fields of a label table."""
    seen: set[str] = set()
    for row in _parquet_rows(file, "path", ("url", "metadata")):
        path = row["path"]
        if isinstance(path, str) and path not in seen:
            seen.add(path)
            yield {**_declared_in(row.get("metadata")), **row, "file": path, "source_url": row.get("url")}


def _declared_in(metadata: object) -> dict[str, object]:
    """The fields that declare a person, of a JSON object in text; none where it is no such thing."""
    try:
        document = json.loads(metadata) if isinstance(metadata, str) else None
    except (ValueError, RecursionError):
        return {}
    known = document if isinstance(document, dict) else {}
    return {name: known[name] for name in DECLARED_FIELDS if name in known}


def _require_file_column(names: Iterable[str], wanted: str = "file") -> None:
    if wanted not in names:
        raise SidecarError(f"has no column {wanted!r}; its columns are {', '.join(names) or 'none'}")


def _add_row(table: Table, number: int, row: Mapping[str, object]) -> None:
    if None in row:
        table.rejects.append(_reject(table.path, f"row {number} has more values than the header; quote commas"))
        return
    name = row.get("file")
    if not isinstance(name, str) or not name.strip():
        table.rejects.append(_reject(table.path, f"row {number} names no file"))
        return
    found, problems = _clean(row)
    table.rejects.extend(_reject(table.path, f"row {number} ({name}): {problem}") for problem in problems)
    key = table_key(name.strip())
    if table.rows.setdefault(key, found) != found:
        problem = f"row {number}: {name} is listed before with other labels; the first row counts"
        table.rejects.append(_reject(table.path, problem))


def _clean(row: Mapping[str, object]) -> tuple[Fields, list[str]]:
    """The known fields that say something, and what is wrong with the others."""
    found: Fields = {}
    problems: list[str] = []
    for name, value in row.items():
        if name in FACE_FIELDS and not _says_nothing(value):
            try:
                found[FACES] = read_faces(name, value)
            except SidecarError as error:
                problems.append(str(error))
            continue
        clean: str | float | tuple[str, ...] | None
        if name == "age_years":
            clean = _age(value)
        elif name in _LIST_FIELDS:
            clean = _names(value)
        elif name in _TEXT_FIELDS:
            clean = _text(value)
        else:
            continue
        if clean is not None:
            found[name] = clean
        elif not _says_nothing(value):
            problems.append(f"{name} is {str(value)[:80]!r}, must be {_WANTED.get(name, 'text')}")
    return found, problems


def _says_nothing(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip()) or _is_nan(value)


def _is_nan(value: object) -> bool:
    """pandas writes a missing number so."""
    return isinstance(value, float) and math.isnan(value)


def _age(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        age = float(value)
    except (ValueError, OverflowError):
        return None
    return age if math.isfinite(age) and 0 <= age <= MAX_AGE_YEARS else None


def _names(value: object) -> tuple[str, ...] | None:
    """A list of names, or names between semicolons; sorted, each once."""
    items = value.split(";") if isinstance(value, str) else value
    if not isinstance(items, list):
        return None
    names = {_text(item) if isinstance(item, str) else None for item in items if not _says_nothing(item)}
    return tuple(sorted(name for name in names if name)) or None if None not in names else None


def _text(value: object) -> str | None:
    """Text fit for UTF-8: JSON can spell half characters that no file can hold."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or _is_nan(value):
        return None
    return str(value).strip().encode("utf-8", "backslashreplace").decode() or None


def _reject(path: str, message: str) -> Reject:
    return Reject(source_path=path, reason=RejectReason.BAD_SIDECAR, message=message)
