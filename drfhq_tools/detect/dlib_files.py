"""dlib's models, found in the installed package face_recognition_models. The landmark model is loaded once a process,
the detectors once a thread: they keep what they work with in themselves.

The package itself cannot be imported (it asks for pkg_resources, which current setuptools lacks), so only its folder is
used. The 68-point model was trained on iBUG 300-W: research use only. dlib's own code is under the Boost licence.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

import dlib
import numpy as np
import numpy.typing as npt

from drfhq_tools.models import package_file as model_path

Grey = npt.NDArray[np.uint8]
Model = TypeVar("Model")


class Point(Protocol):
    """dlib.point: integer pixel indices."""

    x: int
    y: int


class Rectangle(Protocol):
    """dlib.rectangle: integer pixel indices, right and bottom included."""

    def left(self) -> int: ...
    def top(self) -> int: ...
    def right(self) -> int: ...
    def bottom(self) -> int: ...


class HogDetector(Protocol):
    """dlib.fhog_object_detector."""

    def run(
        self, image: npt.NDArray[np.uint8], upsample_num_times: int, adjust_threshold: float
    ) -> tuple[Sequence[Rectangle], Sequence[float], Sequence[int]]: ...


class CnnHit(Protocol):
    """dlib.mmod_rectangle."""

    rect: Rectangle
    confidence: float


class CnnDetector(Protocol):
    """dlib.cnn_face_detection_model_v1."""

    def __call__(self, image: npt.NDArray[np.uint8], upsample_num_times: int) -> Sequence[CnnHit]: ...


class Shape(Protocol):
    """dlib.full_object_detection."""

    def parts(self) -> Sequence[Point]: ...


class ShapePredictor(Protocol):
    """dlib.shape_predictor."""

    def __call__(self, image: npt.NDArray[np.uint8], box: Rectangle) -> Shape: ...


def _once_a_thread(load: Callable[[], Model]) -> Callable[[], Model]:
    kept = threading.local()

    @functools.wraps(load)
    def loaded() -> Model:
        if not hasattr(kept, "model"):
            kept.model = load()
        return cast(Model, kept.model)

    return loaded


@_once_a_thread
def hog() -> HogDetector:
    """The frontal HOG detector, which is part of dlib itself."""
    return cast(HogDetector, dlib.get_frontal_face_detector())


@_once_a_thread
def mmod() -> CnnDetector:
    """The max-margin CNN detector."""
    return cast(CnnDetector, dlib.cnn_face_detection_model_v1(str(model_path("mmod_human_face_detector.dat"))))


@functools.cache
def shape_predictor() -> ShapePredictor:
    """The 68-point landmark model (Kazemi and Sullivan 2014, trained on iBUG 300-W)."""
    return cast(ShapePredictor, dlib.shape_predictor(str(model_path("shape_predictor_68_face_landmarks.dat"))))


def rectangle(left: int, top: int, right: int, bottom: int) -> Rectangle:
    """A dlib.rectangle."""
    return cast(Rectangle, dlib.rectangle(left, top, right, bottom))
