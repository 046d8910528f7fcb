"""Layers with equalised learning rate: weights are stored at unit variance and scaled at run time.

Source: Karras et al. 2018, "Progressive Growing of GANs", section 4.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from transfer.ops.bias_act import GAIN, lrelu_
from transfer.ops.convolution import conv3x3
from transfer.ops.upfirdn import blur


class EqualizedLinear(nn.Module):
    """(N, in) → (N, out); weights scaled by lr / sqrt(in), bias by lr; leaky rectifier where ``activate``."""

    def __init__(
        self, in_features: int, out_features: int, *, activate: bool = False, bias: float = 0.0, lr: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr)
        self.bias = nn.Parameter(torch.full((out_features,), bias / lr))
        self.gain = lr / in_features**0.5
        self.bias_gain = lr
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        gain = GAIN if self.activate else 1.0
        x = functional.linear(x, self.weight * (self.gain * gain), self.bias * (self.bias_gain * gain))
        return lrelu_(x) if self.activate else x


class EqualizedConv2d(nn.Module):
    """(N, in, H, W) → (N, out, H, W), halved with ``down`` after the FIR filter; weights scaled by 1/sqrt(in · k²).

    ``scale`` multiplies the result, clamp included, at no cost: it goes into the weights. Parameters are used in the
    dtype of the input.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        down: bool = False,
        activate: bool = True,
        clamp: float | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if activate else None
        self.gain = 1.0 / (in_channels * kernel**2) ** 0.5
        self.kernel = kernel
        self.down = down
        self.scale = scale
        self.clamp = clamp

    def forward(self, x: Tensor) -> Tensor:
        gain = self.scale if self.bias is None else self.scale * GAIN
        weight = (self.weight * (self.gain * gain)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        x = self._convolve(x, weight, bias)
        return x if self.bias is None else lrelu_(x, clamp=self.clamp and self.clamp * self.scale)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.kernel == 1:  # it commutes with decimation: filter and decimate first
            x = blur(x, 1, stride=2) if self.down else x
            return functional.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
        return functional.conv2d(blur(x, 2), weight, bias, stride=2) if self.down else conv3x3(x, weight, bias)
