"""Landmarks → FFHQ quad, and the maps between the quad and the unit square. Pure numpy, no I/O.

Pixel convention, stated once for the project: landmarks and quads live in the pixel-index coordinates a landmark
predictor reports, (x, y), x to the right, y down, where integer (i, j) names the *centre* of pixel column i, row j.
FFHQ adds 0.5 once, at the warp, to reach the continuous convention in which pixel (0, 0) covers [0, 1)². So does
:mod:`drfhq_tools.align`; nothing else adds or removes a half.

Source of the recipe: Karras et al. 2019, "A Style-Based Generator Architecture for GANs", the data set's alignment,
re-derived from its formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

IBUG68: Final = "ibug68"
LEFT_EYE: Final = slice(36, 42)
RIGHT_EYE: Final = slice(42, 48)
MOUTH_CORNERS: Final = (48, 54)
JAW: Final = slice(0, 17)
BROWS: Final = slice(17, 27)


@dataclass(frozen=True, slots=True)
class Quad:
    """The oriented square that FFHQ crops. ``corners`` is (4, 2) float64, order NW, SW, SE, NE, in pixel-index x, y."""

    corners: FloatArray

    @property
    def centre(self) -> FloatArray:
        """(2,) mean of the corners."""
        return np.asarray(self.corners.mean(axis=0))

    @property
    def side_px(self) -> float:
        """Length of the top edge in source pixels."""
        return float(np.hypot(*(self.corners[3] - self.corners[0])))

    def to_row(self) -> list[float]:
        """Eight numbers, x y of NW, SW, SE, NE."""
        return [float(value) for value in self.corners.reshape(-1)]

    @classmethod
    def from_row(cls, row: list[float]) -> Quad:
        """Inverse of :meth:`to_row`."""
        return cls(np.asarray(row, dtype=np.float64).reshape(4, 2))


def eye_and_mouth_means(landmarks: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Left-eye, right-eye and mouth mean, each (…, 2), of (…, 68, 2) iBUG landmarks; left is the viewer's left."""
    if landmarks.shape[-2:] != (68, 2):
        raise ValueError(f"expected (68, 2) iBUG landmarks, got {landmarks.shape}")
    parts = (landmarks[..., part, :] for part in (LEFT_EYE, RIGHT_EYE, list(MOUTH_CORNERS)))
    left, right, mouth = (np.asarray(part.mean(axis=-2)) for part in parts)
    return left, right, mouth


def ffhq_quad(landmarks: FloatArray) -> Quad:
    """FFHQ's crop quad from (68, 2) iBUG landmarks.

    Raises:
        ValueError: landmarks of another shape, or degenerate ones that span no quad.
    """
    return Quad(square_of(*eye_and_mouth_means(landmarks)))


def square_of(eye_left: FloatArray, eye_right: FloatArray, mouth: FloatArray) -> FloatArray:
    """Corners (…, 4, 2), NW SW SE NE, of FFHQ's crop, from the means of either eye and the mouth's corners, (…, 2).

    x = e2e − perp(e2m), scaled to max(2·|e2e|, 1.8·|e2m|), y = perp(x), centre = eyes + 0.1·e2m; the side is 2·|x|.

    Raises:
        ValueError: they span no quad.
    """
    eye_avg = (eye_left + eye_right) * 0.5
    eye_to_eye = eye_right - eye_left
    eye_to_mouth = mouth - eye_avg
    x = eye_to_eye - _perpendicular(eye_to_mouth)
    length = _length(x)
    if not (length > 1e-9).all() or not np.isfinite(length).all():
        raise ValueError("degenerate landmarks: eyes and mouth span no quad")
    x = x / length * np.maximum(2.0 * _length(eye_to_eye), 1.8 * _length(eye_to_mouth))
    y = _perpendicular(x)
    centre = eye_avg + 0.1 * eye_to_mouth
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y], axis=-2)


def quad_from(landmarks: FloatArray, scheme: str) -> Quad:
    """The crop quad of landmarks of a ``scheme``.

    Raises:
        ValueError: no way from this scheme to FFHQ's quad is known, or the landmarks span none.
    """
    if scheme != IBUG68:
        raise ValueError(f"no quad is known for landmarks of scheme {scheme!r}")
    return ffhq_quad(landmarks)


def unit_to_source(quad: Quad) -> FloatArray:
    """(3, 3) affine from the unit square (u right, v down, in [0, 1]) to *continuous* source coordinates (+0.5)."""
    north_west, south_west, _, north_east = quad.corners + 0.5
    matrix = np.eye(3)
    matrix[:2, 0] = north_east - north_west
    matrix[:2, 1] = south_west - north_west
    matrix[:2, 2] = north_west
    return matrix


def source_to_unit(quad: Quad) -> FloatArray:
    """Inverse of :func:`unit_to_source`, (3, 3)."""
    return np.asarray(np.linalg.inv(unit_to_source(quad)))


def points_in_crop(points: FloatArray, quad: Quad, size: int) -> FloatArray:
    """Source points (N, 2) in pixel-index coordinates → pixel-index coordinates of the aligned ``size``² crop."""
    homogeneous = np.column_stack([points + 0.5, np.ones(len(points))])
    unit = homogeneous @ source_to_unit(quad).T
    return np.asarray(unit[:, :2] * size - 0.5)


def outside_fraction(quad: Quad, width: int, height: int) -> float:
    """Share of the quad's area, in [0, 1], that lies outside a ``width`` × ``height`` picture; exact, by clipping."""
    corners = quad.corners + 0.5
    inside = corners
    for axis, limit, sign in ((0, 0.0, 1.0), (0, float(width), -1.0), (1, 0.0, 1.0), (1, float(height), -1.0)):
        inside = _clip(inside, axis, limit, sign)
    whole = _area(corners)
    return float(min(max(1.0 - _area(inside) / whole, 0.0), 1.0)) if whole > 0 else 0.0


def _clip(polygon: FloatArray, axis: int, limit: float, sign: float) -> FloatArray:
    """Keep the part of a convex polygon (N, 2) where sign · (coordinate − limit) ≥ 0 (Sutherland and Hodgman)."""
    kept: list[FloatArray] = []
    depth = sign * (polygon[:, axis] - limit)
    for here, there, d, e in zip(polygon, np.roll(polygon, -1, axis=0), depth, np.roll(depth, -1), strict=True):
        if d >= 0:
            kept.append(here)
        if (d >= 0) != (e >= 0):
            kept.append(here + (there - here) * (d / (d - e)))
    return np.array(kept).reshape(-1, 2)


def _area(polygon: FloatArray) -> float:
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _perpendicular(vectors: FloatArray) -> FloatArray:
    return np.stack([-vectors[..., 1], vectors[..., 0]], axis=-1)


def _length(vectors: FloatArray) -> FloatArray:
    """(…, 1) of (…, 2)."""
    return np.asarray(np.hypot(vectors[..., :1], vectors[..., 1:]))
