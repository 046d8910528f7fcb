"""Bias, leaky rectifier with variance-preserving gain, and clamp.

Source: Karras et al. 2019 and 2020 (StyleGAN, StyleGAN2).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

LEAK = 0.2
GAIN = 2.0**0.5


def lrelu_bias(x: Tensor, bias: Tensor, *, gain: float = GAIN, clamp: float | None = None) -> Tensor:
    """``gain · lrelu(x + bias, 0.2)``, limited to ±``clamp``; ``bias`` (C,) is added along dimension 1 of (N, C, …)."""
    x = add_bias(x, bias)
    x = functional.leaky_relu(x, LEAK) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """``x + bias`` along dimension 1, in the dtype of ``x``."""
    return x + bias.to(x.dtype).view(1, -1, *[1] * (x.ndim - 2))
