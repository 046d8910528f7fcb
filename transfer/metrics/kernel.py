"""Distances between two sets of features: kernel (unbiased MMD², "KID") and Fréchet.

Pure functions of feature arrays (N, D); which features they are is the caller's to say beside the figure. Prefer the
kernel distance: it is unbiased at any sample count, where the Fréchet distance is biased upwards and comparable only at
equal counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg

Features = npt.NDArray[np.floating]


def kernel_distance(a: Features, b: Features) -> float:
    """Unbiased squared maximum mean discrepancy under (x·y/D + 1)³ (Bińkowski et al. 2018, "Demystifying MMD GANs").

    ``a`` (M, D) and ``b`` (N, D); 0 in expectation for samples of one distribution, so it may come out below 0.

    Raises:
        ValueError: fewer than two samples, another number of features, or values that are not finite.
    """
    a, b = _checked(a, b)
    within = _mean_off_diagonal(_polynomial(a, a)) + _mean_off_diagonal(_polynomial(b, b))
    return float(within - 2 * _polynomial(a, b).mean())


def frechet_distance(a: Features, b: Features) -> float:
    """Squared Fréchet distance of the Gaussians fitted to both (Heusel et al. 2017): |μ₁−μ₂|² + tr(Σ₁+Σ₂−2√(Σ₁Σ₂)).

    Raises:
        ValueError: as :func:`kernel_distance`.
    """
    a, b = _checked(a, b)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # tr √(Σ₁Σ₂) is the sum of singular values of √Σ₁·√Σ₂, which stays real where the product's root would not.
    cross = linalg.svdvals(_root(np.atleast_2d(cov_a)) @ _root(np.atleast_2d(cov_b))).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.trace(np.atleast_2d(cov_a)) + np.trace(np.atleast_2d(cov_b)) - 2 * cross)


def _checked(a: Features, b: Features) -> tuple[Features, Features]:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"need two sets of at least two samples with equal features, got {a.shape} and {b.shape}")
    a, b = a.astype(np.float64), b.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("features hold values that are not finite")
    return a, b


def _polynomial(a: Features, b: Features) -> Features:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


def _mean_off_diagonal(square: Features) -> float:
    count = len(square)
    return float((square.sum() - np.trace(square)) / (count * (count - 1)))


def _root(covariance: Features) -> Features:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values.clip(min=0))) @ vectors.T)
