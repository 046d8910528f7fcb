"""68 iBUG landmarks of a face of known place, averaged so that the FFHQ quad repeats.

dlib's predictor (Kazemi and Sullivan 2014) reads single pixels, answers in whole ones, and its answer moves with the
box it starts from. So it is given patches: the face cut out upright, antialiased, at a fixed size. A first look places
the face; two more start from the box the detector usually gives such a face, jittered in place and size, the last also
on the mirrored cut, and are averaged. Where the answers scatter, other boxes are tried, the one whose answers agree
best is believed, and more looks are averaged. 13 calls of 0.7 to 1 ms each for a face it is sure of (7 in 8).

Over 56 portraits, at half to twice their size or as JPEG of quality 60 to 75, the quad moves by 0.18 % of its side on
average and 0.8 % at most (the predictor on HOG's box alone: 0.7 and 15 %), by benchmarks/repeatability.py. On copies
whose face is some 60 to 80 px wide it moves by 0.2 to 0.6 %, but by 2 to 17 % in one case of fifty: a fringe that hides
an eye, a box that is not the face's. The spread foretells that coarsely: rank correlation 0.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from drfhq_tools.detect.dlib_files import Grey, Rectangle, rectangle, shape_predictor
from drfhq_tools.detect.pyramid import Pyramid
from drfhq_tools.geometry import FloatArray, Quad, eye_and_mouth_means, ffhq_quad, square_of
from drfhq_tools.records import Pixels

# Where the HOG detector's box lies in the FFHQ quad, in shares of its side: medians over rendered and photo-like faces.
BOX_SHARE: Final = 0.578
BOX_DROP: Final = 0.104

SURE_SPREAD: Final = 0.01  # above, the predictor wavers between two answers, and more looks settle their mean
DOUBT_SPREAD: Final = 0.016  # 9 upright faces in 10 lie below, faces fitted from a wrong box or tilt above
TILT_DEG: Final = 35.0
LARGER: Final = 1.2

Jitter = tuple[float, float, float]  # right, down, as shares of the box's side, and its scale
_STEP: Final = 0.06
# None larger than usual: where a fringe hides an eye, such boxes let the mouth slide to the chin.
_SCALES: Final = (0.86, 0.93, 1.0)
_GRID: Final = tuple((_STEP * x, _STEP * y) for x in (-1, 0, 1) for y in (-1, 0, 1))
# Nine boxes that meet every place once and every scale in every row and column (a Latin square), in three such sets.
_LATIN: Final = tuple(
    tuple((*place, _SCALES[(index + index // 3 + shift) % 3]) for index, place in enumerate(_GRID))
    for shift in range(3)
)
# The iBUG landmarks of the mirrored face, in the order of the face itself.
MIRRORED: Final = (
    *(*range(16, -1, -1), *range(26, 16, -1)),  # jaw, brows
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(*range(54, 47, -1), *range(59, 54, -1), 64, 63, 62, 61, 60, 67, 66, 65),  # mouth
)


@dataclass(frozen=True, slots=True)
class Look:
    """One cut of the face, its box ``box_px`` wide, turned by ``roll_deg``, and the boxes the predictor starts from;
    all of them again on the mirrored cut if ``mirrored``."""

    box_px: int
    jitters: tuple[Jitter, ...]
    mirrored: bool = True
    roll_deg: float = 0.0


PLACING: Final = Look(128, tuple((0.0, 0.0, scale) for scale in (0.93, 1.07)), mirrored=False)
ROUGH: Final = Look(128, tuple((*place, _SCALES[1]) for place in _GRID[::4]), mirrored=False)
FINE: Final = Look(128, tuple(_LATIN[1][corner] for corner in (0, 2, 6, 8)))
SETTLING: Final = (Look(128, _LATIN[2], roll_deg=6.0), Look(96, _LATIN[0], roll_deg=-6.0))


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A square around a face: centre in continuous picture coordinates, side in pixels, and the head's roll.

    ``roll_rad`` is the angle, positive clockwise on screen, by which the face is turned from upright.
    """

    x: float
    y: float
    side: float
    roll_rad: float = 0.0

    def to_picture(self, box_px: int) -> FloatArray:
        """(3, 3) map from the continuous coordinates of a patch of twice the box, in which the box is ``box_px``
        wide, to continuous picture coordinates."""
        scale = self.side / box_px
        c, s = scale * np.cos(self.roll_rad), scale * np.sin(self.roll_rad)
        matrix = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        matrix[:2, 2] = np.array([self.x, self.y]) - matrix[:2, :2] @ np.full(2, box_px)
        return matrix

    def turned(self, degrees: float) -> FaceBox:
        """The same square, turned clockwise on screen."""
        return replace(self, roll_rad=self.roll_rad + math.radians(degrees))


