"""How sure is a mean? Percentile bootstrap over people (Efron 1979; Davison and Hinkley 1997, section 2.4 and 3.8).

Pictures of one person, or seeds of one latent, are no independent samples: whole people are drawn, with all they have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval at 95 %, over ``count`` values of ``people``; NaN throughout where there is no value."""

    mean: float
    low: float
    high: float
    count: int
    people: int

    def words(self, number: Callable[[float], str]) -> str:
        """Mean and interval, as ``number`` writes them; without what is not known."""
        if not np.isfinite(self.mean):
            return "–"
        if not np.isfinite(self.low):
            return number(self.mean)
        return f"{number(self.mean)} [{number(self.low)}, {number(self.high)}]"


def estimate(values: FloatArray, people: Sequence[object], seed: int = 0) -> Estimate:
    """The mean of ``values`` (N,) and its interval over ``people`` (N,); values that are NaN count for nothing.

    With one person there is nothing to draw from: low and high are NaN.
    """
    known = np.isfinite(values)
    names = {
        name: index for index, name in enumerate(dict.fromkeys(p for p, k in zip(people, known, strict=True) if k))
    }
    if not names:
        return Estimate(np.nan, np.nan, np.nan, 0, 0)
    whose = np.array([names[name] for name, k in zip(people, known, strict=True) if k])
    sums, counts = (np.bincount(whose, weights) for weights in (values[known], np.ones(len(whose))))
    mean = float(sums.sum() / counts.sum())
    if len(names) == 1:
        return Estimate(mean, np.nan, np.nan, len(whose), 1)
    drawn = np.random.default_rng(seed).integers(len(names), size=(DRAWS, len(names)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(mean, float(low), float(high), len(whose), len(names))
