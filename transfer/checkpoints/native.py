"""The native checkpoint: one safetensors file with a generator, maybe its discriminator, and JSON metadata.

Tensor names are ``generator.…`` and ``discriminator.…``. The metadata key ``drfhq`` holds JSON: format, spec, and card
(free words on origin and licence).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from drfhq_tools.atomic import replacing
from transfer.checkpoints.layout import Network, blank, filled
from transfer.errors import CheckpointError, ConfigError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

FORMAT = "drfhq-stylegan2-v1"


@dataclass(frozen=True)
class Checkpoint:
    """Networks in fp32 on the CPU; ``card`` says where they come from."""

    generator: Generator
    discriminator: Discriminator | None = None
    card: dict[str, object] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint, *, half: bool = False) -> None:
    """Write atomically; ``half`` stores fp16, which halves the file and costs about 1e-3 of accuracy."""
    tensors: dict[str, Tensor] = {}
    for prefix, network in (("generator", checkpoint.generator), ("discriminator", checkpoint.discriminator)):
        if network is not None:
            tensors |= {f"{prefix}.{name}": value for name, value in network.state_dict().items()}
    dtype = torch.float16 if half else torch.float32
    tensors = {name: value.detach().to("cpu", dtype).contiguous() for name, value in tensors.items()}
    about = {"format": FORMAT, "spec": checkpoint.generator.spec.to_dict(), "card": checkpoint.card}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"drfhq": json.dumps(about, sort_keys=True)})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read what :func:`save_checkpoint` wrote.

    Raises:
        CheckpointError: no such file, no safetensors file of ours, or weights that do not fit its spec.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("drfhq", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, ValueError, RecursionError, OSError) as error:
        raise CheckpointError(
            f"{path} is no safetensors checkpoint ({error}); `transfer convert` reads NVIDIA's and rosinality's files"
        ) from error
    if not isinstance(about, dict) or about.get("format") != FORMAT or not isinstance(about.get("spec"), dict):
        raise CheckpointError(f"{path} is not a checkpoint of this tool: its metadata are not of format {FORMAT!r}")
    has_discriminator = any(name.startswith("discriminator.") for name in tensors)
    try:
        spec = GeneratorSpec.from_dict(about["spec"])
        generator = _filled(Generator, spec, tensors, "generator.")
        discriminator = _filled(Discriminator, spec, tensors, "discriminator.") if has_discriminator else None
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    card = about.get("card")
    return Checkpoint(generator.eval(), discriminator, card if isinstance(card, dict) else {})


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON header, and the header."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _filled(kind: type[Network], spec: GeneratorSpec, tensors: dict[str, Tensor], prefix: str) -> Network:
    state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return filled(blank(kind, spec), state)
