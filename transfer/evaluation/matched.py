"""What recipes keep at equal distance moved: an unmoved generator keeps everything and helps nobody.

Each recipe has a curve, what it keeps against its kernel distance to the renders, which falls as it trains. It is read
where it first comes down to the distance that the reference recipe ends at, between two snapshots by a straight line,
latent by latent; the first crossing is the kindest to the recipe. A curve that ends above by no more than 5 % is read
at its lowest point. One that stays higher is compared where it came lowest: the reference is read there too, where its
own curve last comes down to it, the hardest on the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from transfer.evaluation.curves import Curve, Point
from transfer.metrics.intervals import Estimate, estimate

FloatArray = npt.NDArray[np.float64]
Values = Callable[[Point], FloatArray]
TOLERANCE: Final = 0.05


@dataclass(frozen=True)
class Place:
    """Between points ``index`` and ``index + 1`` of a curve, ``share`` of the way."""

    index: int
    share: float

    def of(self, points: Sequence[FloatArray]) -> FloatArray:
        """(L,) values there, from those at each point."""
        if not self.share:
            return points[self.index]
        return np.asarray((1 - self.share) * points[self.index] + self.share * points[self.index + 1])

    @property
    def nearest(self) -> int:
        """The point next to it."""
        return self.index + round(self.share)


def place_at(kernels: Sequence[float], target: float) -> Place | None:
    """Where a curve first comes down to ``target``; None where it stays more than 5 % above."""
    if kernels[0] <= target:
        return Place(0, 0.0)
    for index, (here, there) in enumerate(pairwise(kernels)):
        if there <= target:
            share = (here - target) / (here - there)
            return Place(index + 1, 0.0) if share == 1 else Place(index, share)
    least = int(np.argmin(kernels))
    return Place(least, 0.0) if kernels[least] <= target + TOLERANCE * abs(target) else None


def last_place_at(kernels: Sequence[float], target: float) -> Place:
    """Where a curve that ends at or below ``target`` last comes down to it."""
    index = max((i for i, kernel in enumerate(kernels) if kernel > target), default=-1)
    if index < 0:
        return Place(0, 0.0)
    here, there = kernels[index], kernels[index + 1]
    share = (here - target) / (here - there)
    return Place(index + 1, 0.0) if share == 1 else Place(index, share)


@dataclass(frozen=True)
class Pair:
    """Where a recipe's curve and the reference's, of the same seed, are compared."""

    own: Place
    reference: Place


@dataclass(frozen=True)
class Matched:
    """Pairs by recipe and seed, None for a recipe that does not move, or a seed the reference lacks."""

    reference: str
    pairs: Mapping[tuple[str, int], Pair | None]

    def values(self, curves: Sequence[Curve], of: Values) -> FloatArray | None:
        """(seeds · L,) of one recipe's curves at their places, seed by seed; None where one has none."""
        pairs = [self.pairs.get((curve.recipe, curve.seed)) for curve in curves]
        return _values(curves, [pair.own if pair else None for pair in pairs], of)

    def reference_values(self, curves: Sequence[Curve], reference: Sequence[Curve], of: Values) -> FloatArray | None:
        """The reference's, where the recipe of ``curves`` is compared with it, in the order of ``curves``."""
        pairs = [self.pairs.get((curve.recipe, curve.seed)) for curve in curves]
        by_seed = {curve.seed: curve for curve in reference}
        if any(pair is None for pair in pairs):
            return None
        return _values(
            [by_seed[curve.seed] for curve in curves], [pair.reference if pair else None for pair in pairs], of
        )


def _values(curves: Sequence[Curve], places: Sequence[Place | None], of: Values) -> FloatArray | None:
    found = [
        place.of([of(point) for point in curve.points])
        for curve, place in zip(curves, places, strict=True)
        if place is not None
    ]
    return np.concatenate(found) if found and len(found) == len(curves) else None


def match(curves: Sequence[Curve], reference: str) -> Matched:
    """Every curve read where the reference recipe of the same seed ends, or else both where the curve came lowest."""
    ends = {curve.seed: curve for curve in curves if curve.recipe == reference}
    return Matched(reference, {(curve.recipe, curve.seed): _pair(curve, ends.get(curve.seed)) for curve in curves})


def _pair(curve: Curve, reference: Curve | None) -> Pair | None:
    if reference is None or len(curve.points) < 2:
        return None
    theirs = [point.kernel for point in reference.points]
    end = Place(len(theirs) - 1, 0.0)
    if curve.recipe == reference.recipe:
        return Pair(end, end)
    ours = [point.kernel for point in curve.points]
    place = place_at(ours, theirs[-1])
    if place is not None:
        return Pair(place, end)
    least = int(np.argmin(ours))
    return Pair(Place(least, 0.0), last_place_at(theirs, ours[least])) if least else None


def over_latents(values: FloatArray, latents: int) -> Estimate:
    """The mean of (seeds · L,) values; a latent is a person, with as many values as there are seeds."""
    return estimate(values, np.resize(np.arange(latents), len(values)).tolist())
