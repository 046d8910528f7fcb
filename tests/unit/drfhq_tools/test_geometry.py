import numpy as np
import pytest
from reference_ffhq import reference_quad

from drfhq_tools.geometry import (
    Quad,
    ffhq_quad,
    outside_fraction,
    points_in_crop,
    source_to_unit,
    unit_to_source,
)


def square(x0: float, y0: float, side: float) -> Quad:
    """An upright quad from pixel-index (x0, y0)."""
    return Quad(np.array([[x0, y0], [x0, y0 + side], [x0 + side, y0 + side], [x0 + side, y0]]))


def face(eye_distance: float, mouth_drop: float) -> np.ndarray:
    """68 landmarks whose eyes, level at y = 0, and mouth corners are all that matters."""
    points = np.zeros((68, 2))
    points[36:42, 0] = -eye_distance / 2
    points[42:48, 0] = eye_distance / 2
    points[48] = -10, mouth_drop
    points[54] = 10, mouth_drop
    return points


def test_quad_of_an_upright_face_with_wide_eyes() -> None:
    # e2e = (60, 0), e2m = (0, 50): x = e2e − perp(e2m) = (110, 0) → |x| = max(2·60, 1.8·50) = 120; centre y = 0.1·50.
    quad = ffhq_quad(face(60, 50))
    np.testing.assert_allclose(quad.corners, [[-120, -115], [-120, 125], [120, 125], [120, -115]], atol=1e-12)
    assert quad.side_px == pytest.approx(240)


def test_quad_of_a_long_face_follows_the_mouth() -> None:
    assert ffhq_quad(face(40, 80)).side_px == pytest.approx(2 * 1.8 * 80)


def test_quad_agrees_with_an_independent_derivation() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        landmarks = rng.normal(300, 80, (68, 2))
        np.testing.assert_allclose(ffhq_quad(landmarks).corners, reference_quad(landmarks), atol=1e-9)


@pytest.mark.parametrize("landmarks", [np.zeros((68, 2)), np.full((68, 2), np.nan)])
def test_landmarks_that_span_nothing_are_refused(landmarks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="degenerate"):
        ffhq_quad(landmarks)


def test_five_points_are_refused() -> None:
    with pytest.raises(ValueError, match="68"):
        ffhq_quad(np.zeros((5, 2)))


def test_row_and_back() -> None:
    quad = ffhq_quad(face(60, 50))
    np.testing.assert_array_equal(Quad.from_row(quad.to_row()).corners, quad.corners)


def test_the_half_pixel_is_added_once() -> None:
    # A quad from index 0 to index 4: its first corner is the centre of pixel 0, which is 0.5 in continuous coordinates.
    quad = square(0, 0, 4)
    np.testing.assert_allclose(unit_to_source(quad) @ [0, 0, 1], [0.5, 0.5, 1])
    # The crop's first pixel of four has its centre at 1/8 of the quad, 0.5 further on: index 0.5 of the source.
    np.testing.assert_allclose(points_in_crop(np.array([[0.5, 0.5]]), quad, 4), [[0.0, 0.0]], atol=1e-12)


def test_maps_are_inverse() -> None:
    quad = ffhq_quad(face(61, 47) @ np.array([[0.8, 0.6], [-0.6, 0.8]]))
    np.testing.assert_allclose(source_to_unit(quad) @ unit_to_source(quad), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(points_in_crop(quad.corners[:1], quad, 64), [[-0.5, -0.5]], atol=1e-9)


@pytest.mark.parametrize(
    ("quad", "share"),
    [
        (square(9.5, 9.5, 40), 0.0),
        (square(-0.5, -0.5, 100), 0.0),
        (square(-10.5, 0, 20), 0.5),
        (square(-10.5, -10.5, 20), 0.75),
        (square(89.5, 20, 20), 0.5),
        (square(-50.5, -50.5, 200), 0.75),
        (square(200, 200, 20), 1.0),
    ],
)
def test_share_outside_the_picture(quad: Quad, share: float) -> None:
    assert outside_fraction(quad, 100, 100) == pytest.approx(share, abs=1e-12)


def test_share_outside_of_a_diamond() -> None:
    # Half a diamond centred on the left rim lies outside; its corners touch neither top nor bottom.
    diamond = Quad(np.array([[-20.5, 49.5], [-0.5, 69.5], [19.5, 49.5], [-0.5, 29.5]]))
    assert outside_fraction(diamond, 100, 100) == pytest.approx(0.5)
