"""Everything a run needs to go on exactly where it stopped: networks, optimisers, and the count of images shown.

There is no random state: all random numbers follow from the seed and the count (:mod:`transfer.randomness`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim import Adam

from drfhq_tools.atomic import replacing
from transfer.config import TrainConfig
from transfer.errors import CheckpointError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator


@dataclass
class TrainState:
    """The moving parts of a run. ``g_ema`` is the averaged generator, the one that is used afterwards."""

    generator: Generator
    discriminator: Discriminator
    g_ema: Generator
    g_optimizer: Adam
    d_optimizer: Adam
    images: int = 0
    steps: int = 0

    @classmethod
    def start(
        cls, generator: Generator, discriminator: Discriminator, config: TrainConfig, device: torch.device
    ) -> TrainState:
        """A fresh state on ``device``; the mapping network is frozen where the config says so."""
        for network in (generator, discriminator):
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator.requires_grad_(True)
        generator.mapping.requires_grad_(not config.freeze_mapping)
        trained = [p for p in generator.parameters() if p.requires_grad]
        g_ema = copy.deepcopy(generator).eval().requires_grad_(False)
        return cls(
            generator=generator,
            discriminator=discriminator,
            g_ema=g_ema,
            g_optimizer=Adam(trained, lr=config.g_lr, betas=(0.0, 0.99)),
            d_optimizer=_lazy_adam(discriminator, config),
        )

    @property
    def kimg(self) -> float:
        """Thousands of images shown so far."""
        return self.images / 1000.0

    def save(self, path: Path) -> None:
        """Write atomically."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        with replacing(path) as temporary:
            torch.save(parts | {"images": self.images, "steps": self.steps}, temporary)

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: the file is damaged or of another network.
        """
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])
            self.images, self.steps = int(saved["images"]), int(saved["steps"])
        except (RuntimeError, KeyError, ValueError, EOFError, OSError) as error:
            raise CheckpointError(
                f"{path} cannot be resumed from ({error}): move the run folder away and start anew"
            ) from error

    def average(self, config: TrainConfig) -> None:
        """Move ``g_ema`` towards the generator; its half-life grows with the run up to ``ema_kimg``."""
        half_life = min(config.ema_kimg * 1000.0, max(self.images, config.batch) * config.ema_rampup)
        keep = 0.5 ** (config.batch / max(half_life, 1e-8))
        with torch.no_grad():
            for mean, now in zip(self.g_ema.parameters(), self.generator.parameters(), strict=True):
                mean.lerp_(now, 1.0 - keep)
            for kept, current in zip(self.g_ema.buffers(), self.generator.buffers(), strict=True):
                kept.copy_(current)

    def _parts(self) -> dict[str, nn.Module | Adam]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "g_ema": self.g_ema,
            "g_optimizer": self.g_optimizer,
            "d_optimizer": self.d_optimizer,
        }


def _lazy_adam(discriminator: Discriminator, config: TrainConfig) -> Adam:
    """Adam, corrected for a penalty taken every ``r1_every`` steps only (Karras et al. 2020, section 3.1)."""
    share = config.r1_every / (config.r1_every + 1)
    parameters = cast("list[Tensor]", list(discriminator.parameters()))
    return Adam(parameters, lr=config.d_lr * share, betas=(0.0, 0.99**share))
