"""Two regularisers of the generator: style mixing and path length.

Sources: Karras et al. 2019 (StyleGAN), section 3.1, for style mixing; Karras et al. 2020 (StyleGAN2), section 3.2 and
appendix B, for path length.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

PATH_DECAY: Final = 0.99
"""How slowly the mean path length follows."""


def mixed(ws: Tensor, other: Tensor, numbers: Tensor, share: float) -> Tensor:
    """Give the finer layers of a ``share`` of the images another style, from a layer on that is drawn evenly.

    Args:
        ws: styles (N, L, w_dim).
        other: the other style of each image, (N, w_dim).
        numbers: (N, 2) uniform in [0, 1): whether an image is mixed, and from which layer on, 1 to L − 1.
        share: of the images to mix, 0 to 1.
    """
    layers = ws.shape[1]
    numbers = numbers.to(ws.device)
    first = 1 + (numbers[:, 1] * (layers - 1)).long()
    place = torch.arange(layers, device=ws.device)
    taken = (numbers[:, 0] < share)[:, None] & (place[None] >= first[:, None])
    return torch.where(taken[:, :, None], other[:, None], ws)


def path_lengths(images: Tensor, ws: Tensor, noise: Tensor) -> Tensor:
    """How far a small step in w moves each image: (N,), differentiable.

    Args:
        images: (N, 3, R, R), computed from ``ws`` with a graph.
        ws: (N, L, w_dim) with gradient.
        noise: (N, 3, R, R) of standard normal numbers: the direction that the images are looked at along.
    """
    along = (images * noise).sum() / (images.shape[2] * images.shape[3]) ** 0.5
    (gradient,) = torch.autograd.grad(along, ws, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def path_penalty(lengths: Tensor, mean: float) -> Tensor:
    """Mean squared distance of ``lengths`` (N,) from their running ``mean``, a scalar; 0 while there is no mean (0.0).

    The mean is that of the steps before, so that every share of a batch is held to the same.
    """
    return (lengths - mean).square().mean() if mean > 0 else lengths.sum() * 0.0


def next_mean(mean: float, now: float) -> float:
    """The running mean path length after ``now``, the mean over a batch; the first one is taken as it is."""
    return now if mean == 0 else PATH_DECAY * mean + (1 - PATH_DECAY) * now
