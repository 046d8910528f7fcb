"""The processes that train one run together, as torchrun starts them, and what they tell each other.

Every process computes its share of each batch, all of them then hold the mean of the gradients and take the same step:
so they stay alike, and nothing but gradients and a few numbers travels. The first one alone writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import torch
from torch import Tensor
from torch import distributed as dist

from drfhq_tools.errors import DrfhqError
from transfer.errors import ConfigError, TransferError

PATIENCE: Final = timedelta(minutes=60)
"""How long one waits for another that neither answers nor dies; the first may decode a whole data set meanwhile."""
CHUNK: Final = 2**24
"""Numbers sent at once."""


@dataclass(frozen=True)
class Processes:
    """This process among ``size``, ``rank`` from 0; one alone by default, for whom every method is trivial."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, all of which call this with tensors of equal shapes."""
        if self.size == 1:
            return
        with _news_of_the_others():
            for chunk in _chunks(tensors):
                flat = torch.cat([tensor.reshape(-1) for tensor in chunk])
                dist.all_reduce(flat)
                pieces = torch.split(flat / self.size, [tensor.numel() for tensor in chunk])
                for tensor, piece in zip(chunk, pieces, strict=True):
                    tensor.copy_(piece.view(tensor.shape))

    def any(self, flag: bool) -> bool:
        """Whether any process says yes."""
        if self.size == 1:
            return flag
        said = torch.tensor(int(flag))
        with _news_of_the_others():
            dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said)

    def once(self, work: Callable[[], None]) -> None:
        """Let the first process do something that the others wait for.

        Raises:
            TransferError: it failed there; the others fail too.
        """
        if self.size == 1:
            work()
            return
        trouble: DrfhqError | None = None
        if self.first:
            try:
                work()
            except DrfhqError as error:
                trouble = error
        said: list[object] = [None if trouble is None else str(trouble)]
        with _news_of_the_others():
            dist.broadcast_object_list(said)
        if trouble is not None:
            raise trouble
        if said[0] is not None:
            raise TransferError(f"process {self.rank} ends with the first: {said[0]}")


ALONE: Final = Processes()


@contextmanager
def joined(environment: Mapping[str, str] = os.environ) -> Iterator[Processes]:
    """The processes torchrun started with this one, by its environment variables; this one alone without them.

    Raises:
        ConfigError: this torch cannot talk to other processes.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    if not dist.is_available():
        raise ConfigError("this torch is built without torch.distributed: run one process")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(environment.get("LOCAL_RANK", "0")))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Processes(int(environment["RANK"]), size)
    finally:
        dist.destroy_process_group()


@contextmanager
def _news_of_the_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise TransferError(
            f"another process of this run has ended or does not answer ({str(error).splitlines()[0]}): its own words "
            "say why; the same command goes on from the last snapshot"
        ) from error


def _chunks(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors in turn, some :data:`CHUNK` numbers a list."""
    chunk: list[Tensor] = []
    for tensor in tensors:
        if chunk and sum(t.numel() for t in chunk) + tensor.numel() > CHUNK:
            yield chunk
            chunk = []
        chunk.append(tensor)
    if chunk:
        yield chunk
