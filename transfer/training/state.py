"""Everything a run needs to go on exactly where it stopped: networks, optimisers, and the count of images shown.

There is no random state: all random numbers follow from the seed and the count (:mod:`transfer.randomness`).
"""

from __future__ import annotations

import copy
import pickle
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from torch import nn
from torch.optim import Adam

from drfhq_tools.atomic import replacing
from transfer.config import TrainConfig
from transfer.errors import CheckpointError, ConfigError, NonFiniteLossError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.training.precision import loss_scaler


@dataclass
class Measured:
    """Figures that a run steers itself by."""

    ada_p: float = 0.0
    """ADA's probability of a transform."""
    sign: float = 0.0
    """Sum over ``sign_steps`` of the mean sign of the discriminator's logits on real images, since p last changed."""
    sign_steps: int = 0
    path_length: float = 0.0
    """Running mean of path lengths; 0 before the first."""


@dataclass
class TrainState:
    """The moving parts of a run. ``g_ema`` is the averaged generator, the one that is used afterwards."""

    generator: Generator
    discriminator: Discriminator
    g_ema: Generator
    g_optimizer: Adam
    d_optimizer: Adam
    scaler: torch.amp.GradScaler
    measured: Measured = field(default_factory=Measured)
    images: int = 0
    steps: int = 0

    @classmethod
    def start(
        cls, generator: Generator, discriminator: Discriminator, config: TrainConfig, device: torch.device
    ) -> TrainState:
        """A fresh state on ``device``; what the config says to freeze has no gradient and no optimiser.

        Raises:
            ConfigError: it freezes layers that are not there, or all there are.
        """
        for network in (generator, discriminator):
            network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        _freeze_generator(generator, config)
        _freeze_discriminator(discriminator, config.freeze_d)
        g_ema = copy.deepcopy(generator).eval().requires_grad_(False)
        return cls(
            generator=generator,
            discriminator=discriminator,
            g_ema=g_ema,
            g_optimizer=Adam(_trained(generator), lr=config.g_lr, betas=(0.0, 0.99)),
            d_optimizer=_lazy_adam(discriminator, config),
            scaler=loss_scaler(config, device),
        )

    @property
    def kimg(self) -> float:
        """Thousands of images shown so far."""
        return self.images / 1000.0

    def save(self, path: Path) -> None:
        """Write atomically.

        Raises:
            NonFiniteLossError: weights are not finite, and not worth resuming from.
        """
        self.check_finite()
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        counts = {"images": self.images, "steps": self.steps, "measured": asdict(self.measured)}
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(parts | counts | {"scaler": self.scaler.state_dict()}, file)

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: the file is damaged or of another network.
        """
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])
            self.scaler.load_state_dict(saved.get("scaler", {}) if self.scaler.is_enabled() else {})
            known = {field.name for field in fields(Measured)}
            self.measured = Measured(**{k: v for k, v in saved.get("measured", {}).items() if k in known})
            self.images, self.steps = int(saved["images"]), int(saved["steps"])
        except (RuntimeError, KeyError, ValueError, EOFError, OSError, pickle.UnpicklingError) as error:
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

    def check_finite(self) -> None:
        """Raises NonFiniteLossError, with the network's name, where weights are NaN or infinite."""
        networks = {"generator": self.generator, "discriminator": self.discriminator, "averaged generator": self.g_ema}
        for name, network in networks.items():
            if not all(bool(torch.isfinite(weights).all()) for weights in network.parameters()):
                raise NonFiniteLossError(f"weights of the {name} became NaN or infinite by step {self.steps}")

    def _parts(self) -> dict[str, nn.Module | Adam]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "g_ema": self.g_ema,
            "g_optimizer": self.g_optimizer,
            "d_optimizer": self.d_optimizer,
        }


def _freeze_generator(generator: Generator, config: TrainConfig) -> None:
    generator.requires_grad_(True)
    generator.mapping.requires_grad_(not config.freeze_mapping)
    sides = generator.spec.resolutions
    if unknown := sorted(set(config.freeze_g) - set(sides)):
        raise ConfigError(f"freeze_g names {unknown[0]}, but the generator has {', '.join(map(str, sides))}")
    for side, block in zip(sides, generator.synthesis.blocks, strict=True):
        block.requires_grad_(side not in config.freeze_g)
    generator.synthesis.const.requires_grad_(sides[0] not in config.freeze_g)
    if not _trained(generator):
        raise ConfigError("freeze_g leaves nothing of the generator to train")


def _freeze_discriminator(discriminator: Discriminator, count: int) -> None:
    discriminator.requires_grad_(True)
    layers: list[nn.Module] = [discriminator.from_rgb]
    for block in discriminator.blocks:
        layers += [block.conv, block.conv_down, block.skip]  # type: ignore[list-item]
    if count > len(layers):
        raise ConfigError(f"freeze_d is {count}, but the discriminator has {len(layers)} layers before its last ones")
    for layer in layers[:count]:
        layer.requires_grad_(False)


def _trained(network: nn.Module) -> list[nn.Parameter]:
    return [weights for weights in network.parameters() if weights.requires_grad]


def _lazy_adam(discriminator: Discriminator, config: TrainConfig) -> Adam:
    """Adam, corrected for a penalty taken every ``r1_every`` steps only (Karras et al. 2020, section 3.1)."""
    share = config.r1_every / (config.r1_every + 1)
    return Adam(_trained(discriminator), lr=config.d_lr * share, betas=(0.0, 0.99**share))
