"""Counts of a data set: gender, age group and race, each alone and crossed, with the cells that nobody fills.

Faces of unknown class are shown, and left out of every figure and of the cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Final, NamedTuple

from drfhq_tools.manifest.reader import read_columns
from drfhq_tools.stats.classes import (
    ATTRIBUTES,
    COLUMNS,
    UNKNOWN,
    Columns,
    Vocabulary,
    class_words,
    declared_words,
    people,
)
from drfhq_tools.stats.measures import evenness, jensen_shannon, min_max_ratio, total_variation
from drfhq_tools.stats.target import UNIFORM, Target

CROSSED: Final = tuple(combinations(ATTRIBUTES, 2))
Cell = tuple[str, ...]


class CellCount(NamedTuple):
    """Faces in a cell, and the people they are of."""

    faces: int
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts by class name, in ``vocabulary``, whose ``classes`` by attribute include those nobody is of.

    ``crossed`` by pair of attributes, then by class of the first and of the second; ``cells`` by class of every one of
    :data:`ATTRIBUTES`, faces of which one is unknown left out; ``status`` by attribute, then by how the class is known;
    ``declared`` by attribute, then by word as declared, a race word preceded by its vocabulary.
    """

    faces: int
    people: int
    vocabulary: Vocabulary
    target: Target
    classes: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, Mapping[str, int]]
    crossed: Mapping[tuple[str, str], Mapping[str, Mapping[str, int]]]
    cells: Mapping[Cell, CellCount]
    status: Mapping[str, Mapping[str, int]]
    declared: Mapping[str, Mapping[str, int]]

    def evenness(self, attribute: str) -> float | None:
        """Pielou's, of one attribute's known classes; None where no face has one."""
        return evenness(self._known(attribute))

    def min_max_ratio(self, attribute: str) -> float | None:
        """The rarest class over the commonest; None where no face has a known class."""
        return min_max_ratio(self._known(attribute))

    def jensen_shannon(self, attribute: str) -> float | None:
        """Divergence of the known classes' shares from the target's in bits; None where no face has a known class."""
        shares = self._shares(attribute)
        return jensen_shannon(*shares) if shares else None

    def total_variation(self, attribute: str) -> float | None:
        """Share of the faces of known class that the target would have of another; None where there are none."""
        shares = self._shares(attribute)
        return total_variation(*shares) if shares else None

    @property
    def empty_cells(self) -> list[Cell]:
        """The cells of all classes crossed that no face is in, in the vocabulary's order."""
        return [cell for cell in product(*(self.classes[name] for name in ATTRIBUTES)) if cell not in self.cells]

    def to_json(self) -> dict[str, object]:
        """Plain values: faces, each attribute's counts, figures, crossed (keys: ``gender,race`` …), cells, declared."""
        return {
            "faces": self.faces,
            **{attribute: dict(self.counts[attribute]) for attribute in ATTRIBUTES},
            "people": self.people,
            "vocabulary": self.vocabulary,
            "target": self.target.name,
            "evenness": {attribute: self.evenness(attribute) for attribute in ATTRIBUTES},
            "min_max_ratio": {attribute: self.min_max_ratio(attribute) for attribute in ATTRIBUTES},
            "jensen_shannon_bits": {attribute: self.jensen_shannon(attribute) for attribute in ATTRIBUTES},
            "total_variation": {attribute: self.total_variation(attribute) for attribute in ATTRIBUTES},
            "status": {attribute: dict(self.status[attribute]) for attribute in ATTRIBUTES},
            "crossed": {
                f"{one},{other}": {name: dict(row) for name, row in table.items()}
                for (one, other), table in self.crossed.items()
            },
            "cells": [
                dict(zip(ATTRIBUTES, cell, strict=True)) | number._asdict() for cell, number in self.cells.items()
            ],
            "empty_cells": [dict(zip(ATTRIBUTES, cell, strict=True)) for cell in self.empty_cells],
            "declared": {attribute: dict(words) for attribute, words in self.declared.items()},
        }

    def _known(self, attribute: str) -> list[int]:
        return [self.counts[attribute].get(name, 0) for name in self.classes[attribute]]

    def _shares(self, attribute: str) -> tuple[list[float], list[float]] | None:
        known = self._known(attribute)
        total = sum(known)
        if not total:
            return None
        return [number / total for number in known], self.target.shares(attribute, self.classes[attribute])


def read_stats(data_dir: Path, *, vocabulary: Vocabulary = "fairface", target: Target = UNIFORM) -> Stats:
    """The statistics of the data set in ``data_dir``.

    Raises:
        ManifestError: it is no finished data set.
        UsageError: the target names a class that ``vocabulary`` lacks.
    """
    columns: Columns = read_columns(data_dir, COLUMNS).to_pydict()
    return count(columns, vocabulary=vocabulary, target=target)


def count(columns: Columns, *, vocabulary: Vocabulary = "fairface", target: Target = UNIFORM) -> Stats:
    """Statistics of the manifest's :data:`~drfhq_tools.stats.classes.COLUMNS` by name; None is unknown.

    Raises:
        UsageError: the target names a class that ``vocabulary`` lacks.
    """
    words, persons = class_words(columns, vocabulary), people(columns)
    classes = target.classes(words, vocabulary)
    return Stats(
        faces=len(persons),
        people=len(set(persons)),
        vocabulary=vocabulary,
        target=target,
        classes=classes,
        counts={name: _ordered(classes[name], Counter(values)) for name, values in words.items()},
        crossed={
            (one, other): _cross(classes[one], classes[other], zip(words[one], words[other], strict=True))
            for one, other in CROSSED
        },
        cells=_cells(list(zip(*words.values(), strict=True)), persons, list(classes.values())),
        status={name: _status(columns[f"{name}_status"]) for name in ATTRIBUTES},
        declared={attribute: _declared(attribute, columns) for attribute in ATTRIBUTES},
    )


def _declared(attribute: str, columns: Columns) -> dict[str, int]:
    words = declared_words(columns, "race") if attribute == "race" else columns[f"{attribute}_declared"]
    return dict(sorted(Counter(word for word in words if word).items()))


def _status(values: Sequence[str | None]) -> dict[str, int]:
    return _ordered(("reviewed", "declared", "predicted"), Counter(value or UNKNOWN for value in values))


def _cells(cells: Sequence[Cell], persons: Sequence[str], classes: Sequence[tuple[str, ...]]) -> dict[Cell, CellCount]:
    faces = Counter(cell for cell in cells if UNKNOWN not in cell)
    of_people = Counter(cell for cell, _ in set(zip(cells, persons, strict=True)))
    order = [{name: place for place, name in enumerate(names)} for names in classes]

    def place(cell: Cell) -> list[int]:
        return [places[name] for places, name in zip(order, cell, strict=True)]

    return {cell: CellCount(faces[cell], of_people[cell]) for cell in sorted(faces, key=place)}


def _cross(one: tuple[str, ...], other: tuple[str, ...], pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    rows: dict[str, Counter[str]] = {}
    for first, second in pairs:
        rows.setdefault(first, Counter())[second] += 1
    return {name: _ordered(other, rows[name]) for name in _order(one, rows)}


def _ordered(classes: Sequence[str], counter: Counter[str]) -> dict[str, int]:
    return {name: counter[name] for name in _order(classes, counter)}


def _order(classes: Sequence[str], names: Iterable[str]) -> list[str]:
    """In the vocabulary's order, unknown last; of those that are present."""
    present = set(names)
    return [name for name in [*classes, UNKNOWN] if name in present]
