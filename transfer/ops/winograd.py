"""3 × 3 convolution by Winograd's minimal filtering F(4×4, 3×3): a quarter of the multiplications.

Tiles of 6 × 6 inputs and the weights are transformed so that convolution becomes 36 matrix products, whose results are
transformed back to tiles of 4 × 4 outputs. Transforms are matrix products too, with the Kronecker squares of the 1-D
matrices. Plain PyTorch, differentiable any number of times; rounding grows to 1e-5 of the largest output in fp32 (a
direct convolution has 1e-6), so lower precision is out.

Sources: Winograd 1980; Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight

TILE = 4
BLOCK_TILES = 512
"""Tiles transformed at once: the products' operands stay in the processor's cache, and memory bounded."""

_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_WEIGHT = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def winograd3x3(x: Tensor, weight: Tensor) -> Tensor:
    """``conv2d(x, weight, padding=1)`` for x (N, I, H, W) with H and W multiples of 4 and weight (O, I, 3, 3)."""
    result: Tensor = _Winograd.apply(x, weight)  # type: ignore[no-untyped-call]
    return result


class _Winograd(torch.autograd.Function):
    """Its input's gradient is a convolution of the same kind, which also makes it differentiable twice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _filter(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight = ctx.needs_input_grad
        turned = weight.transpose(0, 1).flip(2, 3)
        return (
            winograd3x3(grad, turned) if wants_x else None,
            conv2d_weight(x, weight.shape, grad, padding=1) if wants_weight else None,  # type: ignore[no-untyped-call]
        )


def _filter(x: Tensor, weight: Tensor) -> Tensor:
    """(N, I, H, W) → (N, O, H, W), channels last, a block of tile rows at a time."""
    count, inputs, height, width = x.shape
    outputs, across = weight.shape[0], width // TILE
    to_input, to_weight, to_output = _transforms(x.dtype, x.device)
    kernels = (to_weight @ weight.permute(2, 3, 0, 1).reshape(9, -1)).view(36, outputs, inputs).transpose(1, 2)
    padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    result = x.new_empty(count, height, width, outputs)
    rows = max(1, BLOCK_TILES // (count * across))
    for first in range(0, height // TILE, rows):
        down = min(rows, height // TILE - first)
        block = padded[:, TILE * first : TILE * (first + down) + 2]
        tiles = block.unfold(1, 6, TILE).unfold(2, 6, TILE).permute(4, 5, 0, 1, 2, 3)  # 6, 6, N, down, across, I
        spectra = torch.bmm((to_input @ tiles.reshape(36, -1)).view(36, -1, inputs), kernels)
        made = (to_output @ spectra.view(36, -1)).view(TILE, TILE, count, down, across, outputs)
        target = result[:, TILE * first : TILE * (first + down)]
        target.view(count, down, TILE, across, TILE, outputs).copy_(made.permute(2, 3, 0, 4, 1, 5))
    return result.permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The Kronecker squares: 36 × 36 for inputs, 36 × 9 for weights, 16 × 36 for outputs."""
    matrices = (torch.tensor(rows, dtype=torch.float64) for rows in (_INPUT, _WEIGHT, _OUTPUT))
    to_input, to_weight, to_output = (torch.kron(m, m).to(dtype).to(device) for m in matrices)
    return to_input, to_weight, to_output
