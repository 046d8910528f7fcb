"""Pivotal tuning: around a latent already found, the generator's own weights learn the portrait; and the weight change
is carried over to the realistic generator.

What the latents cannot say goes into the synthesis weights. A second loss keeps the generator as it was beside the
portrait: at latents some way off towards random ones the tuned weights must give the old pictures. The two generators
of a run started from the same weights, so an offset that means a nose's shape in one is tried in the other, with a
strength.

Source: Roich et al. 2021, "Pivotal Tuning for Latent-based Editing of Real Images". Carrying the change over is ours.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor, nn

from transfer.errors import ConfigError
from transfer.inversion.base import Inversion, Inverter
from transfer.inversion.descent import BETAS, Schedule
from transfer.inversion.likeness import Likeness, LikenessWeights, pyramid_distance
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet
from transfer.randomness import Purpose, SampleRandom


@dataclass(frozen=True, kw_only=True)
class PivotalSettings:
    """How far the weights go for one portrait."""

    steps: int = 60
    """Steps on the weights."""
    lr: float = 0.001
    """Adam's peak learning rate; weights are equalised, of unit variance."""
    likeness: LikenessWeights = field(default_factory=LikenessWeights)
    """Weights of the parts of unlikeness."""
    locality: float = 1.0
    """Weight of the pictures' change beside the portrait."""
    reach: float = 0.3
    """How far off, as a share of the way from the portrait's latent to a random one, the generator is to stay."""
    seed: int = 0
    """Seed of those random latents."""
    dtype: torch.dtype = torch.float32
    """Of feature maps while tuning."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.lr <= 0 or self.locality < 0 or not 0 < self.reach <= 1:
            raise ConfigError("pivotal tuning has steps, a learning rate above 0, locality from 0 and reach up to 1")


class PivotalInverter:
    """Takes portraits one after another, each with weights of its own; the generator given stays as it is."""

    def __init__(
        self, first: Inverter, settings: PivotalSettings | None = None, network: IdentityNet | None = None
    ) -> None:
        self.first = first
        self.settings = settings or PivotalSettings()
        self.network = network

    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:
        """Invert (N, 3, R, R); raises ConfigError if R is not the generator's resolution."""
        start = self.first(generator, targets)
        tuned = [self._tune(generator, ws[None], target[None]) for ws, target in zip(start.ws, targets, strict=True)]
        offsets = {name: torch.stack([one.offsets[name] for one in tuned]) for name in tuned[0].offsets}
        images = torch.cat([one.image for one in tuned])
        curve = [sum(values) / len(values) for values in zip(*(one.curve for one in tuned), strict=False)]
        notes = tuple(dict.fromkeys(note for one in tuned for note in one.notes))
        return Inversion(start.ws, images, (*start.curve, *curve), offsets, start.notes + notes)

    def _tune(self, generator: Generator, ws: Tensor, target: Tensor) -> _Tuned:
        settings = self.settings
        own = copy.deepcopy(generator.synthesis).requires_grad_(True)
        own.dtype = settings.dtype
        parameters = list(own.parameters())
        optimizer = torch.optim.Adam(parameters, lr=settings.lr, betas=BETAS)
        likeness = Likeness(target, settings.likeness, self.network)
        schedule, curve, notes = Schedule(settings.steps), list[float](), tuple[str, ...]()
        best, least = [p.detach().clone() for p in parameters], float("inf")
        while not schedule.over:
            loss = likeness(own(ws)).mean()
            value = float(loss.detach())
            if not isfinite(value):
                notes = ("a loss became NaN or infinite while weights were tuned; the best weights before are kept",)
                break
            if value < least:
                best, least = [p.detach().clone() for p in parameters], value
            curve.append(value)
            if settings.locality:
                loss = loss + settings.locality * self._change_beside(generator, own, ws, len(curve))
            optimizer.param_groups[0]["lr"] = settings.lr * schedule.factor()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.advance(plateau=False)
        return _tuned(generator, own, best, ws, curve, notes)

    def _change_beside(self, generator: Generator, own: nn.Module, ws: Tensor, step: int) -> Tensor:
        z = SampleRandom(self.settings.seed).normal(Purpose.LATENT, range(step, step + 1), generator.spec.z_dim)
        with torch.no_grad():
            beside = ws.lerp(generator.ws(z.to(ws.device)), self.settings.reach)
            before = generator.synthesis(beside)
        return pyramid_distance(own(beside), before).mean()


@dataclass(frozen=True)
class _Tuned:
    offsets: dict[str, Tensor]
    image: Tensor
    curve: list[float]
    notes: tuple[str, ...]


@torch.no_grad()
def _tuned(
    generator: Generator, own: nn.Module, best: list[Tensor], ws: Tensor, curve: list[float], notes: tuple[str, ...]
) -> _Tuned:
    before = dict(generator.synthesis.named_parameters())
    for parameter, value in zip(own.parameters(), best, strict=True):
        parameter.copy_(value)
    offsets = {f"synthesis.{name}": p.detach() - before[name].detach() for name, p in own.named_parameters()}
    return _Tuned(offsets, carried(generator, offsets).synthesis(ws), curve, notes)


def each_alone(offsets: Mapping[str, Tensor] | None, count: int) -> list[Mapping[str, Tensor] | None]:
    """A batch's weight changes, (N, …) by name, portrait by portrait; ``count`` times None if there are none."""
    if offsets is None:
        return [None] * count
    return [{name: values[index] for name, values in offsets.items()} for index in range(count)]


@torch.no_grad()
def carried(source: Generator, offsets: Mapping[str, Tensor], strength: float = 1.0) -> Generator:
    """A copy of ``source`` whose weights are moved by ``strength`` times one portrait's ``offsets``, (1, …) or (…).

    Raises:
        ConfigError: the offsets are another generator's, or several portraits'.
    """
    moved = copy.deepcopy(source).eval().requires_grad_(False)
    parameters = dict(moved.named_parameters())
    for name, offset in offsets.items():
        if name not in parameters or offset.numel() != parameters[name].numel():
            raise ConfigError(
                f"the weight change does not fit this generator at {name}: carry one portrait's at a time"
            )
        parameters[name].add_(offset.reshape(parameters[name].shape).to(parameters[name]), alpha=strength)
    return moved


def carried_images(
    source: Generator, ws: Tensor, offsets: Sequence[Mapping[str, Tensor] | None], strength: float = 1.0
) -> Tensor:
    """(N, 3, R, R) of ``ws`` (N, num_ws, w_dim), each by ``source`` with its own weight change :func:`carried` over,
    or as it is where there is none; one such copy is kept at a time."""
    generators = (source if one is None else carried(source, one, strength) for one in offsets)
    return torch.cat([generator.synthesis(w[None]) for generator, w in zip(generators, ws, strict=True)])
