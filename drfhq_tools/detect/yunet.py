"""YuNet, a small CNN (Wu, Peng and Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector"), run by OpenCV. No package
ships its weights (ONNX, Apache-2.0).

It was trained on faces of 10 to 300 pixels, so it looks at a small copy of the picture, and at a larger one where the
least face asked for would be too small on that or nothing was found. Its five points place the box that the 68-point
model starts from: they tell place and size of a face better than its rectangle does, and how far the head is tilted.
Beyond some 45° it still finds faces, but its points no longer follow the tilt and its score falls; such a face is cut
out and looked at again, turned in steps. A picture without any is looked at once more, lying on its side.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from drfhq_tools.detect.base import DetectorSettings
from drfhq_tools.detect.hits import Hit, faces_of
from drfhq_tools.detect.landmarks import FaceBox, box_in
from drfhq_tools.detect.pyramid import Pyramid
from drfhq_tools.errors import ModelFileError
from drfhq_tools.geometry import FloatArray, Quad, square_of
from drfhq_tools.models import resolve
from drfhq_tools.records import Detection, Pixels
from drfhq_tools.warp import warp

YUNET: Final = "yunet"
SMALL_COPY_PX: Final = 320  # longest side
LARGE_COPY_PX: Final = 640
SEEN_FACE_PX: Final = 20  # no face asked for should be smaller than this on the largest copy
MIN_SCORE: Final = 0.6
CANDIDATE_SCORE: Final = 0.4  # some heads on their side score no more before they are turned
SURE_SCORE: Final = 0.91  # 99 upright faces in 100 score more, none tilted by 60° or more does
LOOK_PX: Final = 192
LOOK_FACE_PX: Final = 80
LOOK_STEP_DEG: Final = 45
# Where the box that the 68-point model expects lies in the FFHQ square of YuNet's eyes and mouth corners, in shares of
# its side: medians over 132 renders and 200 photo-like portraits; the size then deviates by 5 %, the place by 1 %.
BOX_SHARE: Final = 0.587
BOX_DROP: Final = 0.112


@dataclass(frozen=True, slots=True)
class YuNet:
    """YuNet on two small copies, with the weights in ``settings.weights`` or the models folder."""

    settings: DetectorSettings = field(default_factory=DetectorSettings)
    name: str = YUNET

    def detect(self, pixels: Pixels) -> list[Detection]:
        """See :class:`drfhq_tools.detect.base.Detector`."""
        network = load_network(self.settings.weights or resolve(YUNET).path)
        hits = []
        pyramid = Pyramid(pixels)
        for candidate in _distinct(_candidates(network, pyramid, self.settings.min_face_px)):
            answer = candidate if candidate.score > SURE_SCORE else _look_again(network, pixels, candidate)
            box = face_box(answer.points)
            if answer.score >= MIN_SCORE and box.side >= self.settings.min_face_px:
                hits.append(Hit(box, answer.score, self.name))
        return faces_of(pixels, hits, pyramid)


@dataclass(frozen=True, slots=True)
class Answer:
    """A rectangle's ``centre`` (2,) and longer ``side``, ``points`` (5, 2) as :func:`face_box` takes them, and a score
    from 0 to 1; in pixel-index coordinates."""

    centre: FloatArray
    side: float
    points: FloatArray
    score: float

    def mapped(self, matrix: FloatArray) -> Answer:
        """Seen through a (3, 3) similarity of continuous coordinates."""
        linear, shift = matrix[:2, :2], matrix[:2, 2] - 0.5
        scale = math.hypot(matrix[0, 0], matrix[1, 0])
        return Answer(
            linear @ (self.centre + 0.5) + shift,
            self.side * scale,
            (self.points + 0.5) @ linear.T + shift,
            self.score,
        )


def face_box(points: FloatArray) -> FaceBox:
    """The square around a face of YuNet's (5, 2) points in pixel-index coordinates: eyes, nose tip, mouth corners."""
    return box_in(Quad(square_of(points[0], points[1], points[3:].mean(axis=0))), BOX_SHARE, BOX_DROP)


