"""3 × 3 convolution by whichever of two exact methods is faster where it runs.

Measured on one thread of a CPU in fp32: Winograd's method takes 0.3 to 0.4 of a direct convolution's time at 512
channels, 0.5 at 256, 0.8 to 1 at 128; GPU libraries choose for themselves, and compilation takes minutes to
learn of the loops.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from transfer.ops.bias_act import add_bias
from transfer.ops.winograd import TILE, winograd3x3

MIN_CHANNELS = 256
MIN_TILES = 64
"""With fewer tiles the weights' transform costs more than it saves."""


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(N, I, H, W) with weight (O, I, 3, 3) and bias (O,) → (N, O, H, W), zeros around."""
    if not pays(x, weight):
        return functional.conv2d(x, weight, bias, padding=1)
    y = winograd3x3(x, weight)
    return y if bias is None else add_bias(y, bias)


def pays(x: Tensor, weight: Tensor) -> bool:
    """Whether Winograd's method is worth its transforms."""
    count, _, height, width = x.shape
    return (
        x.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and x.dtype == weight.dtype == torch.float32
        and min(weight.shape[:2]) >= MIN_CHANNELS
        and height % TILE == width % TILE == 0
        and count * height * width >= MIN_TILES * TILE * TILE
    )
