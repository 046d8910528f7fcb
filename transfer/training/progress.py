"""How a run is getting on, as of its last step: how far, how fast, how long still, and its losses.

Speed is that of the last steps, since the first ones are slower; losses are smoothed, since one batch says little. The
clock is passed in.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

WINDOW: Final = 50
"""Steps that the speed is taken over."""
SMOOTHING: Final = 0.9
"""Share of a smoothed loss that the next step keeps."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """``images`` shown of ``of_images``; seconds a thousand images, and left; ``losses`` by name."""

    images: int
    of_images: int
    s_per_kimg: float
    left_s: float
    losses: Mapping[str, float]

    def __str__(self) -> str:
        words = "  ".join(f"{name} {value:.3f}" for name, value in self.losses.items())
        kimg = f"{self.images / 1000:.2f} of {self.of_images / 1000:g} kimg"
        return f"{kimg}  {self.s_per_kimg:.1f} s/kimg  {duration(self.left_s)} left  {words}"


class Pacer:
    """Follows a run from ``images`` to ``of_images``."""

    def __init__(self, images: int, of_images: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._of_images = of_images
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque([(clock(), images)], WINDOW + 1)
        self._losses: dict[str, float] = {}

    def stepped(self, images: int, losses: Mapping[str, float]) -> Progress:
        """Note a step that brought the run to ``images``."""
        self._marks.append((self._clock(), images))
        for name, value in losses.items():
            self._losses[name] = SMOOTHING * self._losses.get(name, value) + (1 - SMOOTHING) * value
        (then, before), (now, after) = self._marks[0], self._marks[-1]
        pace = (now - then) / max(after - before, 1)
        return Progress(
            images=images,
            of_images=self._of_images,
            s_per_kimg=pace * 1000,
            left_s=pace * max(self._of_images - images, 0),
            losses=dict(self._losses),
        )


def duration(seconds: float) -> str:
    """In the two largest units that matter: 45 s, 12 min, 3 h 05 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
