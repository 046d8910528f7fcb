"""Which faces are the same picture: identical crops, and crops that differ as a re-saved, rescaled or brightened copy.

Near copies are looked for among all pairs by the 64-bit perceptual hash and held against the 256-bit one, since faces
aligned alike collide in 64 bits: of 1,335 renders and photo-like faces two people come as near as 6, and 99 % of copies
lie within 4, while in 256 bits no two pictures come nearer than 43 and 99 % of copies lie within 17
(``docs/duplicates.md``).

Pairs are found exactly, after Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling" (2007): hashes
that differ in r bits, cut into more than r bands, agree in all bands but r, so pairs within r share the key of some
choice of the others. Memory grows with the number of hashes, never with that of pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from math import log2
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FINE_RADIUS: Final = 24
"""Most bits of 256 in which copies of one picture differ."""

_BITS: Final = 64
_FULL_RUN: Final = 16  # hashes to a key that are cheaper to compare than to part by another choice of bands
_LONG_RUN: Final = 64
_PAIRS: Final = 1 << 20  # looked at together

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.intp]


class Looks(Protocol):
    """What is known of a face's crop; a manifest's row has it all."""

    @property
    def face_id(self) -> str: ...
    @property
    def pixels_sha256(self) -> str: ...
    @property
    def phash(self) -> str: ...
    @property
    def phash_fine(self) -> str: ...
    @property
    def native_side_px(self) -> float: ...
    @property
    def sharpness(self) -> float: ...


def duplicate_groups(faces: Sequence[Looks], near_radius: int) -> list[str]:
    """The group of each face: the smallest face_id among those it is linked to, directly or through others.

    Linked are crops of the same pixels and, for a ``near_radius`` above 0, crops whose perceptual hashes differ in no
    more bits than that, and the finer ones in no more than :data:`FINE_RADIUS`.
    """
    if not faces:
        return []
    looks = [(face.phash, face.phash_fine) if near_radius else (face.pixels_sha256, "") for face in faces]
    places: dict[tuple[str, str], int] = {}
    codes = [places.setdefault(look, len(places)) for look in looks]
    labels = list(range(len(places)))
    if near_radius:
        coarse = np.array([int(look, 16) for look, _ in places], dtype=np.uint64)
        fine = np.frombuffer(bytes.fromhex("".join(look for _, look in places)), dtype=">u8").astype(np.uint64)
        labels = near_groups(coarse, fine.reshape(len(places), -1), near_radius).tolist()
    smallest: dict[int, str] = {}
    for face, code in zip(faces, codes, strict=True):
        label = labels[code]
        smallest[label] = min(face.face_id, smallest.get(label, face.face_id))
    return [smallest[labels[code]] for code in codes]


def best_of(faces: Sequence[Looks], groups: Sequence[str]) -> dict[str, str]:
    """The face_id to keep of each group: the largest in its source, then the sharpest, then the smallest face_id."""
    best: dict[str, Looks] = {}
    for face, group in zip(faces, groups, strict=True):
        if group not in best or _rank(face) < _rank(best[group]):
            best[group] = face
    return {group: face.face_id for group, face in best.items()}


def near_pairs(hashes: Hashes, radius: int) -> Indices:
    """All pairs (P, 2), i < j, sorted, of the (N,) uint64 ``hashes`` that differ in at most ``radius`` bits.

    Meant for few pairs: it holds them all.
    """
    alone = np.arange(len(hashes))
    found = [np.sort(np.stack(pair, axis=1), axis=1) for pair in _close(hashes, radius, alone)]
    return np.unique(np.concatenate([np.empty((0, 2), dtype=np.intp), *found]), axis=0)


def near_groups(coarse: Hashes, fine: Hashes, radius: int) -> Indices:
    """A label (N,) for each: equal where pairs link them that differ in at most ``radius`` bits of ``coarse`` (N,) and
    :data:`FINE_RADIUS` of ``fine`` (N, W)."""
    labels = np.arange(len(coarse))
    for i, j in _close(coarse, radius, labels):
        near = np.bitwise_count(fine[i] ^ fine[j]).sum(axis=1) <= FINE_RADIUS
        if near.any():
            one, other = labels[i[near]], labels[j[near]]
            links = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(len(labels), len(labels)))
            labels[:] = connected_components(links, directed=False)[1][labels]
    return labels


def _rank(face: Looks) -> tuple[float, float, str]:
    return -face.native_side_px, -face.sharpness, face.face_id


def _close(hashes: Hashes, radius: int, labels: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Pairs of other labels within ``radius``, each once or more, a bounded number at a time. The caller may set labels
    alike between two yields: such pairs are passed over from then on."""
    for mask in _masks(len(hashes), radius):
        order = np.argsort(hashes & mask)
        starts, ends = _runs(hashes[order] & mask)
        after = np.arange(1, len(order) + 1)
        long = ends - starts > _LONG_RUN
        last = np.where(long, np.minimum(ends, after + 1), ends)
        yield from _close_in_spans(hashes, order, after, last, radius, labels)
        # Neighbours link most of a crowd of copies, so in long runs only pairs of different groups are left to see.
        order = order[long]
        keys = hashes[order] & mask
        by_label = np.lexsort((labels[order], keys))
        order, keys = order[by_label], keys[by_label]
        _, group_ends = _runs(keys, labels[order])
        yield from _close_in_spans(hashes, order, group_ends, _runs(keys)[1], radius, labels)


def _runs(*columns: npt.NDArray[np.generic]) -> tuple[Indices, Indices]:
    """Where the run of equal rows that each row is in starts, and where it ends (exclusive)."""
    changes = [column[1:] != column[:-1] for column in columns]
    starts = np.flatnonzero(np.concatenate([[True], np.logical_or.reduce(changes)]))[: len(columns[0])]
    lengths = np.diff(starts, append=len(columns[0]))
    return np.repeat(starts, lengths), np.repeat(starts + lengths, lengths)


def _close_in_spans(
    hashes: Hashes, order: Indices, first: Indices, last: Indices, radius: int, labels: Indices
) -> Iterator[tuple[Indices, Indices]]:
    """Of pairs of places in ``order``, each with those from its ``first`` up to its ``last`` (exclusive), the close."""
    some = np.flatnonzero(first < last)
    counts = (last - first)[some]
    totals = np.cumsum(counts)
    offsets = first[some] + counts - totals
    begin = 0
    while begin < len(some):
        done = totals[begin] - counts[begin]
        end = max(int(np.searchsorted(totals, done + _PAIRS, side="right")), begin + 1)
        left = np.repeat(some[begin:end], counts[begin:end])
        right = np.arange(len(left)) + np.repeat(offsets[begin:end] + done, counts[begin:end])
        i, j = order[left], order[right]
        close = (np.bitwise_count(hashes[i] ^ hashes[j]) <= radius) & (labels[i] != labels[j])
        if close.any():
            yield i[close], j[close]
        begin = end


def _masks(count: int, radius: int) -> Iterator[np.uint64]:
    """One mask a choice of bands: two hashes within ``radius`` agree under at least one. Bands are as many as it takes
    to make keys that part ``count`` evenly spread hashes into short runs."""
    agreeing = 1
    while _BITS * agreeing / (radius + agreeing) < log2(max(count, 1) / _FULL_RUN + 1):
        agreeing += 1
    edges = [_BITS * band // (radius + agreeing) for band in range(radius + agreeing + 1)]
    bands = [(1 << high) - (1 << low) for low, high in pairwise(edges)]
    for chosen in combinations(bands, agreeing):
        yield np.uint64(sum(chosen))
