"""YuNet, a small CNN for faces of any roll (Wu, Peng and Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector"),
run by OpenCV. No package ships its weights (ONNX, Apache-2.0).

It was trained on faces of 10 to 300 pixels, so it looks at small copies alone: one for large faces and one for small,
their answers merged. Its five points place the box that the 68-point model starts from, tilted as the head is: they
tell place and size of a face better than its box does, and stand upside down where the face does.
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
from drfhq_tools.detect.landmarks import FaceBox
from drfhq_tools.errors import ModelFileError
from drfhq_tools.geometry import FloatArray, square_of
from drfhq_tools.models import resolve
from drfhq_tools.records import Detection, Pixels
from drfhq_tools.warp import shrink

YUNET: Final = "yunet"
LONGEST_SIDES_PX: Final = (640, 320)
MIN_SCORE: Final = 0.6
# Where the box that the 68-point model expects lies in the FFHQ square of YuNet's eyes and mouth corners, in shares of
# its side: medians over 132 renders and 200 photo-like portraits; the size then deviates by 5 %, the place by 1 %.
BOX_SHARE: Final = 0.587
BOX_DROP: Final = 0.112
_POINTS: Final = slice(4, 14)  # of an answer's 15 numbers: box, eye, eye, nose tip, mouth corners, score
_SCORE: Final = 14


@dataclass(frozen=True, slots=True)
class YuNet:
    """YuNet on two small copies, with the weights in ``settings.weights`` or the models folder."""

    settings: DetectorSettings = field(default_factory=DetectorSettings)
    name: str = YUNET

    def detect(self, pixels: Pixels) -> list[Detection]:
        """See :class:`drfhq_tools.detect.base.Detector`."""
        network = load_network(self.settings.weights or resolve(YUNET).path)
        hits = [
            Hit(box, float(answer[_SCORE]), self.name)
            for answer in _answers(network, pixels)
            if (box := face_box(answer[_POINTS].reshape(5, 2))).side >= self.settings.min_face_px
        ]
        return faces_of(pixels, hits)


def face_box(points: FloatArray) -> FaceBox:
    """The square around a face of YuNet's (5, 2) points in pixel-index coordinates: eyes, nose tip, mouth corners."""
    quad = square_of(points[0], points[1], points[3:].mean(axis=0))
    across = quad.corners[3] - quad.corners[0]
    down = np.array([-across[1], across[0]])
    x, y = quad.centre + BOX_DROP * down + 0.5
    return FaceBox(float(x), float(y), BOX_SHARE * quad.side_px, math.atan2(across[1], across[0]))


class Network:
    """OpenCV's FaceDetectorYN, which holds one picture's size at a time: a lock lets threads share it."""

    def __init__(self, path: Path) -> None:
        """Raises cv2.error where the file holds another network, OSError where it cannot be read."""
        # The bytes, not the path: OpenCV cannot open every path on Windows.
        weights = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        with _quiet():
            self._yn = cv2.FaceDetectorYN.create("onnx", weights, np.zeros(0, np.uint8), (64, 64), MIN_SCORE)
        self._lock = threading.Lock()

    def run(self, pixels: Pixels) -> FloatArray:
        """(N, 15) float64 of an RGB picture: box x, y, w, h, five points x, y, score."""
        bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        with self._lock:
            self._yn.setInputSize((pixels.shape[1], pixels.shape[0]))
            _, found = self._yn.detect(bgr)
        return np.zeros((0, 15)) if found is None else np.asarray(found, dtype=np.float64)


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


def _answers(network: Network, pixels: Pixels) -> Iterator[FloatArray]:
    """YuNet's answers on each copy, in pixel-index coordinates of the picture."""
    longest = max(pixels.shape[:2])
    factor = max(1, longest // LONGEST_SIDES_PX[0])
    copy = shrink(pixels, factor)
    for side in sorted({min(side, longest // factor) for side in LONGEST_SIDES_PX}, reverse=True):
        height, width = copy.shape[:2]
        ratio = min(1.0, side / max(height, width))
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        small = np.asarray(cv2.resize(copy, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        scale = factor * np.array([width, height]) / size
        for answer in network.run(small):
            points = (answer[_POINTS].reshape(5, 2) + 0.5) * scale - 0.5
            yield np.concatenate([answer[: _POINTS.start], points.reshape(-1), answer[_SCORE:]])


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV 5 warns of a setting that its own detector makes."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
