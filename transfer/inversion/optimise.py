"""Inversion by optimisation: first one w for all layers, then each layer's own (W+), pulled towards the known latents;
or a few steps in W+ alone from where another inverter, the encoder above all, has come.

The start is otherwise the best of many random latents. The loss is the pictures' unlikeness (:mod:`.likeness`) and how
unlikely the latent is: its offset from the mean w in units of the standard deviation along W's principal axes. A latent
that is likely in the tuned generator is one that the source generator also decodes well, which is what the inversion is
for; so is a W+ whose layers do not drift apart.

Sources: Abdal et al. 2019, "Image2StyleGAN" (W+); Karras et al. 2020 (StyleGAN2), appendix D (schedule, noise on w);
Tov et al. 2021, "Designing an Encoder for StyleGAN Image Manipulation" (keeping layers close to one w); Zhu et al.
2020, "In-Domain GAN Inversion" (an encoder's answer as the start).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from transfer.device import images_at_once
from transfer.errors import ConfigError
from transfer.inversion.base import Inversion, Inverter, check_size
from transfer.inversion.descent import descend
from transfer.inversion.likeness import Likeness, LikenessWeights
from transfer.inversion.remembered import Remembered
from transfer.inversion.wspace import WSpace, sampled_w
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet
from transfer.networks.synthesis import SynthesisNetwork

THUMBNAIL_PX = 16
FEWEST_CANDIDATES = 16
REFINE_LR = 0.1
"""Of few steps each must go further: at 20 steps held-out identity is 0.35 at 0.05, 0.40 at 0.1, 0.41 at 0.2."""


@dataclass(frozen=True, kw_only=True)
class OptimiseSettings:
    """What decides an inversion; the defaults were set by looking at held-out renders."""

    w_steps: int = 100
    """Steps with one w for all layers."""
    wplus_steps: int = 200
    """Steps with a w for each layer."""
    candidates: int = 256
    """Random latents among which the start is chosen; fewer above 256² (:func:`affordable`)."""
    lr: float = 0.05
    """Adam's peak learning rate, in standard deviations of w."""
    likeness: LikenessWeights = field(default_factory=LikenessWeights)
    """Weights of the parts of unlikeness."""
    prior: float = 0.3
    """Weight of the latent's mean squared offset in standard deviations."""
    spread: float = 0.2
    """Weight of the layers' mean squared distance to their own mean, in standard deviations."""
    seed: int = 0
    """Seed of the candidates."""
    dtype: torch.dtype = torch.float32
    """Of feature maps while optimising; latents, losses and the final images are fp32."""

    def __post_init__(self) -> None:
        if self.w_steps < 0 or self.wplus_steps < 0 or self.w_steps + self.wplus_steps < 1 or self.candidates < 1:
            raise ConfigError("an inversion has at least one step and one candidate")
        if self.lr <= 0 or min(self.prior, self.spread) < 0:
            raise ConfigError("the inversion's learning rate is above 0, its weights at least 0")


class OptimiseInverter:
    """Draws nothing at random but its seeded candidates; ``network`` is None for no identity and no perceptual part."""

    def __init__(self, settings: OptimiseSettings | None = None, network: IdentityNet | None = None) -> None:
        self.settings = settings or OptimiseSettings()
        self.network = network
        self.starts = Remembered(partial(Starts.sampled, self.settings.seed, self.settings.candidates))

    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:
        """Invert (N, 3, R, R); raises ConfigError if R is not the generator's resolution."""
        check_size(generator, targets)
        settings = self.settings
        starts = self.starts(generator)
        space, start = starts.space, starts.closest(targets)
        loss = latent_loss(generator, targets, space, settings, self.network)
        common = descend(space.to_v(start)[:, None, :], settings.w_steps, settings.lr, loss)
        own = descend(common.best.expand(-1, generator.spec.num_ws, -1), settings.wplus_steps, settings.lr, loss)
        curve = (*common.curve, *own.curve)
        return decoded(generator, space.to_w(own.best), curve, tuple(dict.fromkeys(common.notes + own.notes)))


