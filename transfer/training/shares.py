"""A step's batch in equal shares, for micro-batches and processes, that together compute what the batch would at once.

All but one thing is a mean over samples, which any equal shares give. The discriminator's minibatch statistic compares
the samples of a group, i, i + N/g, i + 2N/g, … of a batch of N: so a share takes whole groups, in an order in which
they are its groups again.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from transfer.errors import ConfigError
from transfer.networks.discriminator import group_size


def shares(batch: int, group: int, count: int) -> list[list[int]]:
    """Places in the batch, 0 to ``batch`` − 1, of each of ``count`` shares.

    Args:
        batch: images a step.
        group: the networks' ``mbstd_group``.
        count: how many shares.

    Raises:
        ConfigError: the groups cannot be dealt evenly.
    """
    size = group_size(batch, group)
    groups = batch // size
    if groups % count:
        raise ConfigError(
            f"a batch of {batch} has {groups} groups of {size} images that the discriminator compares, and they cannot "
            f"be dealt evenly to {count} shares (processes times micro-batches): make the batch a multiple of "
            f"{size * count}"
        )
    wide = groups // count
    return [[j * groups + k for j in range(size) for k in range(s * wide, (s + 1) * wide)] for s in range(count)]


def micro_batches(batch: int, group: int, processes: int, limit: int) -> int:
    """Into how few micro-batches of at most ``limit`` images (0: no limit) a process's share can be cut.

    Raises:
        ConfigError: not even one group fits, or the groups cannot be dealt evenly.
    """
    size = group_size(batch, group)
    shares(batch, group, processes)
    mine = batch // size // processes
    fitting = [count for count in range(1, mine + 1) if mine % count == 0 and mine // count * size <= (limit or batch)]
    if not fitting:
        raise ConfigError(f"micro_batch {limit} is less than the {size} images the discriminator compares; use {size}")
    return fitting[0]


class PairwiseSum:
    """Sums lists of tensors, pair by pair and then pairs of pairs: two processes that each sum half of the shares and
    then add their sums come to the same bits as one that sums all, where the shares are a power of two."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, list[Tensor]]] = []

    def add(self, values: Sequence[Tensor]) -> None:
        """Add one share's; they are overwritten."""
        summed, level = list(values), 0
        while self._waiting and self._waiting[-1][0] == level:
            summed = [one.add_(other) for one, other in zip(self._waiting.pop()[1], summed, strict=True)]
            level += 1
        self._waiting.append((level, summed))

    def total(self) -> list[Tensor]:
        """The sums; there must have been something to add."""
        _, summed = self._waiting.pop()
        while self._waiting:
            summed = [one.add_(other) for one, other in zip(self._waiting.pop()[1], summed, strict=True)]
        return summed
