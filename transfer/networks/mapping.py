"""Mapping network: Gaussian z, and a condition where there is one, → intermediate latent w; and truncation.

Source: Karras et al. 2019 (StyleGAN); the embedded condition from Karras et al. 2020 (StyleGAN2-ADA), appendix on
class-conditional training.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from transfer.networks.equalized import EqualizedLinear
from transfer.networks.spec import GeneratorSpec

W_AVG_DECAY = 0.998


def normalised(x: Tensor) -> Tensor:
    """(N, F) scaled to a mean square of 1 along F."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class LatentMapping(nn.Module):
    """z (N, z_dim) and a condition c (N, c_dim) → (N, width); of either there may be none (0).

    The condition is embedded at the output's width; both are normalised and stand side by side.
    """

    def __init__(self, *, z_dim: int, c_dim: int, width: int, layers: int, lr: float) -> None:
        super().__init__()
        self.c_dim = c_dim
        self.embed = EqualizedLinear(c_dim, width) if c_dim else None
        widths = [z_dim + (width if c_dim else 0)] + [width] * layers
        self.layers = nn.ModuleList(EqualizedLinear(a, b, activate=True, lr=lr) for a, b in pairwise(widths))

    def forward(self, z: Tensor | None, c: Tensor | None = None) -> Tensor:
        parts = [] if z is None else [normalised(z)]
        if self.embed is not None:
            if c is None:
                raise ValueError(f"these networks are conditional: give c of (N, {self.c_dim})")
            parts.append(normalised(self.embed(c)))
        x = torch.cat(parts, dim=1)
        for layer in self.layers:
            x = layer(x)
        return x


class MappingNetwork(LatentMapping):
    """The generator's: z (N, z_dim), c (N, c_dim) → w (N, w_dim). Keeps ``w_avg``, the centre of truncation."""

    w_avg: Tensor

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__(
            z_dim=spec.z_dim, c_dim=spec.c_dim, width=spec.w_dim, layers=spec.mapping_layers, lr=spec.mapping_lr
        )
        self.register_buffer("w_avg", torch.zeros(spec.w_dim))

    @torch.no_grad()
    def track(self, w: Tensor) -> None:
        """Move ``w_avg`` towards the mean of ``w`` (N, w_dim); called by training alone."""
        self.w_avg.lerp_(w.float().mean(dim=0), 1.0 - W_AVG_DECAY)

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """Pull ``w`` towards the mean: psi 1 leaves it, 0 gives the mean face."""
        return self.w_avg.lerp(w, psi) if psi != 1.0 else w
