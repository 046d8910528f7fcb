"""A picture at another size."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def resized(pixels: Pixels, size: int) -> Pixels:
    """(H, W, 3) uint8 → (size, size, 3): averaged over area when shrinking, cubic when growing."""
    if pixels.shape[:2] == (size, size):
        return pixels
    method = cv2.INTER_AREA if pixels.shape[0] > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=method), dtype=np.uint8)
