"""Modulated, demodulated convolution, by scaling activations instead of weights.

Source: Karras et al. 2020 (StyleGAN2), equations 1 to 3. Scaling input channels by the style s and output channels by
1 / sqrt(Σ (w·s)²) equals convolving each sample with its own weights, and keeps one dense convolution a batch.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from transfer.ops.upfirdn import blur

EPSILON = 1e-8


def modulated_conv2d(x: Tensor, weight: Tensor, styles: Tensor, *, demodulate: bool = True, up: bool = False) -> Tensor:
    """Convolve ``x`` (N, I, H, W) with ``weight`` (O, I, k, k) modulated by ``styles`` (N, I).

    Returns (N, O, H, W), or (N, O, 2H, 2W) with ``up``: a transposed convolution of stride 2 and the FIR filter.
    """
    gains = demodulation(weight, styles) if demodulate else None
    x = x * styles.to(x.dtype)[:, :, None, None]
    if up:
        x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        x = blur(x, (1, 1), gain=4.0)
    else:
        x = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
    return x if gains is None else x * gains.to(x.dtype)[:, :, None, None]


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """(N, O) factors 1 / sqrt(Σ (w·s)² + ε) that give each output channel unit variance for unit-variance input."""
    energy = weight.square().sum(dim=(2, 3))
    return (styles.square() @ energy.t() + EPSILON).rsqrt()
