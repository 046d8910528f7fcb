"""The small pictures that networks of perception look at, cut from an aligned crop by its landmarks.

Two conventions: dlib's *face chip* (King 2009, ``get_face_chip_details``; Boost licence), by a similarity that brings
the landmarks to a mean face, and face-api.js's upright rectangle around them. Each is sampled once, antialiased
(:mod:`drfhq_tools.warp`), where dlib goes through a pyramid; beyond the crop's rim its edge is repeated.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from drfhq_tools.geometry import FloatArray
from drfhq_tools.records import Pixels
from drfhq_tools.warp import CONSTANT, warp

_USED: Final = [*range(27, 55), *range(60, 65)]  # nose, eyes, upper lip, mouth corners: dlib leaves out what moves most
# fmt: off
_X = (
    0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036, 0.490127, 0.554217, 0.613373,
    0.121737, 0.187122, 0.265825, 0.334606, 0.260918, 0.182743, 0.645647, 0.714428, 0.793132, 0.858516, 0.79751,
    0.719335, 0.254149, 0.340985, 0.428858, 0.490127, 0.551395, 0.639268, 0.726104, 0.290379, 0.428096, 0.490127,
    0.552157, 0.689874,
)
_Y = (
    0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345, 0.587326,
    0.216423, 0.178758, 0.179852, 0.231733, 0.245099, 0.244077, 0.231733, 0.179852, 0.178758, 0.216423, 0.244077,
    0.245099, 0.780233, 0.745405, 0.727388, 0.742578, 0.727388, 0.745405, 0.780233, 0.784792, 0.778746, 0.785343,
    0.778746, 0.784792,
)
# fmt: on
MEAN_FACE: Final = np.column_stack([_X, _Y])
"""(33, 2) where dlib's mean face has the landmarks it uses, in shares of a chip without padding."""


def dlib_chip(crop: Pixels, landmarks: FloatArray, size: int, padding: float) -> Pixels:
    """dlib's face chip, (size, size, 3) uint8, of a face in ``crop`` (H, W, 3).

    ``landmarks`` (68, 2) iBUG in pixel-index coordinates; ``padding`` is the rim around the mean face, as a share of
    that face's side.
    """
    return warp(crop, chip_matrix(landmarks, size, padding), (size, size))


def rectangle_chip(crop: Pixels, landmarks: FloatArray, size: int, padding: float) -> Pixels:
    """face-api.js's input, (size, size, 3) uint8: the upright rectangle around the landmarks, centred on black.

    ``padding`` widens it either way, by that share of its width and height in all.
    """
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    extent = (high - low) * (1 + padding)
    scale = float(extent.max()) / size
    matrix = np.diag([scale, scale, 1.0])
    matrix[:2, 2] = (low + high) / 2 + 0.5 - scale * size / 2
    square = warp(crop, matrix, (size, size), border=CONSTANT)
    centres = np.abs(np.arange(size) + 0.5 - size / 2) * scale
    across, down = centres <= extent[0] / 2, centres <= extent[1] / 2
    return np.asarray(square * (down[:, None, None] & across[None, :, None]), dtype=np.uint8)


def chip_matrix(landmarks: FloatArray, size: int, padding: float) -> FloatArray:
    """(3, 3) similarity from the chip's to the crop's *continuous* coordinates.

    As dlib has it: the centre is where the fit brings size / 2, and the centres of the outermost pixels lie on the rims
    of a square one pixel smaller than the fit makes it, in the crop as in the chip.
    """
    fit = similarity((MEAN_FACE + padding) / (2 * padding + 1) * size, landmarks[_USED])
    side = size * float(np.hypot(fit[0, 0], fit[1, 0]))
    matrix = np.eye(3)
    matrix[:2, :2] = fit[:2, :2] * (side - 1) / side * size / (size - 1)
    centre = np.full(2, size / 2)
    matrix[:2, 2] = (fit @ [*centre, 1.0])[:2] + 0.5 - matrix[:2, :2] @ centre
    return matrix


def similarity(points: FloatArray, images: FloatArray) -> FloatArray:
    """(3, 3): the rotation, scale and shift that bring ``points`` (N, 2) nearest to ``images`` by least squares.

    In complex numbers, w = a·z + b with a = Σ conj(z − z̄)(w − w̄) / Σ |z − z̄|²: Umeyama (1991) without reflections.
    """
    z, w = points @ _COMPLEX, images @ _COMPLEX
    spread, target = z - z.mean(), w - w.mean()
    a = np.vdot(spread, target) / np.vdot(spread, spread).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0.0, 0.0, 1.0]])


_COMPLEX: Final = np.array([1.0, 1.0j])
