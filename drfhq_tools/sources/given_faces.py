"""Landmarks given beside a picture, for the detector ``precomputed``: checked, so that nonsense ends as a reject.

In x.json: ``"faces": [{"landmarks": [[x, y], … 68 of them], "box": [x0, y0, x1, y1]}, …]``, the box optional. In a
table, for pictures of one face: a column ``landmarks`` of 68 pairs or 136 numbers x0 y0 x1 y1 …, a list in Parquet and
its JSON in CSV. Points are in iBUG's order and in pixels of the upright picture, where (0, 0) is the first pixel's
centre.
"""

from __future__ import annotations

import json
from typing import Final

import numpy as np

from drfhq_tools.errors import SidecarError
from drfhq_tools.geometry import FloatArray, eye_and_mouth_means, ffhq_quad
from drfhq_tools.records import GivenFace

FACES: Final = "faces"
LANDMARKS: Final = "landmarks"
FACE_FIELDS: Final = frozenset({FACES, LANDMARKS})

_MAX_FACES: Final = 1000
_MAX_PX: Final = 1e6
_MIN_SIDE_PX: Final = 16.0
_POINTS: Final = 68


def read_faces(name: str, value: object) -> tuple[GivenFace, ...]:
    """The faces in the field ``name``, one of :data:`FACE_FIELDS`.

    Raises:
        SidecarError: they are not what the module says.
    """
    if name == LANDMARKS:
        return (_face({LANDMARKS: _from_text(value)}, LANDMARKS),)
    faces = _from_text(value)
    if not isinstance(faces, list) or len(faces) > _MAX_FACES:
        raise SidecarError(f'{FACES} must be a list of objects such as {{"landmarks": [[x, y], …]}}')
    return tuple(_face(face, f"{FACES}[{index}]") for index, face in enumerate(faces))


def _from_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise SidecarError(f"{LANDMARKS} is no valid JSON: {error}") from error


def _face(face: object, where: str) -> GivenFace:
    if not isinstance(face, dict):
        raise SidecarError(f"{where} must be an object with landmarks")
    points = _numbers(face.get(LANDMARKS))
    if points is None or points.size != 2 * _POINTS or points.ndim > 2 or (points.ndim == 2 and points.shape[1] != 2):
        raise SidecarError(f"{where} must hold {_POINTS} landmarks, each x and y in pixels")
    _check_order(points.reshape(-1, 2), where)
    return GivenFace(landmarks=tuple(points.reshape(-1).tolist()), box=_box(face.get("box"), where))


def _check_order(points: FloatArray, where: str) -> None:
    """Refuse landmarks that no upright picture can show: a crop made of them would be upside down."""
    eye_left, eye_right, mouth = eye_and_mouth_means(points)
    across, down = eye_right - eye_left, mouth - (eye_left + eye_right) / 2
    if across[0] * down[1] - across[1] * down[0] <= 0:
        raise SidecarError(
            f"{where} holds landmarks in mirrored order; points 36 to 41 are the eye on the viewer's left, and y grows "
            "downwards"
        )
    if ffhq_quad(points).side_px < _MIN_SIDE_PX:
        raise SidecarError(f"{where} holds a face of a few pixels at most; landmarks must be in pixels")


def _box(value: object, where: str) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    numbers = _numbers(value)
    if numbers is None or numbers.shape != (4,) or not (numbers[:2] < numbers[2:]).all():
        raise SidecarError(f"{where}: box must be x0, y0, x1, y1 with x0 < x1 and y0 < y1")
    x0, y0, x1, y1 = numbers.tolist()
    return x0, y0, x1, y1


def _numbers(value: object) -> FloatArray | None:
    """A list of numbers, or of lists of them, as an array; None where it is anything else or no place in a picture."""
    if not isinstance(value, list):
        return None
    flat = [number for item in value for number in (item if isinstance(item, list) else [item])]
    if any(isinstance(number, bool) or not isinstance(number, (int, float)) for number in flat):
        return None
    try:
        numbers = np.array(value, dtype=np.float64)
    except (ValueError, OverflowError):  # ragged, or digits beyond a float
        return None
    return numbers if bool((np.abs(numbers) <= _MAX_PX).all()) else None
