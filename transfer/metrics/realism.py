"""Does it look like a photo? A linear classifier of features, taught on the spot, and distances at equal counts.

Linear discriminant analysis with the covariance shrunk towards a multiple of the identity as far as Ledoit and Wolf
2004 ("A well-conditioned estimator for large-dimensional covariance matrices") find best: it needs no tuning and bears
fewer samples than features. Features as in :mod:`transfer.metrics.features`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from transfer.metrics.kernel import kernel_distance

FloatArray = npt.NDArray[np.float64]
FOLDS: Final = 5
DRAWS: Final = 20
"""Equal-count draws that a distance is the mean of."""


@dataclass(frozen=True)
class Discriminant:
    """A linear judge: above 0 is the first class."""

    weights: FloatArray
    offset: float

    def scores(self, features: FloatArray) -> FloatArray:
        """(N, D) → (N,) log odds at equal priors, if both classes were Gaussian."""
        return np.asarray(features @ self.weights + self.offset)


def discriminant(first: FloatArray, second: FloatArray) -> Discriminant:
    """The judge between two samples (M, D) and (N, D), each class counting equally whatever its size.

    Raises:
        ValueError: fewer than two samples of either.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(f"a classifier needs two samples of each class, got {len(first)} and {len(second)}")
    means = first.mean(axis=0), second.mean(axis=0)
    scale = np.concatenate([first - means[0], second - means[1]]).std(axis=0) + 1e-9
    centred = np.concatenate([(first - means[0]) / scale, (second - means[1]) / scale])
    weights = np.linalg.solve(shrunk_covariance(centred), (means[0] - means[1]) / scale) / scale
    return Discriminant(weights, -float(weights @ (means[0] + means[1])) / 2)


def shrunk_covariance(centred: FloatArray) -> FloatArray:
    """(N, D) of mean 0 → (D, D): S + λ(m·I − S), S the covariance, m its mean eigenvalue, λ after Ledoit and Wolf."""
    count, width = centred.shape
    covariance = centred.T @ centred / count
    level = np.trace(covariance) / width
    target = level * np.eye(width)
    distance = float(((covariance - target) ** 2).sum())
    error = float((np.square(centred).sum(axis=1) ** 2).sum() / count**2 - (covariance**2).sum() / count)
    share = min(max(error, 0.0) / distance, 1.0) if distance > 0 else 1.0
    return np.asarray(share * target + (1 - share) * covariance + 1e-9 * level * np.eye(width))


def auc(positive: FloatArray, negative: FloatArray) -> float:
    """The chance that a positive scores above a negative, ties counting half (Mann and Whitney 1947)."""
    ranks = rankdata(np.concatenate([positive, negative]))
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


@dataclass(frozen=True)
class Judged:
    """Log odds for "photo", each by a judge that has seen nobody of the same person."""

    photos: FloatArray
    inputs: FloatArray
    outputs: FloatArray


def photo_scores(
    photos: FloatArray, inputs: FloatArray, outputs: FloatArray, people: Sequence[object], seed: int = 0
) -> Judged:
    """Teach photos (M, D) against inputs (N, D), people by people held out, and judge inputs and outputs (N, D).

    ``people`` (N,) says whose an input and its output are; each photo is taken for a person of its own.

    Raises:
        ValueError: too few people or photos to hold any out.
    """
    names = list(dict.fromkeys(people))
    folds = min(FOLDS, len(names), len(photos))
    if folds < 2:
        raise ValueError("a classifier with people held out needs two people and two photos at least")
    rng = np.random.default_rng(seed)
    fold_of = dict(zip(names, rng.permutation(len(names)) % folds, strict=True))
    theirs, photo_fold = np.array([fold_of[name] for name in people]), rng.permutation(len(photos)) % folds
    judged = Judged(*(np.zeros(len(one)) for one in (photos, inputs, outputs)))
    for fold in range(folds):
        judge = discriminant(photos[photo_fold != fold], inputs[theirs != fold])
        judged.photos[photo_fold == fold] = judge.scores(photos[photo_fold == fold])
        judged.inputs[theirs == fold] = judge.scores(inputs[theirs == fold])
        judged.outputs[theirs == fold] = judge.scores(outputs[theirs == fold])
    return judged


def equal_kernel_distance(a: FloatArray, b: FloatArray, seed: int = 0) -> float:
    """Kernel distance (M, D) to (N, D) at equal counts: the mean over draws from the larger set."""
    rng, count = np.random.default_rng(seed), min(len(a), len(b))
    if len(a) == len(b):
        return kernel_distance(a, b)
    draws = [
        [rng.choice(one, count, replace=False) if len(one) > count else one for one in (a, b)] for _ in range(DRAWS)
    ]
    return float(np.mean([kernel_distance(x, y) for x, y in draws]))


def jackknife_error(statistic: Callable[[npt.NDArray[np.bool_]], float], people: Sequence[object]) -> float:
    """Standard error of a statistic of rows, leaving out one person at a time (Tukey 1958); NaN with one person.

    ``statistic`` takes which rows (N,) to use. It serves where a bootstrap does not: rows drawn twice would count as
    equal pictures.
    """
    names = list(dict.fromkeys(people))
    if len(names) < 2:
        return float("nan")
    left = np.array([statistic(np.array([p != name for p in people])) for name in names])
    return float(np.sqrt((len(left) - 1) * left.var()))
