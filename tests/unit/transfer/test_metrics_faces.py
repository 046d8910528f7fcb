"""What is measured of faces, against published pairs, closed forms and made-up people."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2lab

from drfhq_tools.records import Detection
from transfer.data import to_tensor
from transfer.metrics.colour import delta_e_2000, skin_colours, skin_difference
from transfer.metrics.diversity import pairwise_distance, spread
from transfer.metrics.identity import Gallery, nearest_stranger
from transfer.metrics.intervals import estimate
from transfer.metrics.landmarks import crop_landmarks, landmark_error
from transfer.metrics.realism import (
    auc,
    discriminant,
    equal_kernel_distance,
    jackknife_error,
    photo_scores,
    shrunk_covariance,
)

SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
"""Sharma, Wu and Dalal 2005, table 1: two colours in L*a*b*, and their CIEDE2000."""


def test_ciede2000_of_the_published_pairs() -> None:
    table = np.array([line.split() for line in SHARMA.strip().splitlines()], dtype=np.float64)
    a, b, wanted = table[:, :3], table[:, 3:6], table[:, 6]
    np.testing.assert_allclose(delta_e_2000(a, b), wanted, atol=5e-5)
    np.testing.assert_allclose(delta_e_2000(b, a), wanted, atol=5e-5)


@given(arrays(np.float64, 3, elements=st.floats(-100, 100)), arrays(np.float64, 3, elements=st.floats(-100, 100)))
def test_ciede2000_is_a_symmetric_difference(a: np.ndarray, b: np.ndarray) -> None:
    assert delta_e_2000(a, a) == 0
    assert delta_e_2000(a, b) == pytest.approx(delta_e_2000(b, a), abs=1e-9)


def test_skin_is_looked_at_where_it_is() -> None:
    """A square of one colour has it everywhere; a change in the corners is none of the skin's, one of a cheek is."""
    plain = np.full((1, 64, 64, 3), (200, 150, 120), dtype=np.uint8)
    corners, cheek = plain.copy(), plain.copy()
    corners[:, :8, :8] = 0
    cheek[:, 36:44, 18:26] = (90, 60, 50)
    colours = skin_colours(to_tensor(plain))
    np.testing.assert_allclose(colours, np.broadcast_to(colours[:, :1], colours.shape), atol=1e-4)
    np.testing.assert_allclose(colours[0, 0], rgb2lab(plain[0, 0, 0]), atol=0.05)
    assert skin_difference(colours, skin_colours(to_tensor(corners)))[0] == pytest.approx(0, abs=1e-6)
    moved = delta_e_2000(colours, skin_colours(to_tensor(cheek)))[0]
    assert moved[1] > 10
    assert moved[[0, 2, 3]] == pytest.approx([0, 0, 0], abs=1e-4)


def some_face() -> np.ndarray:
    points = np.random.default_rng(0).uniform(0.2, 0.8, (68, 2))
    points[36:42], points[42:48] = (0.4, 0.5), (0.6, 0.5)
    return points


def test_landmark_error_is_in_distances_of_the_eyes() -> None:
    face = some_face()
    moved = face + np.array([0.03, 0.04])
    one = face.copy()
    one[8] += (0.2, 0)
    gone = np.full_like(face, np.nan)
    errors = landmark_error(np.stack([face, face, face, gone]), np.stack([moved, one, gone, face]))
    assert errors[:2] == pytest.approx([0.05 / 0.2, 1 / 68])
    assert np.isnan(errors[2:]).all()


class Reports:
    """A detector that says where it was told faces are, in pixels of what it is shown; none in black pictures."""

    name = "told"

    def __init__(self, *landmarks: np.ndarray) -> None:
        self.landmarks = landmarks

    def detect(self, pixels: np.ndarray) -> list[Detection]:
        if not pixels.any():
            return []
        found = []
        for points in self.landmarks:
            place = points * len(pixels) - 0.5
            box = (*place.min(axis=0), *place.max(axis=0))
            found.append(
                Detection(box_xyxy=box, landmarks=place, scheme="ibug68", score=1.0, detector=self.name)  # type: ignore[arg-type]
            )
        return found


@pytest.mark.parametrize("side", [64, 256, 512])
def test_landmarks_are_shares_of_the_side_whatever_it_is(side: int) -> None:
    crops = np.zeros((2, side, side, 3), dtype=np.uint8)
    crops[0] = 128
    face = some_face()
    found = crop_landmarks(crops, Reports(0.5 + 0.1 * (face - 0.5), face))
    np.testing.assert_allclose(found[0], face)
    assert np.isnan(found[1]).all(), "a face not found is not made up"


def test_diversity_of_known_sets() -> None:
    corners = np.array([[0.0, 0], [0, 3], [4, 0]])
    assert pairwise_distance(corners) == pytest.approx((3 + 4 + 5) / 3)
    assert spread(np.array([[1.0, 0], [-1, 0], [0, 0]])) == pytest.approx(1)
    assert pairwise_distance(np.ones((5, 3))) == spread(np.ones((5, 3))) == 0


