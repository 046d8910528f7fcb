"""What must not come back: pictures taken out for good, by their bytes' sha256, by the address they came from, or both.

A Parquet file of four text columns, ``sha256``, ``source_url``, ``reason``, ``removed_at`` (ISO 8601, UTC); each row
names a picture by at least one of the first two. A row with both takes out that picture wherever it turns up, and
whatever turns up at that address. Crawls leave such addresses alone; crawls and builds leave such bytes out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from drfhq_tools.atomic import replacing
from drfhq_tools.errors import UsageError

FILE_NAME: Final = "tombstones.parquet"
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """One picture that stays out; ``reason`` and ``removed_at`` are for people."""

    sha256: str | None = None
    source_url: str | None = None
    reason: str | None = None
    removed_at: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for a row that names nothing, or a sha256 that is none."""
        if not self.sha256 and not self.source_url:
            raise UsageError("a tombstone must have a sha256 or a source_url")
        if self.sha256 and (len(self.sha256) != 64 or not _HEX.issuperset(self.sha256)):
            raise UsageError(f"{self.sha256[:80]!r} is no sha256: 64 hexadecimal digits in small letters")


class Tombstones:
    """A set of tombstones to ask; empty at first where nothing was removed."""

    def __init__(self, rows: Iterable[Tombstone] = ()) -> None:
        self.rows = tuple(rows)
        self._sha256 = {row.sha256: row for row in reversed(self.rows) if row.sha256}
        self._urls = {row.source_url: row for row in reversed(self.rows) if row.source_url}

    def find(self, *, sha256: str | None = None, urls: Iterable[str | None] = ()) -> Tombstone | None:
        """The tombstone of these bytes or of one of these addresses."""
        found = self._sha256.get(sha256) if sha256 else None
        return found or next((self._urls[url] for url in urls if url in self._urls), None)


def read_tombstones(path: Path) -> Tombstones:
    """What ``path`` holds; nothing where there is no such file.

    Raises:
        UsageError: it is no file of tombstones.
    """
    import pyarrow as pa  # noqa: PLC0415  help needs no pyarrow
    import pyarrow.parquet as pq  # noqa: PLC0415

    if not path.exists():
        return Tombstones()
    names = [f.name for f in fields(Tombstone)]
    try:
        rows = pq.read_table(path, columns=names).cast(pa.schema([(name, pa.string()) for name in names])).to_pylist()
        return Tombstones(Tombstone(**row) for row in rows)
    except (OSError, pa.ArrowException, TypeError, ValueError, UsageError) as error:
        raise UsageError(f"{path} holds no tombstones: {error}") from error


def append_tombstones(path: Path, rows: Iterable[Tombstone]) -> None:
    """Add ``rows`` to ``path``, made where it is missing; one that is there already is not added again.

    Raises:
        UsageError: ``path`` holds something else.
        OSError: it cannot be written.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    old = read_tombstones(path).rows
    known = {(row.sha256, row.source_url) for row in old}
    new = [row for row in dict.fromkeys(rows) if (row.sha256, row.source_url) not in known]
    schema = pa.schema([(f.name, pa.string()) for f in fields(Tombstone)])
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in (*old, *new)], schema=schema), temporary)
