"""Which faces may show one person, by the embedding of dlib's face recognition ResNet (D. King, 2017).

A guess, recorded and never acted upon: its false matches differ by group. On 126 renders of 42 people it takes 3 % of
different people for one at the distance where it misses 3 % of the same, but 91 % of the pairs of one labelled group
and sex lie within the 0.6 its author recommends for photographs.

Linking whoever lies near enough would chain strangers to one another, so a group is a set of faces of which every two
do: complete linkage, joined nearest first (T. Sørensen, 1948).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, Protocol, cast

import dlib
import numpy as np
import numpy.typing as npt
from PIL import Image

from drfhq_tools.models import resolve
from drfhq_tools.records import Pixels

_CHIP_PX: Final = 150
_CHIP_BOX: Final = (0.163, 0.260, 0.841, 0.938)
"""What dlib's own chip shows of an FFHQ square, as shares of its side: left, top, right, bottom."""

_BLOCK: Final = 2048
_NEIGHBOURS: Final = 64

Embeddings = npt.NDArray[np.float32]


class _Network(Protocol):
    """dlib.face_recognition_model_v1."""

    def compute_face_descriptor(self, chip: Pixels) -> Sequence[float]: ...


def embed(crop: Pixels) -> tuple[float, ...]:
    """128 numbers, each a float32, of a face aligned as (S, S, 3): near for one person by Euclidean distance.

    Raises:
        ModelFileError: the weights are missing or damaged.
    """
    side = crop.shape[0]
    left, top, right, bottom = (share * side for share in _CHIP_BOX)
    chip = Image.fromarray(crop).resize(
        (_CHIP_PX, _CHIP_PX), Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=3.0
    )
    descriptor = _network().compute_face_descriptor(np.ascontiguousarray(chip, dtype=np.uint8))
    return tuple(np.array(descriptor, dtype=np.float32).tolist())


def identity_groups(face_ids: Sequence[str], embeddings: Embeddings, distance: float) -> list[str]:
    """The group of each face: the smallest face_id in it. ``embeddings`` is (N, 128); every two faces of a group lie
    within ``distance``. All faces are compared; of those near one, the nearest 64 count.

    Memory grows with N alone.
    """
    order = sorted(range(len(face_ids)), key=face_ids.__getitem__)
    placed = embeddings[order]
    group = list(range(len(order)))  # named by its first member, which has the smallest face_id
    members = {number: [number] for number in group}
    for i, j in _pairs_nearest_first(placed, distance):
        one, other = sorted((group[i], group[j]))
        if one != other and _furthest(placed[members[one]], placed[members[other]]) <= distance:
            members[one] += members.pop(other)
            for number in members[one]:
                group[number] = one
    names = {place: face_ids[order[group[number]]] for number, place in enumerate(order)}
    return [names[place] for place in range(len(order))]


def _pairs_nearest_first(embeddings: Embeddings, distance: float) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, within ``distance``, by distance and then by number; of each face the nearest alone."""
    blocks = [_near(embeddings, start, distance) for start in range(0, len(embeddings), _BLOCK)]
    pairs = np.unique(np.concatenate([np.empty((0, 2), dtype=np.intp), *blocks]), axis=0)
    apart = np.linalg.norm(embeddings[pairs[:, 0]] - embeddings[pairs[:, 1]], axis=1)
    nearest_first = pairs[np.lexsort((pairs[:, 1], pairs[:, 0], apart))]
    return [(int(i), int(j)) for i, j in nearest_first]


def _near(embeddings: Embeddings, start: int, distance: float) -> npt.NDArray[np.intp]:
    """Pairs (P, 2), i < j, of the faces of one block and the nearest of all within ``distance``."""
    block = embeddings[start : start + _BLOCK]
    squares = np.square(embeddings).sum(axis=1)
    apart = squares[start : start + _BLOCK, None] + squares - 2 * (block @ embeddings.T)
    apart[np.arange(len(block)), start + np.arange(len(block))] = np.inf
    found = []
    for number, row in enumerate(apart):
        near = np.flatnonzero(row <= distance**2)
        if len(near) > _NEIGHBOURS:
            near = near[np.argsort(row[near], kind="stable")[:_NEIGHBOURS]]
        found.append(np.stack([np.full(len(near), start + number), near], axis=1))
    return np.sort(np.concatenate(found), axis=1)


def _furthest(some: Embeddings, others: Embeddings) -> float:
    return float(np.linalg.norm(some[:, None] - others, axis=2).max())


@functools.cache
def _network() -> _Network:
    return cast(_Network, dlib.face_recognition_model_v1(str(resolve("dlib-resnet").path)))
