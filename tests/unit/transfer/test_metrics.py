"""Kernel and Fréchet distance against closed forms and slow sums."""

from collections.abc import Callable

import numpy as np
import pytest

from transfer.metrics.kernel import frechet_distance, kernel_distance

Distance = Callable[[np.ndarray, np.ndarray], float]


def normal(count: int, features: int = 6, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, features))


def test_kernel_distance_is_its_double_sum() -> None:
    a, b = normal(5), normal(4, seed=1, shift=0.5)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    within_a = np.mean([kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    within_b = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    between = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * between)


def test_kernel_distance_is_unbiased() -> None:
    """Over many pairs of samples of one distribution the mean is 0 within its own spread, at a small count too."""
    values = [kernel_distance(normal(10, seed=2 * seed), normal(10, seed=2 * seed + 1)) for seed in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


def test_frechet_distance_of_known_gaussians() -> None:
    """For diagonal covariances: |μ₁−μ₂|² + Σ(σ₁−σ₂)², exact on samples scaled and moved."""
    a = normal(500)
    scale, move = np.array([1, 2, 0.5, 3, 1, 1]), np.array([0, 0, 1, 0, -2, 0])
    a = np.linalg.solve(np.linalg.cholesky(np.cov(a, rowvar=False)), (a - a.mean(axis=0)).T).T  # unit covariance
    expected = float(move @ move + ((scale - 1) ** 2).sum())
    assert frechet_distance(a, a * scale + move) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
def test_both_grow_with_the_shift_and_are_symmetric(distance: Distance) -> None:
    a = normal(100)
    values = [distance(a, normal(100, seed=1, shift=shift)) for shift in (0, 0.3, 0.6, 1.2)]
    assert values == sorted(values)
    b = normal(60, seed=3, shift=0.4)
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-6)


def test_frechet_distance_to_itself_is_nothing_even_with_fewer_samples_than_features() -> None:
    a = normal(10, features=50)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
@pytest.mark.parametrize(
    "b", [normal(1), normal(5, features=7), np.zeros(6), np.full((5, 6), np.nan)], ids=["one", "width", "flat", "nan"]
)
def test_wrong_features_are_told(distance: Distance, b: np.ndarray) -> None:
    with pytest.raises(ValueError, match="features"):
        distance(normal(5), b)


def test_single_precision_features_are_summed_in_double() -> None:
    a, b = normal(50, shift=10).astype(np.float32), normal(50, seed=1, shift=10).astype(np.float32)
    assert kernel_distance(a, b) == kernel_distance(a.astype(np.float64), b.astype(np.float64))
