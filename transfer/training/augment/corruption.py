"""Image-space filtering and corruption: bands amplified, noise, a cut-out.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix B. Its authors found
these to help little beside the other groups (section 3), hence they are not among the usual ones.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from transfer.training.augment.matrices import Array, lognormal, normal
from transfer.training.augment.warp import handed, mirrored

FILTER_NUMBERS = 4 * 2
CORRUPTION_NUMBERS = 3 + 3
NOISE = 0.1
"""Standard deviation of the noise's strength, before its sign is dropped."""
BAND_POWER = np.array([10.0, 1.0, 1.0, 1.0]) / 13.0
"""The share of a natural picture's power in each octave, lowest first."""


def gains(numbers: Array, p: float) -> Array:
    """(N, 8) → (N, 4): how much each octave is amplified, lowest first; a picture's expected power is kept."""
    product = np.ones((len(numbers), 4))
    for band in range(4):
        on, strength = numbers[:, 2 * band], numbers[:, 2 * band + 1]
        gain = np.ones_like(product)
        gain[:, band] = np.where(on < p, lognormal(strength, 1.0), 1.0)
        product *= np.where((on < p)[:, None], gain / np.sqrt((gain**2 * BAND_POWER).sum(1, keepdims=True)), 1.0)
    return product


def filtered(images: Tensor, amplified: Array) -> Tensor:
    """Amplify the octaves of (N, C, R, R) by (N, 4), rows and columns alike."""
    count, channels, side, _ = images.shape
    taps = handed(amplified @ octaves(), images)
    kernels = taps.repeat_interleave(channels, 0)
    planes = mirrored(images, octaves().shape[1] // 2).flatten(0, 1)[None]
    planes = functional.conv2d(planes, kernels[:, None, None, :], groups=count * channels)
    planes = functional.conv2d(planes, kernels[:, None, :, None], groups=count * channels)
    return planes.reshape(count, channels, side, side)


@cache
def octaves() -> Array:
    """(4, 43): symmetric filters for [0, π/8], [π/8, π/4], [π/4, π/2], [π/2, π] that add up to doing nothing.

    The low-pass is the autocorrelation of Daubechies' filter with two vanishing moments, the high-pass what it leaves.
    """
    sqrt3 = math.sqrt(3.0)
    wavelet = np.array([1 + sqrt3, 3 + sqrt3, 3 - sqrt3, 1 - sqrt3]) / (4 * math.sqrt(2.0))
    low = np.correlate(wavelet, wavelet, mode="full") / 2
    rest, bands = np.ones(1), []
    for octave in range(3):
        spread = np.zeros(6 * 2**octave + 1)
        spread[:: 2**octave] = low
        kept = np.convolve(rest, spread)
        bands.append(_centred(rest, len(kept)) - kept)
        rest = kept
    return np.stack([_centred(band, len(rest)) for band in [rest, *reversed(bands)]])


def noise(images: Tensor, numbers: Array) -> Tensor:
    """Add normal noise of a half-normal strength to (N, C, R, R). ``numbers`` (N, 2): the strength, the noise's seed.

    The noise is drawn on the host, so that every device sees the same.
    """
    strengths = np.abs(normal(numbers[:, 0])) * NOISE
    drawn = [
        strength * np.random.Generator(np.random.Philox(int(seed * 2**53))).standard_normal(images.shape[1:])
        for strength, seed in zip(strengths, numbers[:, 1], strict=True)
    ]
    return images + handed(np.stack(drawn), images)


def hole(images: Tensor, centres: Array) -> Tensor:
    """Set a square of half the side to zero in (N, C, R, R); ``centres`` (N, 2), x and y, are shares of the side."""
    side = images.shape[-1]
    at = (torch.arange(side, device=images.device, dtype=torch.float32) + 0.5) / side
    x, y = handed(centres, at)[:, :, None].unbind(1)
    inside = ((at - y).abs() < 0.25)[:, :, None] & ((at - x).abs() < 0.25)[:, None, :]
    return images.masked_fill(inside[:, None], 0.0)


def _centred(taps: Array, length: int) -> Array:
    return np.pad(taps, (length - len(taps)) // 2)
