"""Train a run's encoder: first on free pairs, then on the manifest's portraits as well.

A free pair is an image of the tuned generator and the ws it came from: as many as wished, with the answer known. The
encoder sees a view of it (:mod:`.encoder_views`) and is told how far its latent and its image lie from the true ones.
A portrait's latent nobody knows: there the image that the frozen generator makes of the encoder's answer is held
against the portrait, and the answer is pulled towards likely latents.

Layers depart from the common w one after another. Randomness follows from the seed and the count of images; a resumed
run equals an uninterrupted one to the bit on a CPU.

Sources: Tov et al. 2021, "Designing an Encoder for StyleGAN Image Manipulation" (progressive deltas, the deltas'
penalty); Richardson et al. 2021, "Encoding in Style"; Zhu et al. 2020, "In-Domain GAN Inversion" (portraits through the
frozen generator).
"""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from drfhq_tools.atomic import replacing
from transfer.data import Portraits
from transfer.errors import CheckpointError, ConfigError, NonFiniteLossError
from transfer.inversion.likeness import Likeness, LikenessWeights, pyramid_distance
from transfer.inversion.wspace import WSpace, sampled_w
from transfer.networks.encoder import Encoder
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet
from transfer.randomness import Purpose, SampleRandom
from transfer.run_folder import differing
from transfer.training.encoder_views import NUMBERS, seen

BETAS = (0.9, 0.99)
GRADIENT_NORM = 1.0
"""Larger gradients are scaled down to this."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Everything that decides an encoder's training apart from its generator and its data."""

    batch: int = 8
    """Pictures a step."""
    seed: int = 0
    """Seed of every random number."""
    lr: float = 0.001
    """Adam's learning rate."""
    free_kimg: float = 5.0
    """Thousands of pictures that are free pairs alone, over which one layer after another may depart from the common w;
    later every second picture is a portrait."""
    mixing: float = 0.5
    """Share of the free pairs whose finer layers take another latent's style."""
    latent: float = 0.2
    """Weight of a free pair's squared distance of ws, 1 for a latent's distance from the mean."""
    prior: float = 0.02
    """Weight of a portrait's mean squared offset, in standard deviations of w."""
    spread: float = 0.02
    """Weight of its layers' mean squared departure from their mean."""
    likeness: LikenessWeights = field(default_factory=LikenessWeights)
    """Weights of the parts of a portrait's unlikeness; the image pyramid's is 1."""
    ema_kimg: float = 1.0
    """Half-life of the averaged encoder, the one that is used; at most a twentieth of the pictures so far."""

    def __post_init__(self) -> None:
        if self.batch < 2 or self.seed < 0:
            raise ConfigError("an encoder's batch is at least 2, its seed at least 0")
        if min(self.lr, self.ema_kimg) <= 0 or min(self.free_kimg, self.latent) < 0:
            raise ConfigError("learning rate and half-life are above 0, other lengths and weights at least 0")
        if not 0 <= self.mixing <= 1 or min(self.prior, self.spread) < 0:
            raise ConfigError("mixing is a share from 0 to 1, prior and spread are at least 0")


