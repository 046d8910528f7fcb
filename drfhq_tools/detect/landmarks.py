"""68 iBUG landmarks of a face of known place, averaged so that the FFHQ quad repeats.

dlib's predictor (Kazemi and Sullivan 2014) reads single pixels and answers in whole ones, and its answer moves with the
box it starts from. So it is given a patch: the face cut from the full picture, antialiased and turned upright, at a
fixed size; it runs from several boxes jittered around the given one and the answers are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from drfhq_tools.detect.dlib_files import rectangle, shape_predictor
from drfhq_tools.geometry import IBUG68, FloatArray, Quad, ffhq_quad
from drfhq_tools.records import Detection, Pixels
from drfhq_tools.warp import REPLICATE, warp

BOX_PX: Final = 256  # side of the face's box in the patch
PATCH_PX: Final = 512
_SHIFT: Final = 0.04  # of the box's side
JITTERS: Final = tuple((dx * _SHIFT, dy * _SHIFT) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


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


def predict(pixels: Pixels, box: FaceBox) -> FloatArray:
    """Landmarks (jitters, 68, 2) float64, pixel-index coordinates of the picture, one set a jittered box."""
    to_picture = box.to_picture()
    patch = warp(pixels, to_picture, (PATCH_PX, PATCH_PX), border=REPLICATE)
    predictor = shape_predictor()
    near = (PATCH_PX - BOX_PX) / 2
    found = []
    for dx, dy in JITTERS:
        left, top = round(near + dx * BOX_PX), round(near + dy * BOX_PX)
        shape = predictor(patch, rectangle(left, top, left + BOX_PX - 1, top + BOX_PX - 1))
        found.append([(point.x, point.y) for point in shape.parts()])
    points = np.array(found, dtype=np.float64) + 0.5
    return np.asarray(points @ to_picture[:2, :2].T + to_picture[:2, 2] - 0.5)


def mean_landmarks(pixels: Pixels, box: FaceBox) -> FloatArray:
    """(68, 2) landmarks, pixel-index coordinates: the mean over the jittered boxes."""
    return np.asarray(predict(pixels, box).mean(axis=0))


def quad_spread(sets: FloatArray) -> float:
    """How far jittering the box moves the FFHQ quad: root mean square corner distance from the mean, over its side."""
    quads = np.stack([ffhq_quad(landmarks).corners for landmarks in sets])
    centre = quads.mean(axis=0)
    distance = np.sqrt(((quads - centre) ** 2).sum(axis=-1).mean())
    return float(distance / Quad(centre).side_px)


def quad_repeatability(pixels: Pixels, detection: Detection) -> float:
    """:func:`quad_spread` of a face found before, as a share of the quad's side: a few thousandths where the predictor
    is sure of itself, several hundredths where it is guessing.

    Raises:
        ValueError: the landmarks are not iBUG's 68.
    """
    if detection.scheme != IBUG68:
        raise ValueError(f"repeatability needs {IBUG68} landmarks, got {detection.scheme}")
    x0, y0, x1, y1 = detection.box_xyxy
    box = FaceBox((x0 + x1) / 2 + 0.5, (y0 + y1) / 2 + 0.5, max(x1 - x0, y1 - y0))
    return quad_spread(predict(pixels, box))
