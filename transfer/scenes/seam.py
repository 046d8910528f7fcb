"""A face whose colours meet the picture's along the rim of its mask, its gradients kept.

Of all pictures with the face's gradients and the picture's values around it, Poisson's equation gives one (Pérez,
Gangnet and Blake 2003, "Poisson Image Editing"). It is the face plus a membrane: the harmonic function that takes, on
the rim, the difference of picture and face. Being smooth, the membrane is solved for on a small grid whatever the
face's size, exactly, by a sparse factorisation.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from transfer.scenes.colour import FloatPixels

BoolArray = npt.NDArray[np.bool_]

_GRID_PX: Final = 96
_RIM: Final = 0.8
"""Where the mask is this much, in its soft edge, face and picture are to meet: further out is hair or background."""
_ALONG: Final = 3.0
"""Deviation of the mean along the rim, in grid pixels: one strand of hair must not tint the cheek."""
_MOST: Final = 0.25
"""Larger differences at the rim are another thing than the face's skin, and count as this much."""


def meet(face: FloatPixels, scene: FloatPixels, mask: FloatPixels) -> FloatPixels:
    """``face`` (R, R, 3) in [0, 1] plus the membrane that brings it to ``scene`` along the rim of ``mask`` (R, R)."""
    side = min(_GRID_PX, len(face))
    small = (side, side)
    difference, share = (cv2.resize(values, small, interpolation=cv2.INTER_AREA) for values in (scene - face, mask))
    inside = np.asarray(share > _RIM)
    inside[[0, -1]] = inside[:, [0, -1]] = False  # so that every unknown has four neighbours
    if not inside.any():
        return face
    rim = inside & (cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    known = _mean_near(np.asarray(difference.clip(-_MOST, _MOST), dtype=np.float32), rim)
    membrane = cv2.resize(_harmonic(known, inside & ~rim), face.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray((face + membrane).clip(0, 1), dtype=np.float32)


def _mean_near(values: FloatPixels, where: BoolArray) -> FloatPixels:
    """The mean of what ``values`` (H, W, C) are ``where``, taken nearby; far off, of all of it."""
    weight = where.astype(np.float32)[..., None]
    total, share = (cv2.GaussianBlur(each, (0, 0), _ALONG) for each in (values * weight, weight))
    far = 1e-3
    return np.asarray((total + far * values[where].mean(axis=0)) / (share[..., None] + far), dtype=np.float32)


def _harmonic(values: FloatPixels, inside: BoolArray) -> FloatPixels:
    """``values`` (H, W, C), with those ``inside`` replaced by the mean of their four neighbours everywhere."""
    count = int(inside.sum())
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(count)
    y, x = np.nonzero(inside)
    rows, columns = [np.arange(count)], [np.arange(count)]
    entries = [np.full(count, 4.0)]
    known = np.zeros((count, values.shape[2]))
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        neighbour = number[y + dy, x + dx]
        free = neighbour >= 0
        rows.append(np.flatnonzero(free))
        columns.append(neighbour[free])
        entries.append(np.full(int(free.sum()), -1.0))
        known[~free] += values[y + dy, x + dx][~free]
    system = coo_array((np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), (count, count))
    out = values.copy()
    out[inside] = splu(system.tocsc()).solve(known)
    return out