@dataclass
class EncoderState:
    """The moving parts; ``ema`` is the averaged encoder."""

    encoder: Encoder
    ema: Encoder
    optimizer: torch.optim.Adam
    images: int = 0

    @classmethod
    def start(cls, generator: Generator, config: EncoderConfig) -> EncoderState:
        """A fresh encoder for ``generator``, beside it on its device."""
        space = WSpace.fitted(sampled_w(generator, config.seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            encoder = Encoder(generator.spec)
        encoder = encoder.to(space.mean.device)
        encoder.mean.copy_(space.mean)
        encoder.basis.copy_(space.basis)
        ema = copy.deepcopy(encoder).eval().requires_grad_(False)
        return cls(encoder, ema, torch.optim.Adam(encoder.parameters(), lr=config.lr, betas=BETAS))

    def save(self, path: Path, about: dict[str, object]) -> None:
        """Write atomically, with what decides the training."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(parts | {"images": self.images, "about": json.dumps(about, sort_keys=True)}, file)

    def load(self, path: Path, about: dict[str, object]) -> None:
        """Go on from a saved state.

        Raises:
            CheckpointError: the file is damaged.
            ConfigError: it was begun with other settings, data or another generator.
        """
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            before, now = json.loads(saved["about"]), json.loads(json.dumps(about))
            if names := differing(before, now):
                raise ConfigError(
                    f"{path} is of an encoder begun with another {', '.join(names)}: resume it with what it was "
                    "begun with, or remove the file to begin anew"
                )
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])
            self.images = int(saved["images"])
        except (RuntimeError, KeyError, ValueError, TypeError, EOFError, OSError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{path} cannot be resumed from ({error}): remove it to begin anew") from error

    def average(self, config: EncoderConfig) -> None:
        """Move ``ema`` towards the encoder."""
        half_life = min(config.ema_kimg * 1000.0, max(self.images, config.batch) / 20)
        keep = 0.5 ** (config.batch / half_life)
        with torch.no_grad():
            for mean, now in zip(self.ema.parameters(), self.encoder.parameters(), strict=True):
                mean.lerp_(now, 1.0 - keep)

    def _parts(self) -> dict[str, Encoder | torch.optim.Adam]:
        return {"encoder": self.encoder, "ema": self.ema, "optimizer": self.optimizer}


class EncoderTrainer:
    """One step at a time."""

    def __init__(
        self,
        state: EncoderState,
        generator: Generator,
        portraits: Portraits,
        config: EncoderConfig,
        network: IdentityNet,
    ) -> None:
        self.state = state
        self.generator = generator.eval().requires_grad_(False)
        self.portraits = portraits
        self.config = config
        self.network = network
        self.device = next(generator.parameters()).device
        self.random = SampleRandom(config.seed)

    def step(self) -> dict[str, float]:
        """Show one batch; returns the unweighted losses by name.

        Raises:
            NonFiniteLossError: one became NaN or infinite.
        """
        state, batch = self.state, self.config.batch
        indices = range(state.images, state.images + batch)
        portraits = indices[: batch // 2] if state.images >= 1000 * self.config.free_kimg else indices[:0]
        free = indices[len(portraits) :]
        weights = {"latent": self.config.latent, "prior": self.config.prior, "spread": self.config.spread}
        losses = self._free(free) | (self._portraits(portraits) if portraits else {})
        values = {name: float(loss.detach()) for name, loss in losses.items()}
        for name, value in values.items():
            if not abs(value) < float("inf"):
                raise NonFiniteLossError(f"the encoder's loss {name!r} became {value} at {state.images} images")
        state.optimizer.zero_grad(set_to_none=True)
        total = torch.stack([loss * weights.get(name, 1.0) for name, loss in losses.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(state.encoder.parameters(), GRADIENT_NORM)
        state.optimizer.step()
        state.images += batch
        state.average(self.config)
        return values

    def _free(self, indices: range) -> dict[str, Tensor]:
        images, ws = self.pairs(indices)
        found = self._encoded(images, indices, Purpose.AUGMENT_FAKE)
        encoder = self.state.encoder
        variance = encoder.basis.square().sum()
        return {
            "latent": (encoder.mean + found @ encoder.basis - ws).square().sum(dim=2).mean() / variance,
            "image": pyramid_distance(self._decoded(found), images).mean(),
        }

    def _portraits(self, indices: range) -> dict[str, Tensor]:
        images = self.pictures(indices)
        found = self._encoded(images, indices, Purpose.AUGMENT_REAL)
        likeness = Likeness(images, self.config.likeness, self.network)
        departure = found - found.mean(dim=1, keepdim=True)
        return {
            "portrait": likeness(self._decoded(found)).mean(),
            "prior": found.square().mean(),
            "spread": departure.square().mean(),
        }

    @torch.no_grad()
    def pairs(self, indices: range) -> tuple[Tensor, Tensor]:
        """Images (N, 3, R, R) of the generator, with noise of their own, and their ws (N, num_ws, w_dim)."""
        spec, random = self.generator.spec, self.random
        z, other = (
            random.normal(purpose, indices, spec.z_dim).to(self.device)
            for purpose in (Purpose.LATENT, Purpose.MIXING_LATENT)
        )
        numbers = random.uniform(Purpose.MIXING, indices, 2).to(self.device)
        start = torch.where(numbers[:, 0] < self.config.mixing, 1 + numbers[:, 1] * (spec.num_ws - 1), spec.num_ws)
        mixed = torch.arange(spec.num_ws, device=self.device)[None, :] >= start[:, None].floor()
        ws = torch.where(mixed[:, :, None], self.generator.ws(other), self.generator.ws(z))
        sides = [conv.noise_const.shape[0] for conv in self.generator.synthesis.styled_convs()]
        noise = [map_.to(self.device) for map_ in random.noise(Purpose.NOISE, indices, sides)]
        return self.generator.synthesis(ws, noise), ws

    def pictures(self, indices: range) -> Tensor:
        """Portraits (N, 3, R, R), every second one mirrored."""
        rows = self.portraits.order(self.random, indices)
        flips = (self.random.uniform(Purpose.FLIP, indices, 1)[:, 0] < 0.5).tolist()
        return self.portraits.batch(rows, flips, self.device)

    def _encoded(self, images: Tensor, indices: range, purpose: Purpose) -> Tensor:
        view = seen(images, self.random.uniform(purpose, indices, NUMBERS))
        return self.state.encoder.offsets(view, self.unlocked)

    def _decoded(self, v: Tensor) -> Tensor:
        encoder = self.state.encoder
        images: Tensor = self.generator.synthesis(encoder.mean + v @ encoder.basis)
        return images

    @property
    def unlocked(self) -> int:
        """Layers that may depart from the common w by now."""
        count, length = self.generator.spec.num_ws, 1000 * self.config.free_kimg
        return count if self.state.images >= length else int(count * self.state.images / length)


def described(config: EncoderConfig) -> dict[str, object]:
    """The settings in JSON's types."""
    return asdict(config)