class Network:
    """OpenCV's FaceDetectorYN, which holds one picture's size at a time: a lock lets threads share it."""

    def __init__(self, path: Path) -> None:
        """Raises cv2.error where the file holds another network, OSError where it cannot be read."""
        # The bytes, not the path: OpenCV cannot open every path on Windows.
        weights = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        with _quiet():
            self._yn = cv2.FaceDetectorYN.create("onnx", weights, np.zeros(0, np.uint8), (64, 64), CANDIDATE_SCORE)
        self._lock = threading.Lock()

    def run(self, pixels: Pixels) -> list[Answer]:
        """What it finds in an RGB picture, (H, W, 3) uint8."""
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        with self._lock:
            self._yn.setInputSize((pixels.shape[1], pixels.shape[0]))
            _, found = self._yn.detect(bgr)
        # 15 numbers each: x, y, width, height, five points, score.
        rows = np.zeros((0, 15)) if found is None else np.asarray(found, dtype=np.float64)
        return [
            Answer(row[:2] + row[2:4] / 2, float(row[2:4].max()), row[4:14].reshape(5, 2), float(row[14]))
            for row in rows
        ]


@functools.lru_cache(maxsize=2)
def load_network(path: Path) -> Network:
    """The network in ``path``, loaded once a process.

    Raises:
        ModelFileError: the file cannot be read, or holds no YuNet.
    """
    try:
        network = Network(path)
        network.run(np.zeros((64, 64, 3), np.uint8))
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error
    except cv2.error as error:
        raise ModelFileError(f"{path} is no YuNet model that OpenCV {cv2.__version__} can read") from error
    return network


def _candidates(network: Network, pyramid: Pyramid, min_face_px: int) -> list[Answer]:
    """Answers of any score, in coordinates of the picture."""
    longest = max(pyramid.width, pyramid.height)
    copy, to_picture = pyramid.colour_copy(max(1.0, longest / SMALL_COPY_PX))
    found = [answer.mapped(to_picture) for answer in network.run(copy)]
    if not found or min_face_px * SMALL_COPY_PX < SEEN_FACE_PX * longest:
        larger, from_larger = pyramid.colour_copy(max(1.0, longest / LARGE_COPY_PX))
        found += [answer.mapped(from_larger) for answer in network.run(larger)]
    if not found:
        upright = np.array([[0.0, -1.0, copy.shape[1]], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        found = [answer.mapped(to_picture @ upright) for answer in network.run(np.rot90(copy))]
    return found


def _distinct(answers: list[Answer]) -> list[Answer]:
    """The best-scored of those whose centres lie in one another."""
    kept: list[Answer] = []
    for answer in sorted(answers, key=lambda answer: (-answer.score, *answer.centre)):
        if all(np.abs(answer.centre - other.centre).max() > max(answer.side, other.side) / 2 for other in kept):
            kept.append(answer)
    return kept


def _look_again(network: Network, pixels: Pixels, doubtful: Answer) -> Answer:
    """The best answer on the face cut out, small and turned all the way round in steps, or the doubtful one."""
    best = doubtful
    for degrees in range(0, 360, LOOK_STEP_DEG):
        to_picture = _turned(doubtful, math.radians(degrees))
        patch = warp(pixels, to_picture, (LOOK_PX, LOOK_PX))
        for answer in network.run(patch):
            central = np.abs(answer.centre + 0.5 - LOOK_PX / 2).max() < LOOK_FACE_PX / 2
            if central and answer.score > best.score:
                best = answer.mapped(to_picture)
    return best


def _turned(face: Answer, radians: float) -> FloatArray:
    """Map from the patch a face is looked at in to the picture, both continuous."""
    scale = face.side / LOOK_FACE_PX
    c, s = scale * math.cos(radians), scale * math.sin(radians)
    matrix = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    matrix[:2, 2] = face.centre + 0.5 - matrix[:2, :2] @ np.full(2, LOOK_PX / 2)
    return matrix


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV 5 warns of a setting that its own detector makes."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
