"""Layers of small convolutional networks in numpy, for one picture at a time: float32 arrays (rows, columns, channels).

Enough for the networks of some hundred thousand parameters that label faces; importing PyTorch in every worker process
would take longer and more memory than they do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Padding = tuple[tuple[int, int], tuple[int, int]]
"""Rows before and after, columns before and after."""


def same(x: Array, side: int, stride: int) -> Padding:
    """TensorFlow's padding "same": output sizes are input sizes / stride, rounded up; the odd pixel comes after."""
    totals = [max((-(-length // stride) - 1) * stride + side - length, 0) for length in x.shape[:2]]
    rows, columns = ((total // 2, total - total // 2) for total in totals)
    return rows, columns


def even(pixels: int) -> Padding:
    """So many on each side."""
    return (pixels, pixels), (pixels, pixels)


def taps(x: Array, side: int, stride: int, padding: Padding, fill: float = 0.0) -> list[Array]:
    """What each of the side² places of a sliding window sees, by rows: views (rows, columns, channels)."""
    padded = np.pad(x, (*padding, (0, 0)), constant_values=fill)
    rows, columns = ((length - side) // stride + 1 for length in padded.shape[:2])
    return [
        padded[i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride]
        for i in range(side)
        for j in range(side)
    ]


def convolution(x: Array, weight: Array, bias: Array, stride: int, padding: Padding) -> Array:
    """``weight`` (side, side, in, out), ``bias`` (out,)."""
    side, _, channels, filters = weight.shape
    seen = np.concatenate(taps(x, side, stride, padding), axis=2)
    return np.asarray(seen @ weight.reshape(side * side * channels, filters) + bias)


def depthwise(x: Array, weight: Array, padding: Padding) -> Array:
    """A filter of its own for each channel: ``weight`` (side, side, channels), stride 1."""
    side, _, channels = weight.shape
    out = np.zeros(1, np.float32)
    for tap, factor in zip(taps(x, side, 1, padding), weight.reshape(-1, channels), strict=True):
        out = out + tap * factor
    return out


def max_pool(x: Array, side: int, stride: int, padding: Padding) -> Array:
    """Pixels of the padding never win."""
    return np.asarray(np.maximum.reduce(taps(x, side, stride, padding, fill=-np.inf)))


def average_pool(x: Array, side: int, stride: int) -> Array:
    """Means of whole windows."""
    return np.asarray(sum(taps(x, side, stride, even(0))) / np.float32(side * side))


def relu(x: Array) -> Array:
    """What is above 0."""
    return np.maximum(x, np.float32(0))
