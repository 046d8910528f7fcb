"""FIR resampling: zero-insert, filter, decimate, with the binomial [1, 3, 3, 1] filter of StyleGAN2.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", appendix B, after Zhang 2019,
"Making Convolutional Networks Shift-Invariant Again". Filters are separable, so each pass is two depthwise
convolutions of four taps. The taps are exact in bfloat16.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TAPS = (1.0, 3.0, 3.0, 1.0)


def blur(images: Tensor, pad: tuple[int, int], *, gain: float = 1.0, stride: int = 1) -> Tensor:
    """Filter (N, C, H, W) with the normalised binomial; ``pad`` zeros go before and after on both axes.

    Returns (N, C, H', W') with H' = (H + pad₀ + pad₁ − 4) // stride + 1.
    """
    before, after = pad
    images = functional.pad(images, [before, after, before, after])
    channels = images.shape[1]
    taps = _taps(images, gain**0.5)
    column = taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1)
    row = taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4)
    images = functional.conv2d(images, column, stride=(stride, 1), groups=channels)
    return functional.conv2d(images, row, stride=(1, stride), groups=channels)


def upsample2(images: Tensor) -> Tensor:
    """Double (N, C, H, W) to (N, C, 2H, 2W): the ×4 gain makes up for the inserted zeros."""
    channels = images.shape[1]
    taps = _taps(images, 2.0)
    column = taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1)
    row = taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4)
    images = functional.conv_transpose2d(images, column, stride=(2, 1), padding=(1, 0), groups=channels)
    return functional.conv_transpose2d(images, row, stride=(1, 2), padding=(0, 1), groups=channels)


def _taps(like: Tensor, gain: float) -> Tensor:
    taps = torch.tensor(TAPS, dtype=like.dtype, device=like.device)
    return taps * (gain / sum(TAPS))
