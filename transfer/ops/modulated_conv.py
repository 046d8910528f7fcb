"""Modulated, demodulated convolution, with the noise and bias that follow it.

Two equal ways. Each sample's own weights, where there is one sample, nothing to differentiate and fewer weights than
activations. Otherwise input channels scaled by the style s and output channels by 1 / sqrt(Σ (w·s)²), which keeps one
dense convolution a batch, and a style's gradient one sum. An RGB layer has three output channels and no demodulation:
there each sample's own weights are tiny, and a matrix product with them spares the pass over the activations.

In half precision styles are brought to at most 1 first, which demodulation undoes: products stay in range and keep
their precision. Sources: Karras et al. 2020 (StyleGAN2), equations 1 to 3; Karras et al. 2020 (StyleGAN2-ADA) for half
precision.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from transfer.ops.convolution import conv3x3
from transfer.ops.upfirdn import blur

EPSILON = 1e-8


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    bias: Tensor,
    noise: Tensor | None = None,
    *,
    up: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Convolve ``x`` (N, I, H, W) with ``weight`` (O, I, 3, 3) modulated by ``styles`` (N, I), and demodulate.

    Returns (N, O, H, W), or (N, O, 2H, 2W) with ``up`` (a transposed convolution of stride 2 and the FIR filter), times
    ``gain``, plus ``noise`` (… H', W') and ``bias`` (O,), in the dtype of ``x``; weights are modulated in their own.
    """
    if x.dtype != styles.dtype:
        styles = styles / styles.abs().amax(dim=1, keepdim=True)
    scales = demodulation(weight, styles) * gain
    bias = bias.to(x.dtype)
    if _own_weights_pay(x, weight, styles):
        own = weight * (scales.t() @ styles)[:, :, None, None]
        y = _convolve(x, own.to(x.dtype), bias, up=up)
    else:
        y = _convolve(x * styles.to(x.dtype)[:, :, None, None], weight.to(x.dtype), None, up=up)
        y = (y * scales.to(y.dtype)[:, :, None, None]).add_(bias[:, None, None])
    return y if noise is None else y.add_(noise.to(y.dtype))


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """(N, O) factors 1 / sqrt(Σ (w·s)² + ε) that give each output channel unit variance for unit-variance input."""
    energy = weight.square().sum(dim=(2, 3))
    return (styles.square() @ energy.t() + EPSILON).rsqrt()


def modulated_rgb(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """Mix ``x`` (N, I, H, W) by ``weight`` (3, I, 1, 1) modulated by ``styles`` (N, I): (N, 3, H, W), as ``x``."""
    own = weight.flatten(1)[None] * styles[:, None, :]
    return torch.bmm(own.to(x.dtype), x.flatten(2)).view(x.shape[0], -1, *x.shape[2:])


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, *, up: bool) -> Tensor:
    if not up:
        return conv3x3(x, weight, bias)
    return blur(functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2), 1, bias, gain=4.0)


def _own_weights_pay(x: Tensor, weight: Tensor, styles: Tensor) -> bool:
    differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in (x, weight, styles))
    return x.shape[0] == 1 and not differentiated and weight.numel() < x[0].numel()
