"""Consistency between two pictures of one latent, as pure differentiable functions.

Every function takes two batches, NCHW float in [-1, 1], RGB, FFHQ-aligned squares of the same size, and returns one
scalar, 0 for equal pictures. Where a face's parts lie is known, for FFHQ's alignment puts the eyes and the mouth in
fixed places; so neither landmarks nor a parser are needed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the name PyTorch's own documentation uses


class Region(NamedTuple):
    """An ellipse in fractions of the FFHQ square's side: centre, half-axes, and what it counts."""

    x: float
    y: float
    half_width: float
    half_height: float
    weight: float = 1.0


FACE: Final = Region(0.50, 0.62, 0.28, 0.32)
"""From the brows to the chin. This and the regions below are placed by the median landmarks of upright frontal faces:
eyes at (0.373, 0.472) and (0.627, 0.472), mouth at (0.5, 0.742), chin at 0.909."""

REGIONS: Final = {
    "forehead": Region(0.50, 0.31, 0.10, 0.04),
    "cheek_left": Region(0.34, 0.62, 0.05, 0.06),
    "cheek_right": Region(0.66, 0.62, 0.05, 0.06),
    "chin": Region(0.50, 0.85, 0.05, 0.03),
    "lips": Region(0.50, 0.755, 0.06, 0.025),
    "hair": Region(0.50, 0.12, 0.16, 0.04),
    "iris_left": Region(0.373, 0.472, 0.018, 0.018, 0.25),
    "iris_right": Region(0.627, 0.472, 0.018, 0.018, 0.25),
}
"""Where colour is compared. An iris counts less: a few pixels, half lid and white."""

SKETCH_SIZES: Final = (128, 64, 32, 16)
LIGHTNESS_SHARE: Final = 0.3
STRANGER_COLOUR: Final = 9.0
"""Median root-mean-square colour difference between people in differently lit renders, in units of a*, b*."""


def identity_loss(fake: Tensor, source: Tensor, stranger_distance: float) -> Tensor:
    """Mean squared Euclidean distance of embeddings (N, D) in units of the distance between strangers: 0 the same
    picture, 1 strangers.

    Squared, because its pull grows with the distance and vanishes at 0: two renditions of one person lie some 0.3 of
    the way to a stranger by re-encoding, light and style alone, and must be free to; a plain distance would pull with
    equal force there (and has no gradient at 0), a hinge would need a threshold for every network.
    """
    return (fake - source).square().sum(dim=1).mean() / stranger_distance**2


def geometry_loss(fake: Tensor, source: Tensor) -> Tensor:
    """1 − correlation of the two pictures' normalised gradient fields inside the face, mean over scales; in [0, 2].

    Normalised gradients (Haber & Modersitzki 2006) keep where edges are and which way they face, and forget how strong
    they are: brightness, contrast and smooth shading move them little.
    """
    sizes = [size for size in SKETCH_SIZES if size <= fake.shape[-1]] or [fake.shape[-1]]
    losses = [_field_dissimilarity(gradient_field(fake, size), gradient_field(source, size)) for size in sizes]
    return torch.stack(losses).mean()


def gradient_field(images: Tensor, size: int) -> Tensor:
    """(N, 3, S, S) → (N, 2, size, size): the luma's gradient at ``size``², divided by its own local strength."""
    weights = images.new_tensor((0.299, 0.587, 0.114)).view(1, 3, 1, 1)
    luma = (images * weights).sum(dim=1, keepdim=True)
    if luma.shape[-1] != size:
        luma = F.interpolate(luma, (size, size), mode="area")
    kernels = images.new_tensor([[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]) / 8
    gradient = F.conv2d(F.pad(luma, (1, 1, 1, 1), mode="replicate"), kernels[:, None])
    energy = gradient.square().sum(dim=1, keepdim=True)
    local = F.avg_pool2d(F.pad(energy, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return gradient / (local + 1e-3).sqrt()


def _field_dissimilarity(a: Tensor, b: Tensor) -> Tensor:
    mask = ellipse_mask(a.shape[-1], FACE).to(a)
    floor = 1e-3 * mask.sum()  # two flat faces are alike
    together, alone_a, alone_b = ((mask * x * y).sum(dim=(1, 2, 3)) + floor for x, y in ((a, b), (a, a), (b, b)))
    return (1 - together * (alone_a * alone_b).rsqrt()).mean()


def colour_loss(fake: Tensor, source: Tensor) -> Tensor:
    """Mean squared difference of :func:`region_colour`, in units that put strangers near 1."""
    weights = fake.new_tensor([region.weight for region in REGIONS.values()])
    squares = (region_colour(fake) - region_colour(source)).square().sum(dim=2)
    return (squares @ (weights / weights.sum())).mean() / STRANGER_COLOUR**2


def region_colour(images: Tensor) -> Tensor:
    """(N, 3, S, S) → (N, regions, 3): exposure-free chroma and, counting less, lightness of each region's mean light.

    Chroma is 66·(a*, b*)/(L* + 16). Light scaled by k scales a*, b* and L* + 16 alike (by the cube root of k), so the
    ratio forgets exposure and shading and keeps what the surface does to light; at L* = 50 it equals (a*, b*). A share
    of L* stays, for a skin's depth is part of whose it is.
    """
    masks = torch.stack([ellipse_mask(images.shape[-1], region) for region in REGIONS.values()]).to(images)
    light = torch.einsum("nchw,khw->nck", linear_light(images), masks / masks.sum(dim=(1, 2), keepdim=True))
    lightness, *chroma = lab(light).unbind(dim=1)
    free = [66 * axis / (lightness + 16) for axis in chroma]
    return torch.stack([*free, LIGHTNESS_SHARE * lightness], dim=2)


def linear_light(images: Tensor) -> Tensor:
    """sRGB in [-1, 1] → linear light in [0, 1] (IEC 61966-2-1), any shape; values outside are clamped."""
    srgb = ((images + 1) / 2).clamp(0, 1)
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def lab(light: Tensor) -> Tensor:
    """Linear RGB light in [0, 1], (N, 3, ...) → CIE L*a*b* under D65, same shape, L* in [0, 100] (CIE 015)."""
    to_xyz = light.new_tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = torch.einsum("kc,nc...->nk...", to_xyz / to_xyz.sum(dim=1, keepdim=True), light)
    knee = (6 / 29) ** 3
    f = torch.where(xyz > knee, xyz.clamp(min=knee) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


@lru_cache(maxsize=128)
def ellipse_mask(size: int, region: Region) -> Tensor:
    """(size, size) float64 in [0, 1]: the region's ellipse with an edge one pixel soft."""
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    across, down = (axis[None, :] - region.x) / region.half_width, (axis[:, None] - region.y) / region.half_height
    radius = (across.square() + down.square()).sqrt()
    return (0.5 + (1 - radius) * min(region.half_width, region.half_height) * size).clamp(0, 1)
