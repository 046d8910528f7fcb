"""Settings that people write: a TOML file, and advice on a name that is none."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path

from drfhq_tools.errors import UsageError


def read_toml(path: Path) -> dict[str, object]:
    """What a TOML file holds; a byte order mark, as Windows editors write it, is passed over.

    Raises:
        UsageError: no such file, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from error


def read_settings(path: Path, table: str) -> dict[str, object]:
    """The settings in a TOML file, under ``[table]`` or, where there is none, at its top level.

    Raises:
        UsageError: no such file, no TOML, or ``table`` is none.
    """
    document = read_toml(path)
    settings = document.get(table, document)
    if not isinstance(settings, dict):
        raise UsageError(f"{path}: {table} must be a table, [{table}]")
    return dict(settings)


def which_there_are(name: str, known: Iterable[str], also: Iterable[str] = ()) -> str:
    """What to say of a ``name`` that is none of ``known``: the nearest, of the other spellings ``also`` too, or all."""
    names = list(known)
    near = difflib.get_close_matches(name, [*names, *also], 1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
