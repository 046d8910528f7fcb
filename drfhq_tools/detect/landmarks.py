"""68 iBUG landmarks of a face of known place, averaged so that the FFHQ quad repeats.

dlib's predictor (Kazemi and Sullivan 2014) reads single pixels, answers in whole ones, and its answer moves with the
box it starts from. So it is given a patch: the face cut from the full picture, antialiased, at a fixed size. A first
look from a few boxes places the face; the second starts from the box the detector usually gives such a face, upright,
jittered in place and size, and is averaged. The result hardly depends on the box, the picture's size or its
compression: some 0.2 % of the quad's side on average, where the predictor used plainly moves by 0.7 %; hair over an
eye can still move it by 3 %, which a raised spread hints at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from drfhq_tools.detect.dlib_files import Rectangle, rectangle, shape_predictor
from drfhq_tools.geometry import FloatArray, Quad, ffhq_quad
from drfhq_tools.records import Pixels
from drfhq_tools.warp import REPLICATE, warp

BOX_PX: Final = 256  # side of the face's box in the patch
PATCH_PX: Final = 512
# Where the HOG detector's box lies in the FFHQ quad, in shares of its side: medians over rendered and photo-like faces.
BOX_SHARE: Final = 0.578
BOX_DROP: Final = 0.104

SURE_SPREAD: Final = 0.012  # 19 upright faces in 20 lie below, every face fitted at the wrong tilt above
FOUND_SPREAD: Final = 0.024  # a tilt tried on suspicion must explain the face this well
TILT_DEG: Final = 35.0

Jitter = tuple[float, float, float]  # right, down, as shares of the box's side, and its scale
_STEP: Final = 0.04
_CROSS: Final = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
_DIAGONALS: Final = ((0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
FIRST_LOOK: Final[tuple[Jitter, ...]] = tuple((_STEP * x, _STEP * y, 1.0) for x, y in _CROSS)
SECOND_LOOK: Final[tuple[Jitter, ...]] = tuple(
    (_STEP * x, _STEP * y, scale) for x, y in _DIAGONALS for scale in (1 - 2 * _STEP, 1.0, 1 + 2 * _STEP)
)


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A square around a face: centre in continuous picture coordinates, side in pixels, and the head's roll.

    ``roll_rad`` is the angle, positive clockwise on screen, by which the face is turned from upright.
    """

    x: float
    y: float
    side: float
    roll_rad: float = 0.0

    def to_picture(self) -> FloatArray:
        """(3, 3) map from continuous patch coordinates to continuous picture coordinates."""
        scale = self.side / BOX_PX
        c, s = scale * np.cos(self.roll_rad), scale * np.sin(self.roll_rad)
        matrix = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        matrix[:2, 2] = np.array([self.x, self.y]) - matrix[:2, :2] @ np.full(2, PATCH_PX / 2)
        return matrix


@dataclass(frozen=True, slots=True)
class Landmarks:
    """``points`` (68, 2) float64, pixel-index coordinates; ``spread`` as :func:`quad_spread` says."""

    points: FloatArray
    spread: float


def find_landmarks(pixels: Pixels, box: FaceBox) -> Landmarks:
    """The landmarks of the face in ``box`` of an (H, W, 3) picture.

    Where they scatter, the head may be tilted further than the predictor can follow (HOG answers to upright boxes up
    to some 50°, the predictor to some 35°): boxes turned either way are tried, and taken if they scatter little.

    Raises:
        ValueError: the points span no quad.
    """
    plain = _two_looks(pixels, box)
    if plain.spread <= SURE_SPREAD:
        return plain
    turned = [replace(box, roll_rad=box.roll_rad + math.radians(degrees)) for degrees in (-TILT_DEG, TILT_DEG)]
    best = min((_two_looks(pixels, other) for other in turned), key=lambda landmarks: landmarks.spread)
    return best if best.spread <= FOUND_SPREAD else plain


def _two_looks(pixels: Pixels, box: FaceBox) -> Landmarks:
    first = predict(pixels, box, FIRST_LOOK).mean(axis=0)
    sets = predict(pixels, usual_box(first), SECOND_LOOK)
    return Landmarks(np.asarray(sets.mean(axis=0)), quad_spread(sets))


def predict(pixels: Pixels, box: FaceBox, jitters: Sequence[Jitter]) -> FloatArray:
    """Landmarks (jitters, 68, 2) float64, pixel-index coordinates of the picture, one set a jittered box."""
    to_picture = box.to_picture()
    patch = warp(pixels, to_picture, (PATCH_PX, PATCH_PX), border=REPLICATE)
    shapes = [shape_predictor()(patch, _jittered(jitter)) for jitter in jitters]
    points = np.array([[(point.x, point.y) for point in shape.parts()] for shape in shapes], dtype=np.float64) + 0.5
    return np.asarray(points @ to_picture[:2, :2].T + to_picture[:2, 2] - 0.5)


def usual_box(landmarks: FloatArray) -> FaceBox:
    """The box HOG gives, in the mean, to a face with these (68, 2) landmarks, turned upright."""
    quad = ffhq_quad(landmarks)
    across = quad.corners[3] - quad.corners[0]
    down = np.array([-across[1], across[0]])
    x, y = quad.centre + BOX_DROP * down + 0.5
    return FaceBox(float(x), float(y), BOX_SHARE * quad.side_px, math.atan2(across[1], across[0]))


def quad_spread(sets: FloatArray) -> float:
    """How far jittering the box moves the FFHQ quad: root mean square corner distance from the mean, over its side.

    ``sets`` is (N, 68, 2). Some 0.003 where the predictor is sure of itself, above 0.02 where it is guessing.
    """
    quads = np.stack([ffhq_quad(landmarks).corners for landmarks in sets])
    centre = quads.mean(axis=0)
    distance = np.sqrt(((quads - centre) ** 2).sum(axis=-1).mean())
    return float(distance / Quad(centre).side_px)


def _jittered(jitter: Jitter) -> Rectangle:
    right, down, scale = jitter
    half = BOX_PX * scale / 2
    x, y = PATCH_PX / 2 + right * BOX_PX, PATCH_PX / 2 + down * BOX_PX
    return rectangle(round(x - half), round(y - half), round(x + half) - 1, round(y + half) - 1)
