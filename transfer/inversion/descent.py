"""Adam on latents or weights: a warm-up, a cosine end that begins early where nothing is gained any more, and the best
of each portrait kept, so that a step that went astray costs nothing but itself.

Sources: Kingma & Ba 2015 (Adam); Karras et al. 2020 (StyleGAN2), appendix D (the schedule).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor

WARMUP = 0.05
COOLDOWN = 0.3
PATIENCE = 20
"""Steps within which the mean of the least losses must fall by :data:`GAIN` of itself."""
GAIN = 0.005
BETAS = (0.9, 0.99)


@dataclass
class Schedule:
    """Learning-rate factors of at most ``steps`` steps; ``hurried`` from where losses no longer fall."""

    steps: int
    t: float = 0.0

    def factor(self) -> float:
        """At t in [0, 1): a linear warm-up and a cosine end."""
        return min(1.0, self.t / WARMUP + 0.1) * (0.5 - 0.5 * cos(min(1.0, (1.0 - self.t) / COOLDOWN) * pi))

    def advance(self, plateau: bool) -> None:
        """One step on; from a plateau straight to the cosine end."""
        self.t += 1.0 / self.steps
        if plateau:
            self.t = max(self.t, 1.0 - COOLDOWN)

    @property
    def over(self) -> bool:
        return not self.steps or self.t > 1.0 - 0.5 / self.steps


@dataclass(frozen=True)
class Descended:
    """``best`` of each portrait, the curve of mean losses, and how many portraits met a loss that was no number."""

    best: Tensor
    curve: list[float]
    astray: int

    @property
    def notes(self) -> tuple[str, ...]:
        """Words on what went amiss."""
        if not self.astray:
            return ()
        return (f"the loss of {self.astray} portraits became NaN or infinite; the best latents before are kept",)


def descend(
    start: Tensor, steps: int, lr: float, loss: Callable[[Tensor], Tensor], *, settled: bool = False
) -> Descended:
    """At most ``steps`` of Adam on ``start`` (N, …); ``loss`` maps it to (N,) losses, independent of one another.

    ``settled`` starts at full speed, for a start that is nearly right already.
    """
    v = start.detach().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([v], lr=lr, betas=BETAS)
    best, least = v.detach().clone(), v.new_full((len(v),), torch.inf)
    astray = torch.zeros(len(v), dtype=torch.bool, device=v.device)
    schedule, curve, means, since = Schedule(steps, WARMUP if settled else 0.0), [], [], 0
    while not schedule.over and not bool(astray.all()):
        losses = loss(v)
        known = losses.detach()
        better = known < least
        best[better], least[better] = v.detach()[better], known[better]
        astray |= ~torch.isfinite(known)
        curve.append(float(known[~astray].mean()))
        means.append(float(least[~astray].mean()))
        optimizer.param_groups[0]["lr"] = lr * schedule.factor()
        optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        plateau = len(means) - since > PATIENCE and means[-1] > (1.0 - GAIN) * means[-1 - PATIENCE]
        if plateau and schedule.t >= 1.0 - COOLDOWN:
            break
        since = len(means) if plateau else since
        schedule.advance(plateau)
    return Descended(best, [value for value in curve if value == value], int(astray.sum()))  # noqa: PLR0124
