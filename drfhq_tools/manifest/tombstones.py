"""What must not come back: pictures taken out for good, by their bytes' sha256, their address or their author.

A Parquet file of text columns, ``sha256``, ``source_url``, ``author``, ``reason``, ``removed_at`` (ISO 8601, UTC),
``tool_version``; each row names pictures by at least one of the first three. A row with several takes out those bytes
wherever they turn up, whatever turns up at that address, and all works of that author. Crawls leave such addresses
alone; crawls and builds leave such bytes out; builds leave such authors out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from drfhq_tools.atomic import replacing
from drfhq_tools.errors import UsageError
from drfhq_tools.hashing import is_sha256

FILE_NAME: Final = "tombstones.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """One picture, or one author, that stays out; ``reason``, ``removed_at`` and ``tool_version`` are for people."""

    sha256: str | None = None
    source_url: str | None = None
    author: str | None = None
    reason: str | None = None
    removed_at: str | None = None
    tool_version: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError for a row that names nothing, or a sha256 that is none."""
        if not any(self.names):
            raise UsageError("a tombstone must have a sha256, a source_url or an author")
        if self.sha256 and not is_sha256(self.sha256):
            raise UsageError(f"{self.sha256[:80]!r} is no sha256: 64 hexadecimal digits in small letters")

    @property
    def names(self) -> tuple[str | None, str | None, str | None]:
        """What it takes out, and all that tells it from others: the hash, the address, the author."""
        return self.sha256, self.source_url, author_key(self.author)


def author_key(name: str | None) -> str | None:
    """An author's name as it is compared: case and spaces don't matter; None where there is none."""
    return " ".join((name or "").split()).casefold() or None


class Tombstones:
    """A set of tombstones to ask; empty at first where nothing was removed."""

    def __init__(self, rows: Iterable[Tombstone] = ()) -> None:
        self.rows = tuple(rows)
        self._sha256 = {row.sha256: row for row in reversed(self.rows) if row.sha256}
        self._urls = {row.source_url: row for row in reversed(self.rows) if row.source_url}
        self._authors = {author_key(row.author): row for row in reversed(self.rows) if author_key(row.author)}

    def find(
        self, *, sha256: str | None = None, urls: Iterable[str | None] = (), author: str | None = None
    ) -> Tombstone | None:
        """The tombstone of these bytes, of one of these addresses, or of this author."""
        found = self._sha256.get(sha256) if sha256 else None
        found = found or next((self._urls[url] for url in urls if url in self._urls), None)
        return found or (self._authors.get(author_key(author)) if author_key(author) else None)


def read_tombstones(path: Path) -> Tombstones:
    """What ``path`` holds; nothing where there is no such file.

    Raises:
        UsageError: it is no file of tombstones.
    """
    import pyarrow as pa  # noqa: PLC0415  help needs no pyarrow
    import pyarrow.parquet as pq  # noqa: PLC0415

    if not path.exists():
        return Tombstones()
    try:
        there = pq.read_schema(path).names
        names = [f.name for f in fields(Tombstone) if f.name in there]
        rows = pq.read_table(path, columns=names).cast(pa.schema([(name, pa.string()) for name in names])).to_pylist()
        return Tombstones(Tombstone(**row) for row in rows)
    except (OSError, pa.ArrowException, TypeError, ValueError, UsageError) as error:
        raise UsageError(f"{path} holds no tombstones: {error}") from error


def gather_tombstones(folders: Iterable[Path], files: Iterable[Path] = ()) -> Tombstones:
    """All that ``files`` hold, and :data:`FILE_NAME` in each of ``folders`` that has one.

    Raises:
        UsageError: one of ``files`` is not there, or a file holds something else.
    """
    named = list(files)
    for path in named:
        if not path.is_file():
            raise UsageError(f"there is no file of tombstones at {path}")
    paths = [*(folder / FILE_NAME for folder in folders), *named]
    return Tombstones(row for path in paths for row in read_tombstones(path).rows)


def append_tombstones(path: Path, rows: Iterable[Tombstone]) -> None:
    """Add ``rows`` to ``path``, made where it is missing; one that is there already is not added again.

    Raises:
        UsageError: ``path`` holds something else.
        OSError: it cannot be written.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    old = read_tombstones(path).rows
    known = {row.names for row in old}
    new = [row for row in dict.fromkeys(rows) if row.names not in known]
    schema = pa.schema([(f.name, pa.string()) for f in fields(Tombstone)])
    with replacing(path) as temporary:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in (*old, *new)], schema=schema), temporary)
