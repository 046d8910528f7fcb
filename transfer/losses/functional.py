"""Consistency between two pictures of one latent, as pure differentiable functions.

Every function takes two batches, NCHW float in [-1, 1], RGB, FFHQ-aligned squares of the same size, and returns one
scalar, 0 for equal pictures. Where a face's parts lie is known, for FFHQ's alignment puts the eyes and the mouth in
fixed places; so neither landmarks nor a parser are needed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the name PyTorch's own documentation uses

SKETCH_SIZES: Final = (128, 64, 32, 16)
FACE: Final = (0.5, 0.58, 0.30, 0.38)
"""Centre and half-axes of the face's ellipse in an FFHQ square, as fractions of its side."""

REGIONS: Final = {
    "forehead": (0.50, 0.35, 0.12, 0.05),
    "cheek_left": (0.335, 0.62, 0.06, 0.07),
    "cheek_right": (0.665, 0.62, 0.06, 0.07),
    "chin": (0.50, 0.88, 0.06, 0.04),
    "lips": (0.50, 0.755, 0.075, 0.03),
    "hair": (0.50, 0.11, 0.20, 0.06),
    "iris_left": (0.385, 0.475, 0.025, 0.02),
    "iris_right": (0.615, 0.475, 0.025, 0.02),
}
"""Where colour is compared: centre and half-axes of an ellipse each, as fractions of the FFHQ square's side."""


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
    mask = ellipse_mask(a.shape[-1], *FACE).to(a)
    floor = 1e-3 * mask.sum()  # two flat faces are alike
    together, alone_a, alone_b = ((mask * x * y).sum(dim=(1, 2, 3)) + floor for x, y in ((a, b), (a, a), (b, b)))
    return (1 - together * (alone_a * alone_b).rsqrt()).mean()


def colour_loss(fake: Tensor, source: Tensor) -> Tensor:
    """Mean squared difference of region colours, in units of 10 (a*, b*)."""
    return (region_chroma(fake) - region_chroma(source)).square().sum(dim=2).mean() / 100


def region_chroma(images: Tensor) -> Tensor:
    """(N, 3, S, S) → (N, regions, 2): mean of each region's exposure-free chroma, 66·(a*, b*)/(L* + 16).

    Light scaled by k scales a*, b* and L* + 16 alike (by the cube root of k), so their ratio forgets exposure and
    shading and keeps what a surface does to light; at L* = 50 it equals (a*, b*).
    """
    lab = lab_of(images)
    chroma = 66 * lab[:, 1:] / (lab[:, :1] + 16)
    masks = torch.stack([ellipse_mask(images.shape[-1], *region) for region in REGIONS.values()]).to(images)
    return torch.einsum("nchw,khw->nkc", chroma, masks / masks.sum(dim=(1, 2), keepdim=True))


def lab_of(images: Tensor) -> Tensor:
    """sRGB in [-1, 1] → CIE L*a*b* under D65, (N, 3, H, W): L* in [0, 100] (IEC 61966-2-1; CIE 015). Values outside
    [-1, 1] are clamped."""
    srgb = ((images + 1) / 2).clamp(0, 1)
    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    to_xyz = images.new_tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    xyz = torch.einsum("kc,nchw->nkhw", to_xyz / to_xyz.sum(dim=1, keepdim=True), linear)
    knee = (6 / 29) ** 3
    f = torch.where(xyz > knee, xyz.clamp(min=knee) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


@lru_cache(maxsize=128)
def ellipse_mask(size: int, x: float, y: float, half_width: float, half_height: float) -> Tensor:
    """(size, size) float64 in [0, 1]: an ellipse of the unit square with an edge one pixel soft."""
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    radius = (((axis[None, :] - x) / half_width).square() + ((axis[:, None] - y) / half_height).square()).sqrt()
    return (0.5 + (1 - radius) * min(half_width, half_height) * size).clamp(0, 1)
