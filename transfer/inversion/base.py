"""What every inverter takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from transfer.networks.generator import Generator


@dataclass(frozen=True)
class Inversion:
    """``ws`` (N, num_ws, w_dim); ``images`` (N, 3, R, R), what the generator makes of them with constant noise;

    ``curve``, the mean loss step by step.
    """

    ws: Tensor
    images: Tensor
    curve: tuple[float, ...]


class Inverter(Protocol):
    """Finds latents of portraits."""

    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:
        """Invert ``targets`` (N, 3, R, R) in [-1, 1], aligned as the generator's training pictures were."""
        ...
