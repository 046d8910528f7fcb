"""What a training run needs before it begins: parameters counted, and memory estimated by a step without numbers.

Tensors on PyTorch's ``meta`` device have shapes and no content, so the trainer's own step runs on them in seconds,
whatever the size. A dispatch mode sees every tensor come and go and adds up the bytes that are alive: weights,
gradients, optimisers, the average, the source generator, activations, double backward of the penalties. What counts is
the hungriest step after the first, when the optimisers hold what they will hold: with lazy penalties due or without.

What a process takes beyond its tensors was measured (``tests/unit/transfer/test_footprint.py`` holds it to 20 %).
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from transfer.config import AUGMENTATIONS, Schedule, TrainConfig
from transfer.data import Portraits
from transfer.losses.terms import consistency_terms
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.identity import crop_chip, load_resnet
from transfer.networks.spec import GeneratorSpec
from transfer.training.state import TrainState
from transfer.training.step import Source, Trainer

MIB: Final = 2**20
META: Final = torch.device("meta")
PROCESS_MIB: Final = 540.0
"""Python, the libraries and their compiled kernels, resident."""
CPU_FACTOR: Final = 1.3
"""Peak resident memory a byte of tensors alive on a CPU: holes between blocks, and the libraries' working copies."""


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Parameters by network, and MiB: ``tensors`` at a step's peak, ``standing`` between steps, ``process`` what the
    system sees of one process at its peak, on a CPU (None elsewhere: there ``tensors`` is what to go by)."""

    parameters: dict[str, int]
    tensors_mib: float
    standing_mib: float
    process_mib: float | None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        memory = {"tensors_mib": round(self.tensors_mib), "between_steps_mib": round(self.standing_mib)}
        if self.process_mib is not None:
            memory["process_mib"] = round(self.process_mib)
        return {"parameters": self.parameters, "memory": memory}


def footprint(
    spec: GeneratorSpec,
    config: TrainConfig,
    schedule: Schedule,
    device: torch.device,
    *,
    tuned: bool,
    processes: int = 1,
) -> Footprint:
    """Of one of ``processes`` that train networks of ``spec``; ``tuned`` towards a source generator that stays beside.

    Raises:
        ConfigError: the settings contradict each other or the networks.
    """
    config = _countable(replace(config, batch=max(2, config.batch // processes)))
    with LiveBytes() as live:
        trainer = _trainer(spec, config, replace(schedule, compile=False), tuned=tuned)
        trainer.step()
        live.peak = live.now
        for steps in (0, 1, config.path_length_every):  # every penalty is due, or none, or one while images are kept
            trainer.state.steps = steps
            trainer.step()
        standing, peak = live.now / MIB, live.peak / MIB
    networks = {"generator": trainer.state.generator, "discriminator": trainer.state.discriminator}
    return Footprint(
        parameters={name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()},
        tensors_mib=peak,
        standing_mib=standing,
        process_mib=PROCESS_MIB + CPU_FACTOR * peak if device.type == "cpu" else None,
    )


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that are alive, ``now`` and at the ``peak``, of tensors made while it is active.

    Where a program asks meta tensors for their numbers, it answers with ones.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation, or answer for it, and count what it made."""
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return torch.ones((), dtype=args[0].dtype).item()
        if func is torch.ops.aten._to_copy.default and args[0].is_meta and _to_cpu(kwargs):
            return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        made = func(*args, **kwargs)
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def _countable(config: TrainConfig) -> TrainConfig:
    """Settings that take the same room, or nearly, and that meta tensors know: they have no autocast, which ADA asks
    about, and no loss scale; ADA's copies are of pictures, few beside feature maps."""
    return replace(
        config,
        precision="bf16" if config.precision == "fp16" else config.precision,
        augment=AUGMENTATIONS if config.adaptive else config.augment,
    )


def _to_cpu(kwargs: Mapping[str, Any]) -> bool:
    device = kwargs.get("device")
    return device is not None and torch.device(device).type == "cpu"


def _trainer(spec: GeneratorSpec, config: TrainConfig, schedule: Schedule, *, tuned: bool) -> Trainer:
    with META:
        generator, discriminator = Generator(spec), Discriminator(spec)
    source = None
    if tuned:
        resnet = load_resnet().to(META)
        source = Source(
            copy.deepcopy(generator).eval().requires_grad_(False),
            lambda images: resnet.look_chips(crop_chip(images.float())),
            consistency_terms(config.weights, config.every),
        )
    pixels = np.zeros((1, spec.resolution, spec.resolution, 3), dtype=np.uint8)
    state = TrainState.start(generator, discriminator, config, META)
    return Trainer(state, Portraits(pixels, "", ""), config, source, schedule=schedule)
