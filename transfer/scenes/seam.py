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
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from transfer.scenes.colour import FloatPixels

_GRID_PX: Final = 96
_SMOOTH_PX: Final = 1.5
"""Deviation of the blur, in grid pixels, that keeps one strand of hair at the rim from tinting the cheek."""
_MOST: Final = 0.3
"""Larger differences at the rim are another thing than the face's skin, and count as this much."""


def meet(face: FloatPixels, scene: FloatPixels, mask: FloatPixels) -> FloatPixels:
    """``face`` (R, R, 3) in [0, 1] plus the membrane that brings it to ``scene`` where ``mask`` (R, R) ends."""
    side = min(_GRID_PX, len(face))
    small = (side, side)
    difference = cv2.resize(scene - face, small, interpolation=cv2.INTER_AREA)
    rim = cv2.GaussianBlur(difference, (0, 0), _SMOOTH_PX).clip(-_MOST, _MOST)
    inside = cv2.resize(mask, small, interpolation=cv2.INTER_AREA) > 0
    inside[[0, -1]] = inside[:, [0, -1]] = False  # the grid's own rim is known, so that every unknown has neighbours
    if not inside.any():
        return face
    membrane = cv2.resize(_harmonic(rim, inside), face.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray((face + membrane).clip(0, 1), dtype=np.float32)


def _harmonic(values: FloatPixels, inside: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> FloatPixels:
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
