"""Random numbers as a function of (seed, purpose, global sample index): no state to save, nothing to do with rank.

Counter-based Philox (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3") makes sample 70,000 of a run
the same whether it is reached in one go, after a resume, or on the third of four processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Purpose(IntEnum):
    """What a number is for; streams of two purposes never meet. Values are part of a run: never renumber."""

    ORDER = 0
    FLIP = 1
    LATENT = 2
    NOISE = 3
    AUGMENT_REAL = 4
    AUGMENT_FAKE = 5
    SNAPSHOT = 6
    INIT = 7
    MIXING = 8
    MIXING_LATENT = 9
    PATH = 10


@dataclass(frozen=True, slots=True)
class SampleRandom:
    """All random numbers of one seed."""

    seed: int

    def generator(self, purpose: Purpose, index: int) -> np.random.Generator:
        """The numpy generator of one sample and purpose."""
        bits = np.random.Philox(key=[self.seed & (2**64 - 1), int(purpose)], counter=[0, 0, 0, index])
        return np.random.Generator(bits)

    def normal(self, purpose: Purpose, indices: Sequence[int], width: int) -> Tensor:
        """(len(indices), width) float32 standard normals, row by row a function of its index."""
        rows = [self.generator(purpose, i).standard_normal(width, dtype=np.float32) for i in indices]
        return torch.from_numpy(np.stack(rows))

    def uniform(self, purpose: Purpose, indices: Sequence[int], width: int) -> Tensor:
        """(len(indices), width) float32 in [0, 1)."""
        rows = [self.generator(purpose, i).random(width, dtype=np.float32) for i in indices]
        return torch.from_numpy(np.stack(rows))

    def noise(self, purpose: Purpose, indices: Sequence[int], sides: list[int]) -> list[Tensor]:
        """Noise maps (len(indices), 1, side, side), one a layer."""
        flat = self.normal(purpose, indices, sum(side * side for side in sides))
        pieces = torch.split(flat, [side * side for side in sides], dim=1)
        return [piece.reshape(-1, 1, side, side) for piece, side in zip(pieces, sides, strict=True)]


def sample_order(random: SampleRandom, indices: Sequence[int], count: int) -> list[int]:
    """Which of ``count`` pictures each global sample index shows: a new permutation every epoch."""
    orders = {
        epoch: random.generator(Purpose.ORDER, epoch).permutation(count) for epoch in {i // count for i in indices}
    }
    return [int(orders[i // count][i % count]) for i in indices]
