"""What every inverter takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from transfer.errors import ConfigError
from transfer.networks.generator import Generator


@dataclass(frozen=True)
class Inversion:
    """``ws`` (N, num_ws, w_dim); ``images`` (N, 3, R, R), what the generator makes of them with constant noise.

    ``curve`` is the mean loss step by step, empty where nothing was optimised. ``offsets`` says what was changed in the
    generator to make ``images``, by parameter name, (N, …) each; None where nothing was. ``notes`` are words for people
    on what went amiss.
    """

    ws: Tensor
    images: Tensor
    curve: tuple[float, ...]
    offsets: Mapping[str, Tensor] | None = None
    notes: tuple[str, ...] = ()


class Inverter(Protocol):
    """Finds latents of portraits."""

    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:
        """Invert ``targets`` (N, 3, R, R) in [-1, 1], aligned as the generator's training pictures were.

        Raises:
            ConfigError: R is not the generator's resolution.
        """
        ...


def check_size(generator: Generator, targets: Tensor) -> None:
    """Raises ConfigError where portraits are not of the generator's size."""
    side = generator.spec.resolution
    if targets.shape[-1] != side:
        raise ConfigError(f"portraits of {targets.shape[-1]}² cannot be inverted in a {side}² generator")
