"""Consistency between two pictures of one latent, judged by what a network sees in them; pure and differentiable.

Stages are lists of activations (N, C, s, s), one a size; embeddings are (N, D). The first argument is the tuned
generator's, the second the source's. Every function returns one scalar, 0 for equal pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  the name PyTorch's own documentation uses

from transfer.losses.functional import FACE, Region, ellipse_mask
from transfer.networks.identity import CHIP_X, CHIP_Y

CHIP_FACE: Final = Region(
    (FACE.x - CHIP_X[0]) / (CHIP_X[1] - CHIP_X[0]),
    (FACE.y - CHIP_Y[0]) / (CHIP_Y[1] - CHIP_Y[0]),
    FACE.half_width / (CHIP_X[1] - CHIP_X[0]),
    FACE.half_height / (CHIP_Y[1] - CHIP_Y[0]),
)
"""The face in the window that the identity network looks at."""

STRUCTURE_SIDE: Final = 24
"""Stages up to this side are compared by structure: a finer one has more pairs of places than tell anything."""
TEMPERATURE: Final = 0.25
"""Of the softmax over neighbours, in squared distances between strangers: the nearest of three takes about half."""
_TINY: Final = 1e-8


def perceptual_loss(fake: Sequence[Tensor], source: Sequence[Tensor]) -> Tensor:
    """Squared difference of activations, each place's scaled to unit length over its channels; mean over places, then
    over stages. In [0, 2] for activations of one sign.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", equation 1,
    with all channels counting alike.
    """
    return torch.stack(
        [(_unit(a) - _unit(b)).square().sum(dim=1).mean() for a, b in zip(fake, source, strict=True)]
    ).mean()


def structure_loss(fake: Sequence[Tensor], source: Sequence[Tensor]) -> Tensor:
    """1 − correlation of the two pictures' self-similarities inside the face, mean over the coarse stages; in [0, 2].

    Self-similarity is the cosine between any two places' activations, less the picture's mean: which places look alike,
    not what they look like. A change of style that treats like places alike leaves it where it was (Shechtman & Irani
    2007; Kolkin et al. 2019, section 2.3).
    """
    pairs = [(a, b) for a, b in zip(fake, source, strict=True) if a.shape[-1] <= STRUCTURE_SIDE]
    return torch.stack(
        [_dissimilarity(self_similarity(a), self_similarity(b), _pair_weights(a)) for a, b in pairs]
    ).mean()


def self_similarity(activations: Tensor) -> Tensor:
    """(N, C, s, s) → (N, s², s²) in [-1, 1]: cosines between places, less the picture's mean activation."""
    places = activations.flatten(2)
    places = _unit(places - places.mean(dim=2, keepdim=True))
    return places.transpose(1, 2) @ places


def distance_loss(fake: Tensor, source: Tensor, stranger_distance: float, group: int) -> Tensor:
    """How differently the two generators tell who resembles whom: the mean Kullback-Leibler divergence of each sample's
    softmax over its likeness to the others.

    Likeness is minus the squared distance of embeddings in strangers' units, over :data:`TEMPERATURE`. What moves all
    faces alike, a domain's look, changes nothing. Samples are compared in groups of ``group``, i with i + N/group, …,
    as the discriminator's minibatch statistic is, so micro-batches change nothing either; groups of 1 or 2 compare
    nothing.

    Source: Ojha et al. 2021, "Few-shot Image Generation via Cross-domain Correspondence", equations 1 to 3, with
    identity embeddings for the generator's own activations.
    """
    ours, theirs = (_neighbours(x, stranger_distance, group) for x in (fake, source))
    return F.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=-1).mean()


def _neighbours(embeddings: Tensor, stranger_distance: float, group: int) -> Tensor:
    """(N, D) → (N / group, group, group − 1): log-probabilities over the others of a sample's group."""
    grouped = embeddings.view(group, -1, embeddings.shape[1]).transpose(0, 1)
    squares = (grouped[:, :, None] - grouped[:, None]).square().sum(dim=-1) / stranger_distance**2
    others = ~torch.eye(group, dtype=torch.bool, device=embeddings.device)
    return (-squares[:, others].view(len(grouped), group, group - 1) / TEMPERATURE).log_softmax(dim=-1)


def _unit(activations: Tensor) -> Tensor:
    """Of length 1 over the channels, and 0 where there is nothing."""
    return activations * (activations.square().sum(dim=1, keepdim=True) + _TINY).rsqrt()


def _pair_weights(activations: Tensor) -> Tensor:
    """(s², s²): how much a pair of places lies inside the face; sums to 1."""
    inside = ellipse_mask(activations.shape[-1], CHIP_FACE).to(activations).flatten()
    weights = inside[:, None] * inside
    return weights / weights.sum()


def _dissimilarity(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """1 − weighted correlation of each picture's (N, P, P), mean over the pictures."""
    a, b = (x - (weights * x).sum(dim=(1, 2), keepdim=True) for x in (a, b))
    floor = 1e-6  # two blank pictures are alike
    together, alone_a, alone_b = ((weights * x * y).sum(dim=(1, 2)) + floor for x, y in ((a, b), (a, a), (b, b)))
    return (1 - together * (alone_a * alone_b).rsqrt()).mean()
