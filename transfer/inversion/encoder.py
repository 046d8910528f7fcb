"""Inversion by one pass through an encoder."""

from __future__ import annotations

import torch
from torch import Tensor

from transfer.errors import ConfigError
from transfer.inversion.base import Inversion, check_size
from transfer.inversion.optimise import decoded
from transfer.networks.encoder import Encoder
from transfer.networks.generator import Generator


class EncoderInverter:
    """Nothing is optimised: milliseconds a portrait."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:
        """Invert (N, 3, R, R); raises ConfigError if R or the generator is not what the encoder was made for."""
        check_size(generator, targets)
        ours, theirs = self.encoder.spec, generator.spec
        if (ours.resolution, ours.num_ws, ours.w_dim) != (theirs.resolution, theirs.num_ws, theirs.w_dim):
            raise ConfigError(
                f"the encoder is for a {ours.resolution}² generator with w of {ours.w_dim}, this one is of "
                f"{theirs.resolution}² and {theirs.w_dim}: train it anew with `transfer train-encoder`, or choose "
                "--inverter optimise"
            )
        return decoded(generator, self.encoder(targets), (), ())