class RefineInverter:
    """``settings.wplus_steps`` of W+ from where ``first`` has come; ``space`` is the generator's, None to sample it."""

    def __init__(
        self,
        first: Inverter,
        settings: OptimiseSettings | None = None,
        network: IdentityNet | None = None,
        space: WSpace | None = None,
    ) -> None:
        self.first = first
        self.settings = settings or OptimiseSettings(wplus_steps=40, lr=REFINE_LR)
        self.network = network
        self.space = Remembered(partial(_space, space, self.settings.seed))

    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:
        """Invert (N, 3, R, R); raises ConfigError if R is not the generator's resolution."""
        start = self.first(generator, targets)
        settings = self.settings
        space = self.space(generator)
        loss = latent_loss(generator, targets, space, settings, self.network)
        own = descend(space.to_v(start.ws), settings.wplus_steps, settings.lr, loss, settled=True)
        return decoded(generator, space.to_w(own.best), tuple(own.curve), start.notes + own.notes)


def latent_loss(
    generator: Generator, targets: Tensor, space: WSpace, settings: OptimiseSettings, network: IdentityNet | None
) -> Callable[[Tensor], Tensor]:
    """v (N, 1 or num_ws, k) → (N,): unlikeness of its pictures to ``targets``, and unlikeliness."""
    likeness = Likeness(targets, settings.likeness, network)
    synthesis = computing(generator.synthesis, settings.dtype)

    def loss(v: Tensor) -> Tensor:
        ws = space.to_w(v).expand(-1, generator.spec.num_ws, -1)
        spread = (v - v.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2))
        prior = settings.prior * v.square().mean(dim=(1, 2)) + settings.spread * spread
        total: Tensor = likeness(synthesis(ws)) + prior
        return total

    return loss


def computing(synthesis: SynthesisNetwork, dtype: torch.dtype) -> SynthesisNetwork:
    """The same network, its weights shared and taken for constants, with feature maps of ``dtype``."""
    synthesis.requires_grad_(False)
    twin = copy.copy(synthesis)
    twin.dtype = dtype
    return twin


@torch.no_grad()
def decoded(generator: Generator, ws: Tensor, curve: tuple[float, ...], notes: tuple[str, ...]) -> Inversion:
    """The inversion that ``ws`` (N, num_ws, w_dim) are."""
    return Inversion(ws, generator.synthesis(ws), curve, notes=notes)


@dataclass(frozen=True)
class Starts:
    """Random latents of a generator to start from: ``candidates`` (M, w_dim), their ``thumbnails`` (M, 3·16²), and the
    ``space`` that they and more of them span."""

    space: WSpace
    candidates: Tensor
    thumbnails: Tensor

    @classmethod
    @torch.no_grad()
    def sampled(cls, seed: int, count: int, generator: Generator) -> Starts:
        """``count`` of the seed's, fewer above 256²; all their images are computed once, some at a time."""
        side = generator.spec.resolution
        w = sampled_w(generator, seed, count)
        candidates = w[: affordable(count, side)]
        images = (
            generator.synthesis(generator.broadcast(part)) for part in torch.split(candidates, images_at_once(side))
        )
        return cls(WSpace.fitted(w), candidates, torch.cat([thumbnail(each) for each in images]))

    def closest(self, targets: Tensor) -> Tensor:
        """(N, w_dim): for each target the candidate whose thumbnail is nearest."""
        return self.candidates[torch.cdist(thumbnail(targets), self.thumbnails).argmin(dim=1)]


def affordable(count: int, side: int) -> int:
    """How many of ``count`` candidates to look at: above 256² of as many pixels in all, but 16 at least."""
    return min(count, max(FEWEST_CANDIDATES, count * 256**2 // side**2))


def thumbnail(images: Tensor) -> Tensor:
    """(N, 3, R, R) → (N, 3·16²)."""
    return functional.adaptive_avg_pool2d(images, THUMBNAIL_PX).flatten(1)


def _space(given: WSpace | None, seed: int, generator: Generator) -> WSpace:
    return given or WSpace.fitted(sampled_w(generator, seed))
