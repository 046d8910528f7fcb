"""Between a record and the columns of a row: sequences are tuples in the one and lists in the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def as_list(value: object) -> object:
    """The value of a column."""
    return list(value) if isinstance(value, tuple) else value


def picked(names: Iterable[str], row: Mapping[str, object]) -> dict[str, Any]:
    """The values of these columns, sequences as tuples."""
    columns = ((name, row[name]) for name in names)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in columns}
