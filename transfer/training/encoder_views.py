"""How an encoder sees a training picture: never quite as it is, so that it learns what stays.

Each view moves, tints, blurs and compresses a picture a little, as alignment, light, scaling and JPEG do to portraits.
Pure functions of images (N, 3, R, R) in [-1, 1] and uniform numbers (N, …) in [0, 1); no gradient is needed.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

NUMBERS: Final = 11
"""Random numbers a picture."""
TURN_RAD, ZOOM, SHIFT = 3 * pi / 180, 0.04, 0.02
"""At most so far from upright, from its size, and from its place as a share of the half side: three times what
landmarks differ by between two sizes of one picture."""
TINT = 0.12
BLUR_PX: Final = 1.0
BLURRED, COMPRESSED = 0.3, 0.5
"""Shares of the pictures."""
BLOCK: Final = 8
COARSEST: Final = 0.25
"""Largest quantisation step of the highest frequency, in the picture's range of 2: JPEG at a quality of some 30."""


def seen(images: Tensor, numbers: Tensor) -> Tensor:
    """One view of each picture by ``numbers`` (N, NUMBERS)."""
    numbers = numbers.to(images)
    images = tinted(moved(images, numbers[:, 0:4]), numbers[:, 4:7])
    images = torch.where(_mask(numbers[:, 7] < BLURRED), blurred(images, numbers[:, 8]), images)
    return torch.where(_mask(numbers[:, 9] < COMPRESSED), compressed(images, numbers[:, 10]), images)


def moved(images: Tensor, numbers: Tensor) -> Tensor:
    """Turned, zoomed and shifted about the middle by (N, 4); the rim is continued by reflection."""
    turn, zoom, across, down = (2 * numbers - 1).unbind(dim=1)
    scale = 1 + ZOOM * zoom
    cos, sin = torch.cos(TURN_RAD * turn) * scale, torch.sin(TURN_RAD * turn) * scale
    rows = [torch.stack([cos, -sin, SHIFT * across], dim=1), torch.stack([sin, cos, SHIFT * down], dim=1)]
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def tinted(images: Tensor, numbers: Tensor) -> Tensor:
    """Brightness, contrast about the middle grey and saturation about each pixel's grey, by (N, 3)."""
    brightness, contrast, saturation = (TINT * (2 * numbers[:, i, None, None, None] - 1) for i in range(3))
    images = images * (1 + contrast) + brightness
    grey = images.mean(dim=1, keepdim=True)
    return grey + (images - grey) * (1 + saturation)


def blurred(images: Tensor, numbers: Tensor) -> Tensor:
    """By a Gaussian of up to :data:`BLUR_PX` at 64², as much of the side at others; ``numbers`` (N,)."""
    count, channels, side, _ = images.shape
    sigma = (BLUR_PX * side / 64 * numbers).clamp(min=0.1)[:, None]
    reach = max(1, round(2 * BLUR_PX * side / 64))
    at = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    taps = torch.exp(-0.5 * (at / sigma).square())
    taps = (taps / taps.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    planes = functional.pad(images, [reach] * 4, mode="reflect").flatten(0, 1)[None]
    planes = functional.conv2d(planes, taps[:, None, None, :], groups=count * channels)
    planes = functional.conv2d(planes, taps[:, None, :, None], groups=count * channels)
    return planes.view_as(images)


def compressed(images: Tensor, numbers: Tensor) -> Tensor:
    """Cosine coefficients of 8 × 8 blocks rounded to steps that grow with the frequency, as JPEG rounds them (ITU T.81,
    without its tables and subsampling); ``numbers`` (N,) is how coarsely."""
    count, channels, side, _ = images.shape
    cosine, ramp = _cosines(images.device)
    blocks = images.reshape(count, channels, side // BLOCK, BLOCK, side // BLOCK, BLOCK).transpose(3, 4)
    step = ramp * (COARSEST * numbers).clamp(min=1e-3)[:, None, None, None, None, None]
    rounded = ((cosine @ blocks @ cosine.T) / step).round() * step
    return (cosine.T @ rounded @ cosine).transpose(3, 4).reshape(images.shape)


@lru_cache(maxsize=4)
def _cosines(device: torch.device) -> tuple[Tensor, Tensor]:
    """The orthonormal cosine transform (8, 8), and the steps' growth (8, 8) from a tenth to 1, times 8: coefficients of
    an orthonormal block are so much larger than its pixels."""
    at = torch.arange(BLOCK, dtype=torch.float32, device=device)
    cosine = torch.cos(pi / BLOCK * (at[None, :] + 0.5) * at[:, None]) * (2 / BLOCK) ** 0.5
    cosine[0] *= 0.5**0.5
    frequency = (at[:, None] + at[None, :]) / (2 * (BLOCK - 1))
    return cosine, (0.1 + 0.9 * frequency) * BLOCK


def _mask(flags: Tensor) -> Tensor:
    return flags[:, None, None, None]
