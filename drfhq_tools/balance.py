"""Weights or a subset that bring a data set nearer to target shares, and what is missing for them to be reached.

Faces fall into cells, a class of each attribute balanced by. A cell's weight is the target's share of it over the cells
that have faces; within a cell each person counts alike, and each picture of a person. Raking (Deming and Stephan 1940),
which would keep each attribute's own shares although cells are empty, is not done: it drives cells that exist towards
nothing, as white women where black men are missing. Weights are trimmed at a multiple of their mean and what is cut is
dealt among the others, as survey weighting does, usually at 5 (DeBell and Krosnick 2009, "Computing weights for
American National Election Study survey data"). The effective sample size is Kish's (1965): (Σw)² / Σw².

A subset takes as many faces of each cell as the target asks, chosen by a hash of the face's name: people first, then
pictures of one person, copies of a picture last. The same faces are chosen again when others are added.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from drfhq_tools.errors import UsageError
from drfhq_tools.hashing import sha256_file, unit_interval
from drfhq_tools.manifest.reader import MANIFEST_NAME, read_columns
from drfhq_tools.manifest.weights import SamplingWeights, WeightedFace
from drfhq_tools.stats.classes import ATTRIBUTES, COLUMNS, UNKNOWN, Columns, Vocabulary, class_words, people
from drfhq_tools.stats.target import UNIFORM, Target

SPLITS: Final = ("train", "val", "test", "all")
_SLACK: Final = 1e-9  # of a face: shares are floats

Cell = tuple[str, ...]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceConfig:
    """What to balance, towards what."""

    by: tuple[str, ...]
    """The attributes whose classes make the cells."""
    target: Target = UNIFORM
    """The shares wanted."""
    vocabulary: Vocabulary = "fairface"
    """FairFace's classes, or words as declared."""
    split: str = "train"
    """The split whose faces get weights, or all."""
    unknown: Literal["drop", "keep"] = "drop"
    """Faces of unknown class: weight 0, or an average one."""
    max_weight: float = 5.0
    """No weight is above this many times the mean."""
    subset: bool = False
    """Weights of 0 and 1 alone."""
    faces: int | None = None
    """Faces the balanced set is to have; None: as many as leave none out, or, of a subset, as all cells can give."""

    def __post_init__(self) -> None:
        if not self.by or len(set(self.by)) < len(self.by) or not set(self.by) <= set(ATTRIBUTES):
            raise UsageError(f"--by {','.join(self.by)}: name some of {', '.join(ATTRIBUTES)}, each once")
        if unused := sorted(set(self.target.proportions) - set(self.by)):
            raise UsageError(f"{self.target.name} has shares of {', '.join(unused)}: name it in --by, or take it out")
        if self.split not in SPLITS:
            raise UsageError(f"no split {self.split!r}; there are {', '.join(SPLITS)}")
        if not (math.isfinite(self.max_weight) and self.max_weight >= 1):
            raise UsageError(f"--max-weight {self.max_weight}: must be a number from 1, the mean")
        if self.faces is not None and self.faces < 1:
            raise UsageError(f"--faces {self.faces}: must be 1 or more")

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        names = ("vocabulary", "split", "unknown", "max_weight", "subset", "faces")
        target = {name: dict(shares) for name, shares in self.target.proportions.items()} or self.target.name
        return {"by": list(self.by), "target": target} | {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellBalance:
    """A cell: what is in it, its share of the faces of known class as it is, as weighted and as wanted, and how many
    faces are missing."""

    cell: Cell
    faces: int
    people: int
    share: float
    reached: float
    target: float
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """``unknown`` counts faces without a cell, ``capped`` those whose weight was cut to the largest allowed; the
    effective sizes are those of the weights."""

    config: BalanceConfig
    weights: SamplingWeights
    cells: Sequence[CellBalance]
    unknown: int
    capped: int
    effective_faces: float
    effective_people: float

    @property
    def used(self) -> int:
        """Faces with a weight above 0."""
        return sum(face.weight > 0 for face in self.weights.faces)

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        names = ("faces", "people", "share", "reached", "target", "missing")
        cells = [
            dict(zip(self.config.by, cell.cell, strict=True)) | {name: getattr(cell, name) for name in names}
            for cell in self.cells
        ]
        return {
            "faces": len(self.weights.faces),
            "used": self.used,
            "unknown": self.unknown,
            "capped": self.capped,
            "effective_faces": self.effective_faces,
            "effective_people": self.effective_people,
            "settings": self.config.to_json(),
            "manifest_sha256": self.weights.manifest_sha256,
            "cells": cells,
        }


def read_balance(data_dir: Path, config: BalanceConfig) -> Balance:
    """Balance the data set in ``data_dir``.

    Raises:
        ManifestError: it is no finished data set.
        UsageError: the target names a class that does not exist, or there is no face it wants.
    """
    columns: Columns = read_columns(data_dir, [*COLUMNS, "split"]).to_pydict()
    return balance(columns, config, sha256_file(data_dir / MANIFEST_NAME))


def balance(columns: Columns, config: BalanceConfig, manifest_sha256: str) -> Balance:
    """Balance faces, given as the manifest's :data:`~drfhq_tools.stats.classes.COLUMNS` and ``split`` by name.

    Raises:
        UsageError: the target names a class that does not exist, or there is no face it wants.
    """
    kept = [row for row, split in enumerate(columns["split"]) if config.split in ("all", split)]
    columns = {name: [values[row] for row in kept] for name, values in columns.items()}
    words = class_words(columns, config.vocabulary)
    classes = config.target.classes(words, config.vocabulary)
    faces = _Faces(columns, list(zip(*(words[name] for name in config.by), strict=True)))
    shares = cell_shares(config, classes)
    wanted = [cell is not None and shares.get(cell, 0.0) > 0 for cell in faces.cells]
    if not any(wanted):
        raise UsageError(
            f"no face of split {config.split!r} is of a known class of {', '.join(config.by)} that the target wants: "
            "see `drfhq stats`; --split all, --vocabulary declared or another --by may help"
        )
    weights = _subset(faces, shares, config) if config.subset else _weights(faces, shares, config)
    if config.unknown == "keep":
        weights = np.where([cell is None for cell in faces.cells], 1.0, weights)
    return Balance(
        config=config,
        weights=SamplingWeights(
            manifest_sha256=manifest_sha256,
            balance=config.to_json(),
            faces=[
                WeightedFace(face, None if cell is None else ", ".join(cell), float(weight))
                for face, cell, weight in zip(faces.ids, faces.cells, weights, strict=True)
            ],
        ),
        cells=_cells(faces, shares, weights, config.faces),
        unknown=sum(cell is None for cell in faces.cells),
        capped=0 if config.subset else int((weights >= config.max_weight * (1 - _SLACK)).sum()),
        effective_faces=effective_size(weights),
        effective_people=effective_size(_by_key(faces.people, weights)),
    )


def cell_shares(config: BalanceConfig, classes: Mapping[str, tuple[str, ...]]) -> dict[Cell, float]:
    """The target's share of every cell, in the vocabulary's order: the product of its classes' shares."""
    tables = [zip(classes[name], config.target.shares(name, classes[name]), strict=True) for name in config.by]
    return {
        tuple(name for name, _ in cell): math.prod(share for _, share in cell) for cell in product(*map(list, tables))
    }


def cap_weights(weights: FloatArray, largest: float) -> FloatArray:
    """Weights (N,) above 0, scaled to mean 1, none above ``largest`` ≥ 1: what is cut is dealt among the others in
    proportion."""
    result: FloatArray = weights * (len(weights) / weights.sum())
    cut = np.zeros(len(weights), dtype=bool)
    while (over := (result > largest) & ~cut).any():
        cut |= over
        result[cut] = largest
        rest = len(weights) - largest * int(cut.sum())
        result[~cut] *= max(rest, 0.0) / result[~cut].sum()
    return result


def effective_size(weights: FloatArray) -> float:
    """Kish's: how many equally weighted ones tell as much."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def draw(number: int, faces: Iterable[tuple[str, str, str]]) -> set[str]:
    """``number`` face_ids of (face_id, person, duplicate group): people first, then more pictures of one person, copies
    last, else by a hash of face_id."""
    order = sorted(faces, key=lambda face: unit_interval(f"balance/{face[0]}"))
    copies, pictures = Counter[tuple[str, str]](), Counter[str]()
    ranked: list[tuple[int, int, str]] = []
    for face, person, group in order:  # the how many-th copy of its picture, the how many-th picture of its person
        ranked.append((copies[person, group], pictures[person] if not copies[person, group] else 0, face))
        pictures[person] += not copies[person, group]
        copies[person, group] += 1
    ranked.sort(key=lambda rank: rank[:2])  # stable: the hash decides the rest
    return {face for _, _, face in ranked[:number]}


class _Faces:
    """Columns of the faces to balance; a cell is None where a class is unknown."""

    def __init__(self, columns: Columns, cells: Sequence[Cell]) -> None:
        self.ids = [str(face) for face in columns["face_id"]]
        self.copies = [str(group) for group in columns["duplicate_group"]]
        self.people = people(columns)
        self.cells = [None if UNKNOWN in cell else cell for cell in cells]

    def by_cell(self) -> dict[Cell, list[int]]:
        rows: defaultdict[Cell, list[int]] = defaultdict(list)
        for row, cell in enumerate(self.cells):
            if cell is not None:
                rows[cell].append(row)
        return rows


def _weights(faces: _Faces, shares: Mapping[Cell, float], config: BalanceConfig) -> FloatArray:
    """(N,), of mean 1 over the faces the target wants; 0 for all others."""
    weights = np.zeros(len(faces.ids), dtype=np.float64)
    for cell, rows in faces.by_cell().items():
        pictures = Counter(faces.people[row] for row in rows)
        for row in rows:
            weights[row] = shares.get(cell, 0.0) / len(pictures) / pictures[faces.people[row]]
    some = weights > 0
    weights[some] = cap_weights(weights[some], config.max_weight)
    return weights


def _subset(faces: _Faces, shares: Mapping[Cell, float], config: BalanceConfig) -> FloatArray:
    """(N,) of 0 and 1."""
    by_cell = {cell: rows for cell, rows in faces.by_cell().items() if shares.get(cell, 0.0) > 0}
    total = config.faces or min(len(rows) / shares[cell] for cell, rows in by_cell.items())
    drawn: set[str] = set()
    for cell, rows in by_cell.items():
        number = math.floor(shares[cell] * total + _SLACK)
        drawn |= draw(number, ((faces.ids[row], faces.people[row], faces.copies[row]) for row in rows))
    if not drawn:
        raise UsageError("no cell would give a whole face: ask for more --faces, or balance by fewer attributes")
    return np.array([face in drawn for face in faces.ids], dtype=np.float64)


def _cells(faces: _Faces, shares: Mapping[Cell, float], weights: FloatArray, number: int | None) -> list[CellBalance]:
    by_cell = faces.by_cell()
    known = sum(map(len, by_cell.values()))
    drawn = {cell: float(weights[rows].sum()) for cell, rows in by_cell.items()}
    total = number or max(len(rows) / shares[cell] for cell, rows in by_cell.items() if shares.get(cell, 0.0) > 0)
    cells = []
    for cell, share in shares.items():
        rows = by_cell.get(cell, [])
        cells.append(
            CellBalance(
                cell=cell,
                faces=len(rows),
                people=len({faces.people[row] for row in rows}),
                share=len(rows) / known,
                reached=drawn.get(cell, 0.0) / sum(drawn.values()),
                target=share,
                missing=max(math.ceil(share * total - _SLACK) - len(rows), 0),
            )
        )
    return cells


def _by_key(keys: Sequence[str], weights: FloatArray) -> FloatArray:
    """Sums of the weights (N,) of each key, (K,)."""
    _, place = np.unique(np.asarray(keys, dtype=object).astype(str), return_inverse=True)
    return np.bincount(place, weights=weights).astype(np.float64)
