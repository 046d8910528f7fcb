"""Mapping network: Gaussian z → intermediate latent w, and truncation. Source: Karras et al. 2019 (StyleGAN)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from transfer.networks.equalized import EqualizedLinear
from transfer.networks.spec import GeneratorSpec

W_AVG_DECAY = 0.998


class MappingNetwork(nn.Module):
    """z (N, z_dim) → w (N, w_dim). Keeps ``w_avg``, the running mean of w, the centre of truncation."""

    w_avg: Tensor

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        widths = [spec.z_dim] + [spec.w_dim] * spec.mapping_layers
        self.layers = nn.ModuleList(
            EqualizedLinear(a, b, activate=True, lr=spec.mapping_lr) for a, b in pairwise(widths)
        )
        self.register_buffer("w_avg", torch.zeros(spec.w_dim))

    def forward(self, z: Tensor) -> Tensor:
        x = z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.layers:
            x = layer(x)
        return x

    @torch.no_grad()
    def track(self, w: Tensor) -> None:
        """Move ``w_avg`` towards the mean of ``w`` (N, w_dim); called by training alone."""
        self.w_avg.lerp_(w.float().mean(dim=0), 1.0 - W_AVG_DECAY)

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """Pull ``w`` towards the mean: psi 1 leaves it, 0 gives the mean face."""
        return self.w_avg.lerp(w, psi) if psi != 1.0 else w
