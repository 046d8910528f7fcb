"""What recipes keep at equal distance moved: an unmoved generator keeps everything and helps nobody.

Each recipe has a curve, what it keeps against its kernel distance to the renders, which falls as it trains. It is read
where it first comes down to the distance that the reference recipe ends at, between two snapshots by a straight line,
latent by latent; the first crossing is the kindest to the recipe. A curve that ends above by no more than 5 % is read
at its lowest point; one that ends higher has no value there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@dataclass(frozen=True)
class Matched:
    """Places on curves of one reference: by recipe and seed, None where a curve does not come there."""

    reference: str
    targets: dict[int, float]
    places: dict[tuple[str, int], Place | None]

    def values(self, curves: Sequence[Curve], of: Values) -> FloatArray | None:
        """(seeds · L,) of one recipe's curves at their places, seed by seed; None where one does not come there."""
        found = []
        for curve in curves:
            place = self.places.get((curve.recipe, curve.seed))
            if place is None:
                return None
            found.append(place.of([of(point) for point in curve.points]))
        return np.concatenate(found) if found else None


def match(curves: Sequence[Curve], reference: str) -> Matched:
    """Every curve read at the kernel distance where the reference recipe of the same seed ends."""
    targets = {curve.seed: curve.points[-1].kernel for curve in curves if curve.recipe == reference}
    places: dict[tuple[str, int], Place | None] = {}
    for curve in curves:
        if curve.recipe == reference:
            places[curve.recipe, curve.seed] = Place(len(curve.points) - 1, 0.0)
        elif curve.seed in targets:
            kernels = [point.kernel for point in curve.points]
            places[curve.recipe, curve.seed] = place_at(kernels, targets[curve.seed])
    return Matched(reference, targets, places)


def over_latents(values: FloatArray, latents: int) -> Estimate:
    """The mean of (seeds · L,) values; a latent is a person, with as many values as there are seeds."""
    return estimate(values, np.resize(np.arange(latents), len(values)).tolist())