def test_an_interval_is_over_people_not_pictures() -> None:
    """Ten copies of each picture say nothing new; the interval of the mean of n people is about 1.96 σ/√n."""
    rng = np.random.default_rng(0)
    values, people = rng.normal(5, 2, 400), list(range(400))
    once = estimate(values, people)
    assert once.mean == pytest.approx(values.mean())
    assert once.high - once.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    tenfold = estimate(np.repeat(values, 10), np.repeat(people, 10).tolist())
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high), rel=1e-9)
    assert (tenfold.count, tenfold.people) == (4000, 400)
    assert estimate(values, people) == once, "the same seed draws the same people"


def test_values_that_are_unknown_and_people_that_are_one() -> None:
    some = estimate(np.array([1.0, np.nan, 3.0]), ["a", "b", "c"])
    assert (some.mean, some.count, some.people) == (2.0, 2, 2)
    alone = estimate(np.array([1.0, 3.0]), ["a", "a"])
    assert alone.mean == 2
    assert np.isnan([alone.low, alone.high]).all()
    assert np.isnan(estimate(np.array([np.nan]), ["a"]).mean)


def test_shrinkage_vanishes_with_many_samples_and_helps_with_few() -> None:
    rng = np.random.default_rng(0)
    factors = np.array([3.0, 1, 1, 0.2])
    many = rng.normal(size=(20000, 4)) * factors
    many -= many.mean(axis=0)
    np.testing.assert_allclose(shrunk_covariance(many), many.T @ many / len(many), atol=0.02)
    few = rng.normal(size=(10, 40))
    few -= few.mean(axis=0)
    off = [np.linalg.norm(one - np.eye(40)) for one in (few.T @ few / 10, shrunk_covariance(few))]
    assert off[1] < 0.5 * off[0]


def test_the_discriminant_is_fishers() -> None:
    """Two Gaussians of one covariance Σ: log odds (μ₁−μ₂)ᵀ Σ⁻¹ (x − their middle)."""
    rng = np.random.default_rng(1)
    root = np.array([[2.0, 0], [1.5, 0.5]])
    first, second = (rng.normal(size=(40000, 2)) @ root.T + shift for shift in ((1, 0), (-1, 0.5)))
    wanted = np.linalg.solve(root @ root.T, np.array([2, -0.5]))
    judge = discriminant(first, second)
    np.testing.assert_allclose(judge.weights, wanted, rtol=0.05)
    np.testing.assert_allclose(judge.scores(np.array([[0.0, 0.25]])), 0, atol=0.05)


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, 30).astype(float), rng.integers(2, 8, 20).astype(float)
    wanted = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    assert auc(a, b) == pytest.approx(wanted)
    assert auc(a + 100, b) == 1


def test_the_judge_has_not_seen_whom_it_judges() -> None:
    """Features that tell people, not renders from photos: known people would be told apart, held out ones are not."""
    rng = np.random.default_rng(3)
    people = [f"p{i // 4}" for i in range(40)]
    faces = np.repeat(rng.normal(size=(10, 30)), 4, axis=0) * 5 + rng.normal(size=(40, 30)) * 0.1
    photos = rng.normal(size=(60, 30)) * 5
    judged = photo_scores(photos, faces, faces, people)
    assert 0.2 < auc(judged.photos, judged.inputs) < 0.8
    np.testing.assert_array_equal(judged.inputs, judged.outputs)
    apart = photo_scores(photos + 20, faces, faces + 20, people)
    assert auc(apart.photos, apart.inputs) > 0.95
    assert (apart.outputs > 0).mean() > 0.9
    with pytest.raises(ValueError, match="two people"):
        photo_scores(photos, faces, faces, ["one"] * 40)


def test_kernel_distance_at_equal_counts_is_that_of_equal_sets() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(20, 5)), rng.normal(0.5, 1, size=(300, 5))
    many = [equal_kernel_distance(a, b, seed) for seed in range(5)]
    assert np.std(many) < 0.2 * np.mean(many)
    assert equal_kernel_distance(a, b) == equal_kernel_distance(a, b)
    assert equal_kernel_distance(b, a) == pytest.approx(np.mean(many), rel=0.3)


def test_the_jackknife_error_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(5).normal(size=50)
    error = jackknife_error(lambda rows: float(values[rows].mean()), list(range(50)))
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(50))
    assert np.isnan(jackknife_error(lambda rows: 0.0, ["a", "a"]))


def test_strangers_are_others_of_the_same_group() -> None:
    gallery = Gallery(
        np.array([[0.0], [1.0], [5.0], [9.0]]), ["me", "near", "far", "odd"], [("x", "f"), ("y", "f"), ("x", "f"), None]
    )
    outputs = np.array([[0.0], [0.0], [0.0], [0.0]])
    people = ["me", "near", "far", "odd"]
    found = nearest_stranger(outputs, people, gallery.groups, gallery)
    assert found[0] == 5, "not itself, not another group"
    assert np.isnan(found[1]), "nobody else of its group"
    assert found[2] == 0
    assert np.isnan(found[3]), "its own group is unknown"
