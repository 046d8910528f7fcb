"""The default detector: dlib's HOG, on a miss the same turned by ±30°, and last dlib's CNN.

HOG (Dalal and Triggs 2005, dlib's frontal model) is fast and finds upright faces from 80 px on; turning the picture
gives it tilted heads; the max-margin CNN (King 2015) is slow and finds most of what is left. All look at an
area-averaged copy whose size is bounded, since HOG costs some 80 ms a megapixel; landmarks are read from the picture's
pyramid at the size they need.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from drfhq_tools.detect.base import DetectorSettings
from drfhq_tools.detect.dlib_files import Grey, Rectangle, hog, mmod
from drfhq_tools.detect.hits import Hit, faces_of
from drfhq_tools.detect.landmarks import FaceBox
from drfhq_tools.detect.pyramid import Pyramid
from drfhq_tools.geometry import FloatArray
from drfhq_tools.records import Detection, Pixels
from drfhq_tools.warp import CONSTANT, shrink, warp

HOG_FACE_PX: Final = 80  # dlib's HOG window
TILT_DEG: Final = 30.0
CNN_MAX_PX: Final = 400 * 400  # the CNN costs some 7 µs a pixel …
CNN_MIN_SIDE_PX: Final = 40  # … and fails on slivers, which hold no face


@dataclass(frozen=True, slots=True)
class DlibChain:
    """HOG, then HOG on the picture turned either way, then the CNN; the first stage that finds a face is the last."""

    settings: DetectorSettings = field(default_factory=DetectorSettings)
    name: str = "dlib"

    def detect(self, pixels: Pixels) -> list[Detection]:
        """See :class:`drfhq_tools.detect.base.Detector`."""
        pyramid = Pyramid(pixels)
        grey, to_picture = pyramid.grey_copy(work_factor(pyramid.width, pyramid.height, self.settings))
        for stage in (_upright, _tilted):
            faces = faces_of(pixels, stage(grey, to_picture), pyramid)
            if faces:
                return faces
        return faces_of(pixels, find_by_cnn(pixels), pyramid)


def work_factor(width: int, height: int, settings: DetectorSettings) -> float:
    """By how much the picture is shrunk for detection: so that the least face asked for just fills HOG's window, and
    more where the copy would still be larger than allowed."""
    bound = math.sqrt(width * height / settings.max_work_px)
    return max(1.0, settings.min_face_px / HOG_FACE_PX, bound)


def _upright(grey: Grey, to_picture: FloatArray) -> list[Hit]:
    rects, scores, _ = hog().run(grey, 0, 0.0)
    return [Hit(_face_box(rect, to_picture), score, "dlib-hog") for rect, score in zip(rects, scores, strict=True)]


def _tilted(grey: Grey, to_picture: FloatArray) -> list[Hit]:
    hits = []
    for degrees in (-TILT_DEG, TILT_DEG):
        to_grey, size = _turn(grey.shape[1], grey.shape[0], math.radians(degrees))
        turned = warp(grey, to_grey, size, border=CONSTANT)
        rects, scores, _ = hog().run(turned, 0, 0.0)
        hits += [
            Hit(_face_box(rect, to_picture @ to_grey), score, "dlib-hog-tilted")
            for rect, score in zip(rects, scores, strict=True)
        ]
    return hits


def find_by_cnn(pixels: Pixels) -> list[Hit]:
    """What dlib's CNN finds on a bounded copy of a picture."""
    factor = math.ceil(math.sqrt(pixels.shape[0] * pixels.shape[1] / CNN_MAX_PX))
    small = np.ascontiguousarray(shrink(pixels, max(1, factor)))
    if min(small.shape[:2]) < CNN_MIN_SIDE_PX:
        return []
    to_picture = np.diag([factor, factor, 1.0])
    return [Hit(_face_box(hit.rect, to_picture), hit.confidence, "dlib-cnn") for hit in mmod()(small, 0)]


def _turn(width: int, height: int, radians: float) -> tuple[FloatArray, tuple[int, int]]:
    """Map from a canvas that holds the picture turned by −``radians`` to the picture, and the canvas's size."""
    c, s = math.cos(radians), math.sin(radians)
    size = math.ceil(width * abs(c) + height * abs(s)), math.ceil(width * abs(s) + height * abs(c))
    matrix = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = np.array([width, height]) / 2 - matrix[:2, :2] @ (np.array(size) / 2)
    return matrix, size


def _face_box(rect: Rectangle, to_picture: FloatArray) -> FaceBox:
    """A hit on the working copy, in picture coordinates."""
    left, top, right, bottom = rect.left(), rect.top(), rect.right() + 1, rect.bottom() + 1
    x, y, _ = to_picture @ [(left + right) / 2, (top + bottom) / 2, 1.0]
    scale = math.hypot(to_picture[0, 0], to_picture[1, 0])
    roll = math.atan2(to_picture[1, 0], to_picture[0, 0])
    return FaceBox(float(x), float(y), scale * max(right - left, bottom - top), roll)
