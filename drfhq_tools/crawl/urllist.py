"""A list of pictures' addresses, CSV or Parquet: the column ``url``, and what else is said of each.

Columns named as an :class:`~drfhq_tools.crawl.items.Item`'s fields say that of the picture (``content_rating`` is its
``rating``); all others are kept as metadata, and those that declare a person (``gender``, ``subject_id`` …) are
read by a build.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from drfhq_tools.crawl.items import Item, clean_tags, clean_text
from drfhq_tools.errors import UsageError

_TEXTS: Final = ("page_url", "title", "author", "license", "license_url")
_RATINGS: Final = ("content_rating", "rating", "mature")


def read_urls(path: Path) -> tuple[Item, ...]:
    """Every row that names an address, in order; identical rows once.

    Raises:
        UsageError: the file cannot be read, is no such table, or has no column ``url``.
    """
    try:
        rows = list(_parquet(path) if path.suffix.lower() == ".parquet" else _csv(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    items = {(item.url, item.page_url): item for row in reversed(rows) if (item := _item(row)).url}
    if not items:
        raise UsageError(f"{path} lists no address: its column url is empty")
    return tuple(reversed(items.values()))


def _item(row: Mapping[str, object]) -> Item:
    texts = {name: clean_text(row.get(name)) for name in _TEXTS}
    licensed = texts["license"] or texts["license_url"]
    tags = row.get("tags")
    known = {"url", "tags", *_TEXTS, *_RATINGS}
    return Item(
        url=clean_text(row.get("url")) or "",
        **texts,
        licence_evidence="url_list" if licensed else None,
        tags=clean_tags(tags if isinstance(tags, list) else [tags]),
        rating=next((text for name in _RATINGS if (text := clean_text(row.get(name)))), None),
        metadata={
            name: text
            for name, value in row.items()
            if isinstance(name, str) and name not in known and (text := clean_text(value))
        },
    )


def _csv(path: Path) -> Iterator[Mapping[str, object]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            reader.fieldnames = _names(path, reader.fieldnames or ())
            yield from reader
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no CSV in UTF-8: {error}") from error


def _parquet(path: Path) -> Iterator[Mapping[str, object]]:
    import pyarrow as pa  # noqa: PLC0415  a list is mostly CSV
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise UsageError(f"{path} is no Parquet: {error}") from error
    yield from table.rename_columns(_names(path, table.column_names)).to_pylist()


def _names(path: Path, names: Iterable[str]) -> list[str]:
    clean = [name.strip().lower() for name in names]
    if "url" not in clean:
        raise UsageError(f"{path} has no column url; its columns are {', '.join(clean) or 'none'}")
    return clean
