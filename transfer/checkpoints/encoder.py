"""An encoder on disk: one safetensors file with JSON metadata, as generators are kept (:mod:`.native`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from drfhq_tools.atomic import replacing
from transfer.checkpoints.layout import blank, filled
from transfer.errors import CheckpointError, ConfigError
from transfer.networks.encoder import Encoder
from transfer.networks.spec import GeneratorSpec

FORMAT: Final = "drfhq-encoder-v1"


def save_encoder(path: Path, encoder: Encoder, card: Mapping[str, object]) -> None:
    """Write atomically; ``card`` says what it was trained for and how, in JSON's types."""
    tensors = {
        name: value.detach().to("cpu", torch.float32).contiguous() for name, value in encoder.state_dict().items()
    }
    about = {"format": FORMAT, "spec": encoder.spec.to_dict(), "card": dict(card)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"drfhq": json.dumps(about, sort_keys=True)})


def load_encoder(path: Path) -> tuple[Encoder, dict[str, object]]:
    """The encoder, in fp32 on the CPU and ready to use, and its card.

    Raises:
        CheckpointError: no such file, no encoder of this tool, or weights that do not fit its spec.
    """
    if not path.is_file():
        raise CheckpointError(f"no encoder at {path}: make one with `transfer train-encoder {path.parent}`")
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("drfhq", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, ValueError, RecursionError, OSError) as error:
        raise CheckpointError(f"{path} is no encoder of this tool ({error}): train it again") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT or not isinstance(about.get("spec"), dict):
        raise CheckpointError(f"{path} is no encoder of this tool: its metadata are not of format {FORMAT!r}")
    try:
        encoder = filled(blank(Encoder, GeneratorSpec.from_dict(about["spec"])), tensors)
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    card = about.get("card")
    return encoder.eval().requires_grad_(False), card if isinstance(card, dict) else {}
