"""Turning, scaling and moving a face turns, scales and moves its quad, and leaves its crop alone."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drfhq_tools.align import align
from drfhq_tools.geometry import FloatArray, Quad, ffhq_quad, outside_fraction, points_in_crop

FACE = np.random.default_rng(5).normal(0, 30, (68, 2)) + np.linspace(-40, 40, 68)[:, None]


@st.composite
def similarities(draw: st.DrawFn, scales: tuple[float, float] = (0.05, 20.0), reach: float = 1e4) -> FloatArray:
    """(2, 3) turn, scale and shift."""
    angle = draw(st.floats(-np.pi, np.pi))
    scale = draw(st.floats(*scales))
    shift = [draw(st.floats(-reach, reach)) for _ in range(2)]
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def moved(points: FloatArray, similarity: FloatArray) -> FloatArray:
    return np.asarray(points @ similarity[:, :2].T + similarity[:, 2])


@given(similarities())
def test_the_quad_moves_with_the_face(similarity: FloatArray) -> None:
    expected = moved(ffhq_quad(FACE).corners, similarity)
    np.testing.assert_allclose(ffhq_quad(moved(FACE, similarity)).corners, expected, rtol=1e-9, atol=1e-6)


@given(similarities(), st.integers(1, 2048))
def test_a_face_keeps_its_place_in_the_crop(similarity: FloatArray, size: int) -> None:
    here = points_in_crop(FACE, ffhq_quad(FACE), size)
    points = moved(FACE + 0.5, similarity) - 0.5
    np.testing.assert_allclose(points_in_crop(points, ffhq_quad(points), size), here, atol=1e-4 * size)


@given(similarities())
def test_a_quad_is_a_square(similarity: FloatArray) -> None:
    corners = ffhq_quad(moved(FACE, similarity)).corners
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(*sides.T)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-6)
    np.testing.assert_allclose((sides * np.roll(sides, -1, axis=0)).sum(axis=1), 0, atol=1e-6 * lengths[0] ** 2)


@given(similarities(reach=400.0), st.integers(1, 500), st.integers(1, 500))
def test_the_share_outside_is_a_share_and_counts_what_the_picture_misses(
    similarity: FloatArray, width: int, height: int
) -> None:
    quad = ffhq_quad(moved(FACE, similarity))
    share = outside_fraction(quad, width, height)
    assert 0 <= share <= 1
    # The picture cannot cover more of the quad than its own area.
    assert (1 - share) * quad.side_px**2 <= width * height * (1 + 1e-9)
    assert outside_fraction(quad, 2 * width, 2 * height) <= share + 1e-9


def blobs(width: int, height: int, similarity: FloatArray) -> np.ndarray:
    """The same smooth colour field seen through a similarity (continuous coordinates)."""
    ys, xs = np.mgrid[:height, :width] + 0.5
    inverse = np.linalg.inv(np.vstack([similarity, [0, 0, 1]]))
    u = inverse[0, 0] * xs + inverse[0, 1] * ys + inverse[0, 2]
    v = inverse[1, 0] * xs + inverse[1, 1] * ys + inverse[1, 2]
    channels = [np.sin(u / 15 + k) * np.cos(v / 18 - 2 * k) for k in range(3)]
    return np.asarray(127.5 + 120 * np.stack(channels, axis=-1), dtype=np.uint8)


@settings(max_examples=25, deadline=None)
@given(similarities(scales=(1.0, 4.0), reach=0.0))
def test_the_crop_of_a_turned_and_scaled_picture_is_the_same(similarity: FloatArray) -> None:
    similarity = similarity + np.array([[0, 0, 300.0], [0, 0, 300.0]])
    square = np.array([[-30.0, -30], [-30, 30], [30, 30], [30, -30]])
    still = np.array([[4.0, 0, 300], [0, 4, 300]])
    first, second = (
        align(blobs(600, 600, view), Quad(moved(square, view) - 0.5), 48).pixels for view in (still, similarity)
    )
    assert cv2.norm(first, second, cv2.NORM_INF) <= 8
    assert np.abs(first.astype(int) - second).mean() < 2
