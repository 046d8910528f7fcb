"""How unlike pictures are to given portraits, each for itself: what inversion makes small.

The sum of an image pyramid's absolute differences (so that coarse layers settle first), identity (squared distance of
embeddings), perceptual distance (the same network's inner activations, unit length at every place, as Zhang et al. 2018
compare them), geometry (where edges lie inside the face, whatever the shading) and colour (skin, lips, hair, eyes). The
last two are what :mod:`transfer.losses.functional` keeps in training, here portrait by portrait.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from transfer.errors import ConfigError
from transfer.losses.functional import (
    FACE,
    REGIONS,
    SKETCH_SIZES,
    STRANGER_COLOUR,
    ellipse_mask,
    gradient_field,
    region_colour,
)
from transfer.networks.identity import IdentityNet


@dataclass(frozen=True, kw_only=True)
class LikenessWeights:
    """The weight of each part; the image pyramid's is 1. The middle three need an identity network."""

    identity: float = 0.5
    """Of the squared Euclidean distance of identity embeddings."""
    perceptual: float = 0.3
    """Of the mean squared difference of inner activations."""
    geometry: float = 0.2
    """Of 1 − correlation of normalised gradients inside the face."""
    colour: float = 0.05
    """Of the squared difference of regions' colour, 1 between strangers."""

    def __post_init__(self) -> None:
        if min(self.identity, self.perceptual, self.geometry, self.colour) < 0:
            raise ConfigError("a weight below 0 would reward the opposite; use 0 to switch a part off")


class Likeness:
    """Called with images (N, 3, R, R) it returns (N,) distances from the targets it was made with."""

    def __init__(self, targets: Tensor, weights: LikenessWeights, network: IdentityNet | None) -> None:
        self.targets = targets
        self.weights = weights
        self.network = network if weights.identity or weights.perceptual else None
        with torch.no_grad():
            self._embedding, self._stages = self._looked(targets)
            self._fields = [gradient_field(targets, size) for size in _sketch_sizes(targets)]
            self._colour = region_colour(targets)

    def __call__(self, images: Tensor) -> Tensor:
        images = images.float()
        total = pyramid_distance(images, self.targets)
        if self.network is not None:
            embedding, stages = self._looked(images)
            total = total + self.weights.identity * (embedding - self._embedding).square().sum(dim=1)
            if self.weights.perceptual:
                total = total + self.weights.perceptual * _stage_distance(stages, self._stages)
        if self.weights.geometry:
            total = total + self.weights.geometry * self._geometry(images)
        if self.weights.colour:
            total = total + self.weights.colour * self._colours(images)
        return total

    def _looked(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        if self.network is None:
            return images.new_zeros(len(images), 1), []
        embedding, stages = self.network.look(images)
        return embedding, [functional.normalize(stage, dim=1) for stage in stages]

    def _geometry(self, images: Tensor) -> Tensor:
        sizes = _sketch_sizes(images)
        parts = [
            field_distance(gradient_field(images, size), field) for size, field in zip(sizes, self._fields, strict=True)
        ]
        return torch.stack(parts).mean(dim=0)

    def _colours(self, images: Tensor) -> Tensor:
        weights = images.new_tensor([region.weight for region in REGIONS.values()])
        squares = (region_colour(images) - self._colour).square().sum(dim=2)
        return squares @ (weights / weights.sum()) / STRANGER_COLOUR**2


def pyramid_distance(images: Tensor, targets: Tensor) -> Tensor:
    """(N,) mean absolute difference, averaged over octaves from full size down to 8²."""
    total, levels = images.new_zeros(len(images)), 0
    while images.shape[-1] >= 8:
        total = total + (images - targets).abs().mean(dim=(1, 2, 3))
        images, targets, levels = functional.avg_pool2d(images, 2), functional.avg_pool2d(targets, 2), levels + 1
    return total / levels


def field_distance(a: Tensor, b: Tensor) -> Tensor:
    """(N,) 1 − correlation of gradient fields (N, 2, s, s) inside the face; 0 where both are flat."""
    mask = ellipse_mask(a.shape[-1], FACE).to(a)
    floor = 1e-3 * mask.sum()
    together, alone_a, alone_b = ((mask * x * y).sum(dim=(1, 2, 3)) + floor for x, y in ((a, b), (a, a), (b, b)))
    return 1 - together * (alone_a * alone_b).rsqrt()


def _stage_distance(stages: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """(N,) squared difference of unit vectors, mean over places, then over stages; 0 to 2 or so."""
    parts = [(a - b).square().sum(dim=1).mean(dim=(1, 2)) for a, b in zip(stages, wanted, strict=True)]
    return torch.stack(parts).mean(dim=0)


def _sketch_sizes(images: Tensor) -> list[int]:
    side = images.shape[-1]
    return [size for size in SKETCH_SIZES if size <= side] or [side]
