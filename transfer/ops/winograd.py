"""3 × 3 convolution by Winograd's minimal filtering F(4×4, 3×3): a quarter of the multiplications.

Tiles of 6 × 6 inputs and the weights are transformed so that convolution becomes 36 matrix products, whose results are
transformed back to tiles of 4 × 4 outputs. Transforms are matrix products too, with the Kronecker squares of the 1-D
matrices. Plain PyTorch, differentiable any number of times; rounding grows to 1e-5 of the largest output in fp32 (a
direct convolution has 1e-6), so lower precision is out.

Sources: Winograd 1980; Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

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
    result: Tensor = _Convolve.apply(x, weight)  # type: ignore[no-untyped-call]
    return result


def winograd3x3_weight(x: Tensor, grad: Tensor) -> Tensor:
    """The (O, I, 3, 3) gradient of Σ grad · conv(x, weight) to ``weight``, for x (N, I, H, W), grad (N, O, H, W)."""
    result: Tensor = _Accumulate.apply(x, grad)  # type: ignore[no-untyped-call]
    return result


class _Convolve(torch.autograd.Function):
    """Both derivatives are operations of this module, which makes it differentiable again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        return _convolve(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight = ctx.needs_input_grad
        return (
            winograd3x3(grad, _turned(weight)) if wants_x else None,
            winograd3x3_weight(x, grad) if wants_weight else None,
        )


class _Accumulate(torch.autograd.Function):
    """Linear in both arguments, so its derivatives are convolutions by the weights' cotangent."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grad: Tensor) -> Tensor:
        ctx.save_for_backward(x, grad)
        return _accumulate(x, grad)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, grad = ctx.saved_tensors
        wants_x, wants_grad = ctx.needs_input_grad
        return (
            winograd3x3(grad, _turned(cotangent)) if wants_x else None,
            winograd3x3(x, cotangent) if wants_grad else None,
        )


def _turned(weight: Tensor) -> Tensor:
    return weight.transpose(0, 1).flip(2, 3)


def _convolve(x: Tensor, weight: Tensor) -> Tensor:
    """(N, I, H, W) → (N, O, H, W), channels last."""
    (count, inputs, height, width), outputs = x.shape, len(weight)
    to_input, to_weight, to_output = _transforms(x.dtype, x.device)
    kernels = (to_weight @ weight.permute(2, 3, 0, 1).reshape(9, -1)).view(36, outputs, inputs).transpose(1, 2)
    padded = _padded(x)
    result = x.new_empty(count, height, width, outputs)
    for first, down in _blocks(x.shape):
        spectra = torch.bmm(_spectra(padded, first, down, to_input), kernels)
        made = (to_output @ spectra.view(36, -1)).view(TILE, TILE, count, down, width // TILE, outputs)
        target = result[:, TILE * first : TILE * (first + down)]
        target.view(count, down, TILE, -1, TILE, outputs).copy_(made.permute(2, 3, 0, 4, 1, 5))
    return result.permute(0, 3, 1, 2)


def _accumulate(x: Tensor, grad: Tensor) -> Tensor:
    """Σ over pixels of grad times windows of x: the adjoint of :func:`_convolve`, step by step."""
    inputs, outputs = x.shape[1], grad.shape[1]
    to_input, to_weight, to_output = _transforms(x.dtype, x.device)
    padded, grad = _padded(x), grad.permute(0, 2, 3, 1)
    total = x.new_zeros(36, outputs, inputs)
    for first, down in _blocks(x.shape):
        tiles = grad[:, TILE * first : TILE * (first + down)].unfold(1, TILE, TILE).unfold(2, TILE, TILE)
        tiles = tiles.permute(4, 5, 0, 1, 2, 3).reshape(TILE * TILE, -1)
        made = (to_output.t() @ tiles).view(36, -1, outputs)
        total.baddbmm_(made.transpose(1, 2), _spectra(padded, first, down, to_input))
    return (to_weight.t() @ total.view(36, -1)).view(3, 3, outputs, inputs).permute(2, 3, 0, 1)


def _padded(x: Tensor) -> Tensor:
    return functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))


def _blocks(shape: torch.Size) -> Iterator[tuple[int, int]]:
    """First row of tiles and number of rows of each block."""
    count, _, height, width = shape
    rows = max(1, BLOCK_TILES // (count * width // TILE))
    for first in range(0, height // TILE, rows):
        yield first, min(rows, height // TILE - first)


def _spectra(padded: Tensor, first: int, down: int, to_input: Tensor) -> Tensor:
    """(36, tiles, I): the transformed windows of a block of (N, H + 2, W + 2, I)."""
    block = padded[:, TILE * first : TILE * (first + down) + 2]
    windows = block.unfold(1, 6, TILE).unfold(2, 6, TILE).permute(4, 5, 0, 1, 2, 3)
    return (to_input @ windows.reshape(36, -1)).view(36, -1, padded.shape[-1])


@lru_cache(maxsize=8)
def _transforms(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The Kronecker squares: 36 × 36 for inputs, 36 × 9 for weights, 16 × 36 for outputs."""
    matrices = (torch.tensor(rows, dtype=torch.float64) for rows in (_INPUT, _WEIGHT, _OUTPUT))
    to_input, to_weight, to_output = (torch.kron(m, m).to(dtype).to(device) for m in matrices)
    return to_input, to_weight, to_output
