"""The scene's light on a face: what is slow across the face, and its colour on the whole, made another picture's.

Light multiplies, so gains are taken in linear sRGB (IEC 61966-2-1), channel by channel: the ratio of the two faces'
local means. A mean over a share of the face follows a lamp at one side or a tinted wall, and leaves features alone.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from transfer.scenes.colour import FloatPixels

_REACH: Final = 0.12
"""Deviation of the local mean, as a share of the crop's side."""
_MOST_GAIN: Final = 2.0
_DARK: Final = 0.01
"""Added to both means, linear: where both are black the gain is 1."""


def match_light(face: FloatPixels, scene: FloatPixels, mask: FloatPixels) -> FloatPixels:
    """``face`` (R, R, 3) sRGB in [0, 1] with the local mean light of ``scene`` (R, R, 3) where ``mask`` (R, R) is."""
    if not mask.any():
        return face
    linear = _to_linear(face)
    gain = (_local_mean(_to_linear(scene), mask) + _DARK) / (_local_mean(linear, mask) + _DARK)
    return _to_srgb(linear * gain.clip(1 / _MOST_GAIN, _MOST_GAIN))


def match_colour(face: FloatPixels, a: FloatPixels, b: FloatPixels, share: float, mask: FloatPixels) -> FloatPixels:
    """``face`` with the mean and deviation, in CIE Lab under ``mask``, that lie ``share`` of the way from ``a``'s to
    ``b``'s (Reinhard et al. 2001, "Color Transfer between Images")."""
    if not mask.any():
        return face
    lab = _lab(face)
    (mean, deviation), *ends = (_statistics(values, mask) for values in (lab, _lab(a), _lab(b)))
    wanted_mean, wanted_deviation = (low + (high - low) * share for low, high in zip(*ends, strict=True))
    moved = (lab - mean) * (wanted_deviation / np.maximum(deviation, 1e-3)) + wanted_mean
    rgb = cv2.cvtColor(moved.astype(np.float32), cv2.COLOR_Lab2RGB)
    return np.asarray(rgb, dtype=np.float32).clip(0, 1)


def _lab(rgb: FloatPixels) -> FloatPixels:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb, dtype=np.float32), cv2.COLOR_RGB2Lab), dtype=np.float32)


def _statistics(lab: FloatPixels, mask: FloatPixels) -> tuple[FloatPixels, FloatPixels]:
    """Mean and deviation (3,) under the mask."""
    weights = mask[..., None] / mask.sum()
    mean = (lab * weights).sum(axis=(0, 1))
    return mean, np.asarray(np.sqrt(((lab - mean) ** 2 * weights).sum(axis=(0, 1))))


def _local_mean(linear: FloatPixels, mask: FloatPixels) -> FloatPixels:
    """Under the mask; far from it, the mean of all that is under it."""
    deviation = _REACH * len(mask)
    weight = mask[..., None]
    whole = (linear * weight).sum(axis=(0, 1)) / weight.sum()
    far = 1e-3
    total, share = (cv2.GaussianBlur(values, (0, 0), deviation) for values in (linear * weight, mask))
    return np.asarray((total + far * whole) / (share[..., None] + far), dtype=np.float32)


def _to_linear(srgb: FloatPixels) -> FloatPixels:
    x = srgb.clip(0, 1)
    return np.asarray(np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4), dtype=np.float32)


def _to_srgb(linear: FloatPixels) -> FloatPixels:
    x = linear.clip(0, 1)
    return np.asarray(np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055), dtype=np.float32)
