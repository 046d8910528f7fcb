"""How far apart are two faces, and how much of an identity is kept: distances of embeddings and their scale.

Distances are Euclidean between embeddings as the network gives them, not normalised; embeddings of dlib's DenseNet
share a mean vector, so their cosines say nothing. Similarity is 1 − d/d0 with d0 the median distance between strangers:
1 the same picture, 0 strangers, below 0 further apart than strangers usually are.
"""

from __future__ import annotations

from torch import Tensor


def identity_distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance of embeddings (..., D) → (...)."""
    return (a - b).square().sum(dim=-1).sqrt()


def identity_similarity(distance: Tensor, stranger_distance: float) -> Tensor:
    """1 − distance / ``stranger_distance`` (``IdentityNet.stranger_distance``)."""
    return 1 - distance / stranger_distance
