"""Who is in a data set, from its manifest alone: gender, age group and race, each alone and crossed.

Evenness is Pielou's (1966): the entropy of the shares over its largest value, ln K, with K all the classes of the
vocabulary, present or not; 1 where every class is as frequent, 0 where there is but one. Faces of unknown class are
shown, and left out of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from drfhq_tools.labels.base import VOCABULARY
from drfhq_tools.manifest.reader import read_columns

UNKNOWN: Final = "unknown"
ATTRIBUTES: Final = tuple(VOCABULARY)
CROSSED: Final = tuple(combinations(ATTRIBUTES, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts by class name. ``crossed`` by pair of attributes, then by class of the first and of the second;
    ``declared`` by attribute, then by word as declared, a race word preceded by its vocabulary."""

    faces: int
    counts: Mapping[str, Mapping[str, int]]
    crossed: Mapping[tuple[str, str], Mapping[str, Mapping[str, int]]]
    declared: Mapping[str, Mapping[str, int]]

    def evenness(self, attribute: str) -> float | None:
        """Of one attribute; None where no face has a known class."""
        return evenness([self.counts[attribute].get(name, 0) for name in VOCABULARY[attribute]])

    def to_json(self) -> dict[str, object]:
        """Plain values: faces, each attribute's counts, evenness, crossed (keys: ``gender,race`` …), declared."""
        return {
            "faces": self.faces,
            **{attribute: dict(self.counts[attribute]) for attribute in ATTRIBUTES},
            "evenness": {attribute: self.evenness(attribute) for attribute in ATTRIBUTES},
            "crossed": {
                f"{one},{other}": {name: dict(row) for name, row in table.items()}
                for (one, other), table in self.crossed.items()
            },
            "declared": {attribute: dict(words) for attribute, words in self.declared.items()},
        }


def read_stats(data_dir: Path) -> Stats:
    """The statistics of the data set in ``data_dir``.

    Raises:
        ManifestError: it is no finished data set.
    """
    names = [*ATTRIBUTES, *(f"{attribute}_declared" for attribute in ATTRIBUTES), "race_vocabulary"]
    columns: dict[str, list[str | None]] = read_columns(data_dir, names).to_pydict()
    return count(columns)


def count(columns: Mapping[str, Sequence[str | None]]) -> Stats:
    """Statistics of columns of the manifest, by name; None is unknown."""
    classes = {attribute: [value or UNKNOWN for value in columns[attribute]] for attribute in ATTRIBUTES}
    return Stats(
        faces=len(columns[ATTRIBUTES[0]]),
        counts={attribute: _ordered(attribute, Counter(values)) for attribute, values in classes.items()},
        crossed={
            (one, other): _cross(one, other, zip(classes[one], classes[other], strict=True)) for one, other in CROSSED
        },
        declared={attribute: _declared(attribute, columns) for attribute in ATTRIBUTES},
    )


def evenness(counts: Sequence[int]) -> float | None:
    """Pielou's evenness of the counts of all classes, in [0, 1]; None where all are 0."""
    total = sum(counts)
    if not total:
        return None
    shares = [number / total for number in counts if number]
    return abs(sum(share * math.log(share) for share in shares)) / math.log(len(counts))


def _declared(attribute: str, columns: Mapping[str, Sequence[str | None]]) -> dict[str, int]:
    words: Iterable[str | None] = columns[f"{attribute}_declared"]
    if attribute == "race":
        pairs = zip(columns["race_vocabulary"], words, strict=True)
        words = [f"{vocabulary or 'no vocabulary'}: {word}" if word else None for vocabulary, word in pairs]
    return dict(sorted(Counter(word for word in words if word).items()))


def _cross(one: str, other: str, pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    rows: dict[str, Counter[str]] = {}
    for first, second in pairs:
        rows.setdefault(first, Counter())[second] += 1
    return {name: _ordered(other, rows[name]) for name in _order(one, rows)}


def _ordered(attribute: str, counter: Counter[str]) -> dict[str, int]:
    return {name: counter[name] for name in _order(attribute, counter)}


def _order(attribute: str, names: Iterable[str]) -> list[str]:
    """In the vocabulary's order, strangers after it, unknown last."""
    known = list(VOCABULARY[attribute])
    present = set(names)
    strangers = sorted(present - {*known, UNKNOWN})
    return [name for name in [*known, *strangers, UNKNOWN] if name in present]
