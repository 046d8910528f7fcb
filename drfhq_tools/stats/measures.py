"""How even counts are, and how far shares lie from others: pure functions.

Evenness is Pielou's (1966): the entropy of the shares over its largest value, ln K, with K all the classes, present or
not; 1 where every class is as frequent, 0 where there is but one. The divergence is Jensen's and Shannon's (Lin 1991,
"Divergence measures based on the Shannon entropy") to base 2: unlike Kullback's and Leibler's it is finite where a
class is missing, and lies between 0 and 1 bit. The total variation is the share of faces that would have to be of
another class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def evenness(counts: Sequence[int]) -> float | None:
    """Pielou's evenness of the counts of all classes, in [0, 1]; None where all are 0. One class alone is even."""
    total = sum(counts)
    if not total:
        return None
    if len(counts) == 1:
        return 1.0
    return abs(sum(number / total * math.log(number / total) for number in counts if number)) / math.log(len(counts))


def min_max_ratio(counts: Sequence[int]) -> float | None:
    """The rarest class's count over the commonest one's, in [0, 1]: 0 where a class is missing; None where all are."""
    return min(counts) / max(counts) if any(counts) else None


def jensen_shannon(one: Sequence[float], other: Sequence[float]) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1], of two lists of shares, each of which sums to 1."""
    middle = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    return min(max((_kullback_leibler(one, middle) + _kullback_leibler(other, middle)) / 2, 0.0), 1.0)


def total_variation(one: Sequence[float], other: Sequence[float]) -> float:
    """Half the sum of differences, in [0, 1], of two lists of shares, each of which sums to 1."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 2


def _kullback_leibler(one: Sequence[float], other: Sequence[float]) -> float:
    """In bits; ``other`` is above 0 wherever ``one`` is."""
    return sum(a * math.log2(a / b) for a, b in zip(one, other, strict=True) if a)
