"""The generator: mapping and synthesis together."""

from __future__ import annotations

from torch import Tensor, nn

from transfer.networks.mapping import MappingNetwork
from transfer.networks.spec import GeneratorSpec
from transfer.networks.synthesis import Noise, SynthesisNetwork


class Generator(nn.Module):
    """z (N, z_dim), and c (N, c_dim) where the spec has a condition → images (N, 3, R, R) about [-1, 1]."""

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.mapping = MappingNetwork(spec)
        self.synthesis = SynthesisNetwork(spec)

    def ws(self, z: Tensor, truncation: float = 1.0, c: Tensor | None = None) -> Tensor:
        """One w for every layer: (N, num_ws, w_dim)."""
        return self.broadcast(self.mapping.truncate(self.mapping(z, c), truncation))

    def broadcast(self, w: Tensor) -> Tensor:
        """w (N, w_dim) given to every layer: (N, num_ws, w_dim)."""
        return w[:, None, :].expand(-1, self.spec.num_ws, -1)

    def forward(self, z: Tensor, truncation: float = 1.0, noise: Noise = "const", c: Tensor | None = None) -> Tensor:
        images: Tensor = self.synthesis(self.ws(z, truncation, c), noise)
        return images
