"""FIR resampling: zero-insert, filter, decimate, with the binomial [1, 3, 3, 1] filter of StyleGAN2.

One depthwise convolution of 4 × 4 taps each way: samples that decimation drops and products with inserted zeros are
never computed. On the CPUs measured, two passes of four taps cost up to twice as much, for memory bounds both. The taps
are exact in bfloat16 and float16.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", appendix B, after Zhang 2019,
"Making Convolutional Networks Shift-Invariant Again".
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TAPS = (1.0, 3.0, 3.0, 1.0)


def blur(images: Tensor, pad: int, bias: Tensor | None = None, *, gain: float = 1.0, stride: int = 1) -> Tensor:
    """Filter (N, C, H, W) with the normalised binomial after ``pad`` zeros on every side, then add ``bias`` (C,).

    Returns (N, C, H', W') with H' = (H + 2 pad − 4) // stride + 1.
    """
    kernel = _kernel(images, gain)
    return functional.conv2d(images, kernel, bias, padding=pad, stride=stride, groups=images.shape[1])


def upsample2(images: Tensor) -> Tensor:
    """Double (N, C, H, W) to (N, C, 2H, 2W): the ×4 gain makes up for the inserted zeros."""
    return functional.conv_transpose2d(images, _kernel(images, 4.0), stride=2, padding=1, groups=images.shape[1])


def _kernel(like: Tensor, gain: float) -> Tensor:
    """(C, 1, 4, 4) in the dtype of ``like``."""
    taps = torch.tensor(TAPS, dtype=like.dtype, device=like.device)
    kernel = taps[:, None] * taps[None, :] * (gain / sum(TAPS) ** 2)
    return kernel.expand(like.shape[1], 1, 4, 4)
