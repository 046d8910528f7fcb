"""Augmentation of always the same strength.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training": brightness, saturation and
contrast; translation by up to an eighth; a cut-out of half the side. Each is a pure function of images (N, 3, R, R) in
[-1, 1] and of uniform numbers (N, …) in [0, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional


def augment(images: Tensor, numbers: Tensor, policy: Sequence[str]) -> Tensor:
    """Apply the named augmentations; ``numbers`` (N, ≥ 7) holds every augmentation's share at a fixed place."""
    for name, (transform, place) in _TRANSFORMS.items():
        if name in policy:
            images = transform(images, numbers[:, place].to(images))
    return images


def colour(images: Tensor, numbers: Tensor) -> Tensor:
    """Brightness ±0.5, saturation ×0..2 about the pixel's grey, contrast ×0.5..1.5 about the picture's mean."""
    brightness, saturation, contrast = (numbers[:, i, None, None, None] for i in range(3))
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (saturation * 2.0) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def translation(images: Tensor, numbers: Tensor) -> Tensor:
    """Shift by up to an eighth of the side both ways, filled with zeros."""
    size = images.shape[-1]
    reach = size // 8
    shifts = (numbers * (2 * reach + 1)).long().tolist()
    padded = functional.pad(images, [reach] * 4)
    return torch.stack([one[:, y : y + size, x : x + size] for one, (y, x) in zip(padded, shifts, strict=True)])


def cutout(images: Tensor, numbers: Tensor) -> Tensor:
    """Set a square of half the side, centred anywhere, to zero."""
    size = images.shape[-1]
    centre = (numbers * size).floor()[:, :, None]
    reach = torch.arange(size, device=images.device, dtype=images.dtype)
    inside = (reach - centre >= -(size // 4)) & (reach - centre < size // 4)
    hole = inside[:, 0, :, None] & inside[:, 1, None, :]
    return images * (~hole)[:, None].to(images.dtype)


_TRANSFORMS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], slice]] = {
    "colour": (colour, slice(0, 3)),
    "translation": (translation, slice(3, 5)),
    "cutout": (cutout, slice(5, 7)),
}
