"""The shares a data set should have: ``uniform``, or a file that gives each class of an attribute a number.

TOML and JSON hold a table an attribute, CSV the columns attribute, class, share::

    [gender]                attribute,class,share
    female = 50             gender,female,50
    male = 50               gender,male,50

Numbers are taken as proportions: they need not sum to 1. A class the file leaves out gets nothing; an attribute it
leaves out is uniform. Attributes are taken as independent: a cell's share is the product of its classes' shares.
"""

from __future__ import annotations

import csv
import io
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drfhq_tools.errors import UsageError
from drfhq_tools.stats.classes import ATTRIBUTES, Vocabulary, all_classes
from drfhq_tools.toml_file import which_there_are

_COLUMNS: Final = ["attribute", "class", "share"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``proportions`` by attribute, then class; at least one of an attribute is above 0. ``name`` is for people."""

    name: str = "uniform"
    proportions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def shares(self, attribute: str, classes: Sequence[str]) -> list[float]:
        """The share of each of ``classes``, in that order; they sum to 1 where ``classes`` has all that are named."""
        wanted = self.proportions.get(attribute)
        if wanted is None:
            return [1 / len(classes)] * len(classes)
        total = sum(wanted.values())
        return [wanted.get(name, 0.0) / total for name in classes]

    def classes(self, words: Mapping[str, Sequence[str]], vocabulary: Vocabulary) -> dict[str, tuple[str, ...]]:
        """:func:`~drfhq_tools.stats.classes.all_classes` of faces of these ``words`` and of the target.

        Raises:
            UsageError: the target names a class that ``vocabulary`` lacks.
        """
        classes = all_classes(words, vocabulary, self.proportions)
        for attribute, proportions in self.proportions.items():
            known = classes[attribute]
            for word in proportions:
                if word not in known:
                    raise UsageError(f"{self.name}: {attribute} has no class {word!r}; {which_there_are(word, known)}")
        return classes


UNIFORM: Final = Target()


def read_target(text: str) -> Target:
    """The target of this name: ``uniform``, or the path of a .toml, .json or .csv file.

    Raises:
        UsageError: there is no such file, or it says something else than shares of classes.
    """
    if text == UNIFORM.name:
        return UNIFORM
    path = Path(text)
    try:
        document = _parse(path, path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError(f"--target {text} is no file, and not the word uniform") from error
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise UsageError(f"--target {text} cannot be read: {error}") from error
    if not isinstance(document, dict) or not document:
        raise UsageError(f"{text}: must hold a table of classes for at least one of {', '.join(ATTRIBUTES)}")
    return Target(name=text, proportions={name: _proportions(text, name, document[name]) for name in document})


def _parse(path: Path, text: str) -> object:
    match path.suffix.lower():
        case ".toml":
            return tomllib.loads(text)
        case ".json":
            return json.loads(text)
        case ".csv":
            return _parse_csv(text)
    raise UsageError(f"--target {path}: write it as .toml, .json or .csv")


def _parse_csv(text: str) -> dict[str, dict[str, float]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    header = next(reader, [])
    if header != _COLUMNS:
        raise ValueError(f"the first line must be {','.join(_COLUMNS)}")
    tables: dict[str, dict[str, float]] = {}
    for row in filter(None, reader):
        if len(row) != len(_COLUMNS):
            raise ValueError(f"line {reader.line_num} has {len(row)} fields, must have {len(_COLUMNS)}")
        attribute, name, share = row
        if name in tables.setdefault(attribute, {}):
            raise ValueError(f"line {reader.line_num} names {attribute} {name} again")
        tables[attribute][name] = float(share)
    return tables


def _proportions(where: str, attribute: str, table: object) -> dict[str, float]:
    if attribute not in ATTRIBUTES:
        raise UsageError(f"{where}: no attribute {attribute!r}; known: {', '.join(ATTRIBUTES)}")
    if not isinstance(table, dict):
        raise UsageError(f"{where}: {attribute} must be a table of classes and numbers")
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise UsageError(f"{where}: {attribute} {name} is {value!r}, must be a number from 0")
    proportions = {str(name): float(value) for name, value in table.items()}
    if not 0 < sum(proportions.values()) < math.inf:
        raise UsageError(f"{where}: the shares of {attribute} sum to {sum(proportions.values())}, must be above 0")
    return proportions