@dataclass(frozen=True, slots=True)
class Landmarks:
    """``points`` (68, 2) float64, pixel-index coordinates; ``spread`` as :func:`quad_spread` says."""

    points: FloatArray
    spread: float


def find_landmarks(pixels: Pixels, box: FaceBox, pyramid: Pyramid | None = None) -> Landmarks:
    """The landmarks of the face in ``box`` of an (H, W, 3) picture; ``pyramid`` is the picture's, if there is one.

    Where they scatter, the box may be too small, or the head tilted further than the predictor can follow (HOG answers
    to upright boxes up to some 50°, the predictor to some 35°): a larger box and boxes turned either way are tried,
    and the one whose landmarks scatter least is taken.

    Raises:
        ValueError: the points span no quad.
    """
    pyramid = pyramid or Pyramid(pixels)
    sets = _two_looks(pyramid, box)
    if quad_spread(sets) > DOUBT_SPREAD:
        others = (replace(box, side=LARGER * box.side), box.turned(-TILT_DEG), box.turned(TILT_DEG))
        sets = min((sets, *(_two_looks(pyramid, other) for other in others)), key=quad_spread)
    if quad_spread(sets) > SURE_SPREAD:
        sets = _settled(pyramid, sets[-2 * len(FINE.jitters) :])  # the rough look still depends on the box
    return Landmarks(np.asarray(sets.mean(axis=0)), quad_spread(sets))


def _two_looks(pyramid: Pyramid, box: FaceBox) -> FloatArray:
    placed = predict(pyramid, box, PLACING)
    rough = predict(pyramid, usual_box(placed.mean(axis=0)), ROUGH)
    return np.concatenate([rough, predict(pyramid, usual_box(rough.mean(axis=0)), FINE)])


def _settled(pyramid: Pyramid, sets: FloatArray) -> FloatArray:
    for look in SETTLING:
        sets = np.concatenate([sets, predict(pyramid, usual_box(sets.mean(axis=0)), look)])
    return sets


def predict(pyramid: Pyramid, box: FaceBox, look: Look) -> FloatArray:
    """Landmarks (N, 68, 2) float64, pixel-index coordinates of the picture, one set a jittered box of the look."""
    to_picture = box.turned(look.roll_deg).to_picture(look.box_px)
    patch = pyramid.patch(to_picture, 2 * look.box_px)
    points = _points(patch, look)
    if look.mirrored:
        flipped = _points(np.ascontiguousarray(patch[:, ::-1]), look)[:, MIRRORED]
        flipped[..., 0] = patch.shape[1] - flipped[..., 0]
        points = np.concatenate([points, flipped])
    return np.asarray(points @ to_picture[:2, :2].T + to_picture[:2, 2] - 0.5)


def usual_box(landmarks: FloatArray) -> FaceBox:
    """The box HOG gives, in the mean, to a face with these (68, 2) landmarks, turned upright."""
    return box_in(ffhq_quad(landmarks), BOX_SHARE, BOX_DROP)


def box_in(quad: Quad, share: float, drop: float) -> FaceBox:
    """The upright box of ``share`` of a quad's side, its centre ``drop`` of it below the quad's."""
    across = quad.corners[3] - quad.corners[0]
    down = np.array([-across[1], across[0]])
    x, y = quad.centre + drop * down + 0.5
    return FaceBox(float(x), float(y), share * quad.side_px, math.atan2(across[1], across[0]))


def quad_spread(sets: FloatArray) -> float:
    """How far jittering the box moves the FFHQ quad: root mean square corner distance from the mean, over its side.

    ``sets`` is (N, 68, 2). Some 0.003 where the predictor is sure of itself, above 0.02 where it is guessing.
    """
    quads = square_of(*eye_and_mouth_means(sets))
    centre = quads.mean(axis=0)
    distance = np.sqrt(((quads - centre) ** 2).sum(axis=-1).mean())
    return float(distance / Quad(centre).side_px)


def _points(patch: Grey, look: Look) -> FloatArray:
    """The predictor's answers, (jitters, 68, 2), in continuous patch coordinates."""
    shapes = [shape_predictor()(patch, _rectangle(look.box_px, *jitter)) for jitter in look.jitters]
    return np.array([[(point.x, point.y) for point in shape.parts()] for shape in shapes], dtype=np.float64) + 0.5


def _rectangle(box_px: int, right: float, down: float, scale: float) -> Rectangle:
    half = box_px * scale / 2
    x, y = box_px * (1 + right), box_px * (1 + down)
    return rectangle(round(x - half), round(y - half), round(x + half) - 1, round(y + half) - 1)
