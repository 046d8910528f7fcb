"""Networks by other names: which of our tensors is which of theirs, and by what axes of length one they differ.

The layouts in use store the same numbers: reading and writing them is renaming, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Final, TypeVar

import torch
from torch import Tensor, nn

from transfer.checkpoints.torch_files import StoredTensor
from transfer.errors import CheckpointError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

Network = TypeVar("Network", bound=nn.Module)
Source = StoredTensor | Tensor

MAX_ELEMENTS: Final = 1 << 28
"""Of one network; those of 1024² have 30 million."""
FIR: Final = torch.outer(taps := torch.tensor([1.0, 3.0, 3.0, 1.0]), taps) / 64
"""The binomial filter as both layouts store it (4, 4); exact in float32."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor in two layouts: theirs has ``lead`` axes of length one before ours and ``trail`` behind."""

    ours: str
    theirs: str
    lead: int = 0
    trail: int = 0

    def their_shape(self, shape: torch.Size) -> tuple[int, ...]:
        return (1,) * self.lead + tuple(shape) + (1,) * self.trail


@dataclass(frozen=True, slots=True)
class Layout:
    """A network's slots, and the filters that the other layout stores beside them: name → (4, 4)."""

    slots: tuple[Slot, ...]
    filters: Mapping[str, Tensor]


def blank(kind: type[Network], spec: GeneratorSpec) -> Network:
    """A network without memory, to be filled by :func:`filled`: a spec costs nothing before weights fit it."""
    with torch.device("meta"):
        return kind(spec)


def filled(network: Network, state: Mapping[str, Tensor]) -> Network:
    """A blank network with ``state``, float32 and its own.

    Raises:
        CheckpointError: the tensors are not those of the network.
    """
    try:
        network.load_state_dict(
            {name: value.to(torch.float32, copy=True) for name, value in state.items()}, assign=True
        )
    except RuntimeError as error:
        raise CheckpointError(f"the weights do not fit the networks they are to be ({error})") from error
    return network


def shape_of(tensors: Mapping[str, Source], name: str) -> tuple[int, ...]:
    """The shape of a tensor the layout cannot be without.

    Raises:
        CheckpointError: it is missing.
    """
    if name not in tensors:
        raise CheckpointError(f"lacks {name}")
    return tuple(tensors[name].shape)


def read_network(kind: type[Network], spec: GeneratorSpec, layout: Layout, tensors: Mapping[str, Source]) -> Network:
    """A network from another layout's tensors, which must be all and only what the layout has.

    Raises:
        CheckpointError: a tensor is missing, of another shape, or one too many; or another filter was used.
    """
    network = blank(kind, spec)
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    if sum(map(prod, shapes.values())) > MAX_ELEMENTS:
        raise CheckpointError(f"networks of more than {MAX_ELEMENTS} numbers")
    for slot in layout.slots:
        expected, found = slot.their_shape(shapes[slot.ours]), shape_of(tensors, slot.theirs)
        if found != expected:
            raise CheckpointError(f"{slot.theirs} has shape {_sides(found)}, and {_sides(expected)} is what would fit")
    known = {slot.theirs for slot in layout.slots} | set(layout.filters)
    if strange := sorted(set(tensors) - known):
        raise CheckpointError(
            f"holds {strange[0][:100]!r} and {len(strange) - 1} more tensors that a StyleGAN2 has not: "
            "it is of another architecture"
        )
    for name, taps in layout.filters.items():
        if name in tensors and (tuple(tensors[name].shape) != (4, 4) or not torch.equal(_load(tensors[name]), taps)):
            raise CheckpointError(f"{name} is another filter than StyleGAN2's [1, 3, 3, 1]")
    state = {slot.ours: _load(tensors[slot.theirs]).reshape(shapes[slot.ours]) for slot in layout.slots}
    return filled(network, state)


def write_network(network: nn.Module, layout: Layout) -> dict[str, Tensor]:
    """The network's tensors in another layout, float32 on the CPU."""
    state = network.state_dict()
    found = {
        slot.theirs: state[slot.ours]
        .detach()
        .to("cpu", torch.float32)
        .reshape(slot.their_shape(state[slot.ours].shape))
        for slot in layout.slots
    }
    return {name: value.clone() for name, value in {**found, **layout.filters}.items()}


def with_parts(ours: str, theirs: str, *parts: str) -> Iterable[Slot]:
    """Slots of a layer's parts that are called alike."""
    return (Slot(f"{ours}.{part}", f"{theirs}.{part}") for part in parts)


def counts(network: Generator | Discriminator) -> int:
    """Numbers that training moves."""
    return sum(parameter.numel() for parameter in network.parameters())


def _load(tensor: Source) -> Tensor:
    return tensor.load() if isinstance(tensor, StoredTensor) else tensor


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "()"
