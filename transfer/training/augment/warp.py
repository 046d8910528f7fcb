"""Move pixels by one matrix a sample: as they are, or resampled between the halves of an orthonormal wavelet.

Beyond its rim a picture goes on as its mirror image, the rim's pixels twice, as often as a matrix looks. For the
resampling a picture is doubled with the sym6 scaling filter, read bilinearly on a lattice of twice the resolution, and
halved with the same filter, mirrored. Of an orthonormal filter the halves undo each other, so the bilinear reading
alone blurs, and that at twice the resolution. The filter is not quite symmetric: a sample lies where the taps have
their mean, else a mirrored picture would move by 0.4 pixels.

Sources: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", appendix B; the taps:
Daubechies 1992, "Ten Lectures on Wavelets", table 6.3 (least asymmetric, six vanishing moments).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from transfer.training.augment.matrices import Array

SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
MEAN = sum(n * tap for n, tap in enumerate(SYM6)) / sum(SYM6)
"""Sample m of the doubled picture lies at (m − MEAN) / 2 pixels."""
FIRST = 4
"""The first sample of the doubled picture that is computed: the last one left of the rim."""
BAND_ROWS = 256
"""More cost time at 1024², fewer at 256²."""

Band = tuple[Tensor, int, int]
"""A run of a matrix's rows: their columns from first to last, first, last."""


def blit(images: Tensor, matrices: Array) -> Tensor:
    """Copy pixels of (N, C, R, R) by matrices (N, 3, 3) that take whole pixels to whole pixels, output to source."""
    side = images.shape[-1]
    pixels = torch.arange(side, device=images.device, dtype=torch.float32)
    x, y = (_mirrored(at, side).round().long() for at in _sources(matrices, pixels, side))
    index = (y * side + x).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).reshape(images.shape)


def warp(images: Tensor, matrices: Array) -> Tensor:
    """Resample (N, C, R, R) by matrices (N, 3, 3) from output to source, in float32 or float64."""
    side = images.shape[-1]
    # The 12 taps of the halving reach over both rims.
    lattice = torch.arange(2 * side + len(SYM6) - 2, device=images.device, dtype=images.dtype)
    places = _sources(matrices, (lattice - MEAN) / 2, side)
    last = 2 * side + 1
    x, y = ((2 * _mirrored(at, side) + MEAN - FIRST) * (2 / last) - 1 for at in places)
    double, halve = _halves(side, images.dtype, images.device)
    doubled = _both_ways(double, images.contiguous())
    return _both_ways(halve, sample(doubled, torch.stack([x, y], dim=-1)))


def mirrored(images: Tensor, margin_px: int) -> Tensor:
    """(N, C, R, R) with a margin of its mirror image on every side, however wide."""
    side = images.shape[-1]
    at = torch.arange(-margin_px, side + margin_px, device=images.device, dtype=torch.float32)
    index = _mirrored(at, side).round().long()
    return images.index_select(2, index).index_select(3, index)


def handed(array: Array, like: Tensor) -> Tensor:
    """``array`` in the dtype and on the device of ``like``; in this order, as not every device knows float64."""
    return torch.from_numpy(array).to(like.dtype).to(like.device)


def sample(images: Tensor, grid: Tensor) -> Tensor:
    """Bilinear ``grid_sample`` with corners aligned, differentiable any number of times by the images."""
    sampled: Tensor = _Sample.apply(images, grid)  # type: ignore[no-untyped-call]
    return sampled


def _sources(matrices: Array, at_px: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Where the lattice of ``at_px`` (L,) both ways comes from: x and y (N, L, L) in pixels from the first one's."""
    middle = (side - 1) / 2
    m = handed(matrices, at_px)[:, :2, :, None, None]
    x, y = (at_px - middle)[None, :], (at_px - middle)[:, None]
    # Sum by sum, not as a product of matrices, whose rounding may depend on the batch.
    first, second = (m[:, row, 0] * x + m[:, row, 1] * y + (m[:, row, 2] + middle) for row in (0, 1))
    return first, second


def _mirrored(at_px: Tensor, side: int) -> Tensor:
    """Fold places beyond the picture's rims, at −½ and side − ½, back into it."""
    return side - ((at_px + 0.5).remainder(2 * side) - side).abs() - 0.5


def _both_ways(bands: tuple[Band, ...], images: Tensor) -> Tensor:
    """Columns, then rows, of (N, C, H, H) by the matrix that ``bands`` make up."""
    columns = torch.cat([part @ images[..., first:last, :] for part, first, last in bands], dim=-2)
    return torch.cat([columns[..., first:last] @ part.T for part, first, last in bands], dim=-1)


@lru_cache(maxsize=8)
def _halves(side: int, dtype: torch.dtype, device: torch.device) -> tuple[tuple[Band, ...], tuple[Band, ...]]:
    """(2R + 2, R) that doubles a column from FIRST to 2R + 5, mirrored at its rims; (R, 2R + 10) that halves one.

    Products of matrices, for twelve taps in one channel at a time are what convolutions are slowest at.
    """
    double, halve = np.zeros((2 * side + 2, side)), np.zeros((side, 2 * side + len(SYM6) - 2))
    pixels = np.arange(-3, side + 3)
    inside = pixels[3:-3]
    for n, tap in enumerate(SYM6):
        rows = 2 * pixels + n - FIRST
        seen = (rows >= 0) & (rows < len(double))
        columns = (side - np.abs((pixels + 0.5) % (2 * side) - side) - 0.5).astype(int)
        np.add.at(double, (rows[seen], columns[seen]), tap * 2**0.5)
        halve[inside, 2 * inside + n] = tap * 0.5**0.5
    with torch.inference_mode(False):
        like = torch.empty(0, dtype=dtype, device=device)
        return _bands(double, like), _bands(halve, like)


def _bands(matrix: Array, like: Tensor) -> tuple[Band, ...]:
    """Cut a matrix with a narrow diagonal into runs of rows, each without the zeros at either side."""
    bands = []
    for start in range(0, len(matrix), BAND_ROWS):
        rows = matrix[start : start + BAND_ROWS]
        used = np.flatnonzero(rows.any(axis=0))
        first, last = int(used[0]), int(used[-1]) + 1
        bands.append((handed(rows[:, first:last], like), first, last))
    return tuple(bands)


class _Sample(torch.autograd.Function):
    """Reading is linear in the images: its gradient spreads, the gradient of that reads. torch lacks the latter."""

    @staticmethod
    def forward(ctx: FunctionCtx, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape  # type: ignore[attr-defined]
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return _Spread.apply(gradient, grid, ctx.shape), None  # type: ignore[attr-defined,no-untyped-call]


class _Spread(torch.autograd.Function):
    """The transpose of reading: every sample is handed to the four pixels it was read from."""

    @staticmethod
    def forward(ctx: FunctionCtx, samples: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        bilinear, border, aligned = 0, 1, True
        unread = samples.new_empty(shape)
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(
            samples, unread, grid, bilinear, border, aligned, (True, False)
        )[0]
        return spread

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return _Sample.apply(gradient, grid), None, None  # type: ignore[no-untyped-call]
