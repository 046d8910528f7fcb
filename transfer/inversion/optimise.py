"""Inversion by optimisation: first one w for all layers, then each layer's own (W+), pulled towards the known latents.

The start is the best of many random latents. The loss compares image pyramids (so that coarse layers settle first),
identity embeddings where a network is given, and how unlikely the latent is: its offset from the mean w in units of
the standard deviation along W's principal axes. A latent that is likely in the tuned generator is one that the source
generator also decodes well, which is what the inversion is for; so is a W+ whose layers do not drift apart.

Sources: Abdal et al. 2019, "Image2StyleGAN" (W+); Karras et al. 2020 (StyleGAN2), appendix D (schedule, noise on w);
Tov et al. 2021, "Designing an Encoder for StyleGAN Image Manipulation" (keeping layers close to one w).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor
from torch.nn import functional

from transfer.errors import ConfigError
from transfer.inversion.base import Inversion
from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom

WARMUP = 0.05
COOLDOWN = 0.3


@dataclass(frozen=True, kw_only=True)
class OptimiseSettings:
    """What decides an inversion; the defaults were set by looking at held-out renders."""

    w_steps: int = 100
    """Steps with one w for all layers."""
    wplus_steps: int = 200
    """Steps with a w for each layer."""
    candidates: int = 256
    """Random latents among which the start is chosen."""
    lr: float = 0.05
    """Adam's peak learning rate, in standard deviations of w."""
    identity: float = 0.5
    """Weight of the squared Euclidean distance of identity embeddings."""
    prior: float = 0.3
    """Weight of the latent's mean squared offset in standard deviations."""
    spread: float = 0.2
    """Weight of the layers' mean squared distance to their own mean, in standard deviations."""
    seed: int = 0
    """Seed of the candidates."""

    def __post_init__(self) -> None:
        if self.w_steps < 1 or self.wplus_steps < 0 or self.candidates < 1:
            raise ConfigError("w_steps and candidates are at least 1, wplus_steps at least 0")
        if self.lr <= 0 or min(self.identity, self.prior, self.spread) < 0:
            raise ConfigError("the inversion's learning rate is above 0, its weights at least 0")


class WSpace:
    """The distribution of w: whitened coordinates v with w = mean + v · basis, unit variance along each axis."""

    def __init__(self, samples: Tensor) -> None:
        self.mean: Tensor = samples.mean(dim=0)
        _, scales, axes = torch.linalg.svd(samples - self.mean, full_matrices=False)
        scales = scales / max(len(samples) - 1, 1) ** 0.5
        self.basis: Tensor = scales.clamp(min=1e-3 * float(scales.max()))[:, None] * axes

    def to_w(self, v: Tensor) -> Tensor:
        """(…, k) whitened → (…, w_dim)."""
        return self.mean + v @ self.basis

    def to_v(self, w: Tensor) -> Tensor:
        """(…, w_dim) → (…, k) whitened."""
        v: Tensor = (w - self.mean) @ torch.linalg.pinv(self.basis)
        return v


class OptimiseInverter:
    """Draws nothing at random but its seeded candidates. Rounding still differs between batches, machines and runs."""

    def __init__(
        self, settings: OptimiseSettings | None = None, embed: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.settings = settings or OptimiseSettings()
        self.embed = embed

    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:
        """Invert (N, 3, R, R); raises ConfigError if R is not the generator's resolution."""
        spec = generator.spec
        if targets.shape[-1] != spec.resolution:
            raise ConfigError(f"portraits of {targets.shape[-1]}² cannot be inverted in a {spec.resolution}² generator")
        generator.requires_grad_(False)
        space, candidates = self._candidates(generator, targets.device)
        start = self._closest(generator, candidates, targets)
        objective = self._objective(generator, targets)
        curve: list[float] = []
        v = space.to_v(start)[:, None, :]
        v = self._descend(v, self.settings.w_steps, objective, space, curve)
        v = v.expand(-1, spec.num_ws, -1)
        v = self._descend(v, self.settings.wplus_steps, objective, space, curve)
        ws = space.to_w(v)
        with torch.no_grad():
            return Inversion(ws, generator.synthesis(ws), tuple(curve))

    @torch.no_grad()
    def _candidates(self, generator: Generator, device: torch.device) -> tuple[WSpace, Tensor]:
        count = max(self.settings.candidates, 4 * generator.spec.w_dim)
        z = SampleRandom(self.settings.seed).normal(Purpose.SNAPSHOT, range(count), generator.spec.z_dim)
        w = generator.mapping(z.to(device))
        return WSpace(w), w[: self.settings.candidates]

    @torch.no_grad()
    def _closest(self, generator: Generator, candidates: Tensor, targets: Tensor) -> Tensor:
        """For each target the candidate whose 16² thumbnail is nearest: (N, w_dim)."""
        thumbnails = []
        for w in torch.split(candidates, 32):
            images = generator.synthesis(generator.broadcast(w))
            thumbnails.append(functional.adaptive_avg_pool2d(images, 16).flatten(1))
        wanted = functional.adaptive_avg_pool2d(targets, 16).flatten(1)
        return candidates[torch.cdist(wanted, torch.cat(thumbnails)).argmin(dim=1)]

    def _objective(self, generator: Generator, targets: Tensor) -> Callable[[Tensor], Tensor]:
        with torch.no_grad():
            embedding = self.embed(targets) if self.embed and self.settings.identity else None

        def loss(ws: Tensor) -> Tensor:
            images = generator.synthesis(ws.expand(-1, generator.spec.num_ws, -1))
            total = pyramid_distance(images, targets)
            if embedding is not None and self.embed is not None:
                distance = (self.embed(images) - embedding).square().sum(dim=1)
                total = total + self.settings.identity * distance
            return total

        return loss

    def _descend(
        self, v: Tensor, steps: int, objective: Callable[[Tensor], Tensor], space: WSpace, curve: list[float]
    ) -> Tensor:
        """``steps`` of Adam on v (N, L, k); returns for each portrait the best v seen."""
        v = v.detach().clone().requires_grad_(True)
        optimizer = torch.optim.Adam([v], lr=self.settings.lr, betas=(0.9, 0.99))
        best, best_loss = v.detach().clone(), torch.full((len(v),), torch.inf, device=v.device)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = self.settings.lr * _schedule(step / steps)
            losses = objective(space.to_w(v)) + self._prior(v)
            better = (losses < best_loss).detach()
            best[better], best_loss[better] = v.detach()[better], losses.detach()[better]
            curve.append(float(losses.detach().mean()))
            optimizer.zero_grad(set_to_none=True)
            losses.sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return best

    def _prior(self, v: Tensor) -> Tensor:
        spread = (v - v.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2))
        return self.settings.prior * v.square().mean(dim=(1, 2)) + self.settings.spread * spread


def pyramid_distance(images: Tensor, targets: Tensor) -> Tensor:
    """(N,) mean absolute difference, averaged over octaves from full size down to 8²."""
    total, levels = images.new_zeros(len(images)), 0
    while images.shape[-1] >= 8:
        total = total + (images - targets).abs().mean(dim=(1, 2, 3))
        images, targets, levels = functional.avg_pool2d(images, 2), functional.avg_pool2d(targets, 2), levels + 1
    return total / levels


def _schedule(t: float) -> float:
    """Learning-rate factor at t in [0, 1): a linear warm-up and a cosine end."""
    return min(1.0, t / WARMUP + 0.1) * (0.5 - 0.5 * cos(min(1.0, (1.0 - t) / COOLDOWN) * pi))
