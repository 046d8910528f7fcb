"""The latents a generator knows: their mean, their principal axes, and offsets in standard deviations along these."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom

SAMPLES_A_DIMENSION = 16
"""With n samples a dimension, new latents seem wider than those fitted by n / (n − 1) in variance."""
LEAST_SCALE = 1e-3
"""No axis counts as narrower than this share of the widest."""


@dataclass(frozen=True)
class WSpace:
    """Whitened coordinates v (…, k) with w = ``mean`` (w_dim,) + v · ``basis`` (k, w_dim), unit variance each."""

    mean: Tensor
    basis: Tensor

    @classmethod
    def fitted(cls, samples: Tensor) -> WSpace:
        """To ``samples`` (M, w_dim) of w, M at least w_dim for axes in every direction."""
        mean = samples.mean(dim=0)
        _, scales, axes = torch.linalg.svd(samples - mean, full_matrices=False)
        scales = scales / max(len(samples) - 1, 1) ** 0.5
        return cls(mean, scales.clamp(min=LEAST_SCALE * float(scales.max()))[:, None] * axes)

    def to_w(self, v: Tensor) -> Tensor:
        """(…, k) whitened → (…, w_dim)."""
        return self.mean + v @ self.basis

    def to_v(self, w: Tensor) -> Tensor:
        """(…, w_dim) → (…, k) whitened."""
        v: Tensor = (w - self.mean) @ torch.linalg.pinv(self.basis)
        return v


@torch.no_grad()
def sampled_w(generator: Generator, seed: int, count: int = 0) -> Tensor:
    """(M, w_dim) of the seed's latents, at least ``count`` and enough of them to fit a :class:`WSpace`."""
    count = max(count, SAMPLES_A_DIMENSION * generator.spec.w_dim)
    z = SampleRandom(seed).normal(Purpose.SNAPSHOT, range(count), generator.spec.z_dim)
    w: Tensor = generator.mapping(z.to(next(generator.parameters()).device))
    return w
