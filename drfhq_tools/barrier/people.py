"""Which faces may show one person, by embeddings of them (:mod:`drfhq_tools.identity`).

A guess, recorded and never acted upon: its false matches differ by group. At 0.42, where it errs alike both ways on
renders, 40 of the 42 true pairs of 131 renders are joined, and 81 others; of the pairs it joins among people labelled
White all are true, among those labelled Asian or Hispanic 6 of 22 (``docs/duplicates.md``).

Linking whoever lies near enough would chain strangers to one another, so a group is a set of faces of which every two
do: complete linkage, joined nearest first (T. Sørensen, 1948).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

_BLOCK: Final = 256
_NEIGHBOURS: Final = 64
_PAIRS: Final = 1 << 16

Embeddings = npt.NDArray[np.float32]
_Rows = npt.NDArray[np.floating]


def identity_groups(face_ids: Sequence[str], embeddings: Embeddings, distance: float) -> list[str]:
    """The group of each face: the smallest face_id in it. ``embeddings`` is (N, 128); every two faces of a group lie
    within ``distance``. All faces are compared; of those near one, the nearest 64 count.

    Memory grows with N alone.
    """
    order = sorted(range(len(face_ids)), key=face_ids.__getitem__)
    placed = embeddings[order]
    group = list(range(len(order)))  # named by its first member, which has the smallest face_id
    members = {number: [number] for number in group}
    refused: set[tuple[int, int]] = set()  # stays true: groups only grow
    for i, j in _pairs_nearest_first(placed, distance):
        one, other = sorted((group[i], group[j]))
        if one == other or (one, other) in refused:
            continue
        if _furthest(placed[members[one]], placed[members[other]]) > distance:
            refused.add((one, other))
        else:
            members[one] += members.pop(other)
            for number in members[one]:
                group[number] = one
    names = {place: face_ids[order[group[number]]] for number, place in enumerate(order)}
    return [names[place] for place in range(len(order))]


def _pairs_nearest_first(embeddings: Embeddings, distance: float) -> Iterator[tuple[int, int]]:
    """Pairs (i, j), i < j, within ``distance``, by distance and then by number; of each face the nearest alone."""
    count = len(embeddings)
    blocks = [_near(embeddings, start, distance) for start in range(0, count, _BLOCK)]
    codes = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *blocks]))
    apart = [_distances(embeddings, codes[start : start + _PAIRS]) for start in range(0, len(codes), _PAIRS)]
    nearest = np.argsort(np.concatenate([np.empty(0), *apart]), kind="stable")
    return ((code // count, code % count) for code in codes[nearest].tolist())


def _near(embeddings: Embeddings, start: int, distance: float) -> npt.NDArray[np.int64]:
    """Pairs i < j, written i · N + j, of the faces of one block and the nearest of all within ``distance``."""
    block = embeddings[start : start + _BLOCK]
    apart = _squared_distances(block, embeddings)
    apart[np.arange(len(block)), start + np.arange(len(block))] = np.inf
    found = []
    for number, row in enumerate(apart):
        near = np.flatnonzero(row <= distance**2)
        if len(near) > _NEIGHBOURS:
            near = near[np.argsort(row[near], kind="stable")[:_NEIGHBOURS]]
        one = start + number
        found.append(np.minimum(one, near) * len(embeddings) + np.maximum(one, near))
    return np.concatenate(found)


def _distances(embeddings: Embeddings, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    i, j = np.divmod(codes, len(embeddings))
    apart: npt.NDArray[np.float32] = np.linalg.norm(embeddings[i] - embeddings[j], axis=1)
    return apart


def _furthest(some: Embeddings, others: Embeddings) -> float:
    return float(np.sqrt(_squared_distances(some.astype(np.float64), others.astype(np.float64)).max()))


def _squared_distances(some: _Rows, others: _Rows) -> _Rows:
    """(M, N) from (M, 128) and (N, 128), never below 0."""
    apart: _Rows = np.square(some).sum(axis=1)[:, None] + np.square(others).sum(axis=1) - 2 * (some @ others.T)
    return apart.clip(min=0)
