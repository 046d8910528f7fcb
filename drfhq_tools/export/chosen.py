"""Which faces leave a data set, and their crops, each held against the hash its row names before it goes anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.hashing import sha256_bytes, sha256_file
from drfhq_tools.manifest.reader import MANIFEST_NAME, read_columns
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS, to_schema
from drfhq_tools.ratings import is_mature

HUB_SPLITS: Final = {"train": "train", "val": "validation", "test": "test"}
"""The splits by the manifest's names, and the names the Hub and ``datasets`` know them by."""

Progress = Callable[[int, int], None]
"""Called with the bytes of crops written so far, and the bytes there are."""


def silent(_done: int, _total: int) -> None:
    """A progress nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Rows of the manifest of the data set in ``data``, in its order, its columns alone; ``digest`` is its sha256.

    ``sizes`` are the bytes of each row's crop; ``split`` is the one the rows were taken from, None for all.
    """

    data: Path
    table: pa.Table
    digest: str
    split: str | None
    sizes: tuple[int, ...]

    def of_split(self, split: str) -> Chosen:
        """Those of one split."""
        held = [name == split for name in self.column("split")]
        sizes = tuple(size for size, keep in zip(self.sizes, held, strict=True) if keep)
        return Chosen(data=self.data, table=self.table.filter(held), digest=self.digest, split=split, sizes=sizes)

    def rows(self, first: int, end: int) -> Chosen:
        """Those from ``first`` to ``end``, which is left out."""
        table = self.table.slice(first, end - first)
        return Chosen(data=self.data, table=table, digest=self.digest, split=self.split, sizes=self.sizes[first:end])

    def column(self, name: str) -> Sequence[object]:
        """A column's values."""
        values: Sequence[object] = self.table[name].to_pylist()
        return values

    @property
    def size_bytes(self) -> int:
        """Of all crops."""
        return sum(self.sizes)

    @property
    def mature(self) -> int:
        """How many faces are of pictures rated mature."""
        return sum(is_mature(str(word)) for word in self.column("content_rating") if word is not None)

    def crops(self) -> Iterator[bytes]:
        """The bytes of each row's crop.

        Raises:
            DrfhqError: a crop is not the one its row names.
        """
        paths, hashes = self.column("image_path"), self.column("image_sha256")
        for path, sha256 in zip(paths, hashes, strict=True):
            yield _read(self.data, str(path), str(sha256))


def choose(data: Path, split: str | None = None) -> Chosen:
    """The faces of the data set in ``data``, of one split or of all.

    Raises:
        ManifestError: there is no data set of this version.
        UsageError: there is no such face.
        DrfhqError: a crop is missing.
    """
    names = [column.name for column in MANIFEST_COLUMNS]
    table = read_columns(data, names).select(names).cast(to_schema(MANIFEST_COLUMNS))
    if split is not None:
        table = table.filter(pc.equal(table["split"], split))
    if not table.num_rows:
        of = f" of the split {split}" if split else ""
        raise UsageError(f"{data} has no faces{of}: there is nothing to export")
    sizes = tuple(_size(data, path) for path in table["image_path"].to_pylist())
    return Chosen(data=data, table=table, digest=sha256_file(data / MANIFEST_NAME), split=split, sizes=sizes)


def consecutive(sizes: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """Rows in order, as ranges (first, end) whose sizes sum to ``limit`` at most; one larger than that stands alone.

    Ranges are filled from the front, so rows added at the end leave all but the last as they were.
    """
    ranges: list[tuple[int, int]] = []
    first = total = 0
    for row, size in enumerate(sizes):
        if row > first and total + size > limit:
            ranges.append((first, row))
            first, total = row, 0
        total += size
    return [*ranges, (first, len(sizes))] if sizes else ranges


def _size(data: Path, path: str) -> int:
    try:
        return (data / path).stat().st_size
    except OSError as error:
        raise _damaged(data, path, error.strerror or str(error)) from error


def _read(data: Path, path: str, sha256: str) -> bytes:
    try:
        content = (data / path).read_bytes()
    except OSError as error:
        raise _damaged(data, path, error.strerror or str(error)) from error
    if sha256_bytes(content) != sha256:
        raise _damaged(data, path, "it is not the file whose sha256 the manifest names")
    return content


def _damaged(data: Path, path: str, what: str) -> DrfhqError:
    return DrfhqError(
        f"{data / path}: {what}; the data set is damaged, `drfhq verify {data} --deep` says where, `drfhq build` mends"
    )
