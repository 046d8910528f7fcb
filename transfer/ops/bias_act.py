"""Bias, leaky rectifier and clamp.

The variance-preserving gain √2 of StyleGAN2 is not applied here but by whoever scales the weights: the rectifier is
positively homogeneous, √2 · lrelu(x + b) = lrelu(√2·x + √2·b), so the gain costs no pass over the activations.

Source: Karras et al. 2019 and 2020 (StyleGAN, StyleGAN2).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

LEAK = 0.2
GAIN = 2.0**0.5


def lrelu_(x: Tensor, *, clamp: float | None = None) -> Tensor:
    """``lrelu(x, 0.2)``, limited to ±``clamp``; ``x``, any shape, is overwritten."""
    x = functional.leaky_relu(x, LEAK, inplace=True)
    if clamp is None:
        return x
    return x.clamp(-clamp, clamp) if x.requires_grad else x.clamp_(-clamp, clamp)


def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """``x + bias`` in the dtype of ``x``; ``bias`` (C,) is added along dimension 1 of (N, C, …)."""
    return x + bias.to(x.dtype).view(1, -1, *[1] * (x.ndim - 2))
