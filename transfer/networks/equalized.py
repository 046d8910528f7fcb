"""Layers with equalised learning rate: weights are stored at unit variance and scaled at run time.

Source: Karras et al. 2018, "Progressive Growing of GANs", section 4.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from transfer.ops.bias_act import add_bias, lrelu_bias
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
        x = functional.linear(x, self.weight * self.gain)
        bias = self.bias * self.bias_gain
        return lrelu_bias(x, bias) if self.activate else add_bias(x, bias)


class EqualizedConv2d(nn.Module):
    """(N, in, H, W) → (N, out, H, W), halved with ``down`` after the FIR filter; weights scaled by 1/sqrt(in · k²)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        down: bool = False,
        activate: bool = True,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if activate else None
        self.gain = 1.0 / (in_channels * kernel**2) ** 0.5
        self.kernel = kernel
        self.down = down
        self.clamp = clamp

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.gain
        if not self.down:
            x = functional.conv2d(x, weight, padding=self.kernel // 2)
        elif self.kernel == 1:  # a 1×1 convolution commutes with decimation: filter and decimate first
            x = functional.conv2d(blur(x, (1, 1), stride=2), weight)
        else:
            x = functional.conv2d(blur(x, (2, 2)), weight, stride=2)
        return x if self.bias is None else lrelu_bias(x, self.bias, clamp=self.clamp)
