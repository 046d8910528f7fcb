"""What a checkpoint is, as plain values: for people to read and for records to keep."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import nn

from drfhq_tools.hashing import sha256_file
from transfer.checkpoints.foreign import open_checkpoint
from transfer.checkpoints.layout import counts

UNSTATED = (
    "not stated: the terms of its authors hold (NVIDIA's weights and what derives from them: research or evaluation, "
    "not commercial)"
)


def about(path: Path) -> dict[str, object]:
    """Facts on a file of any layout we read; card entries that nobody filled are None.

    ``weights_sha256`` is of names, shapes and float32 values, and so the same in every layout and precision that keeps
    them; ``file_sha256`` is of the bytes; ``data_digest`` names the data set that a run of ours was trained on.

    Raises:
        CheckpointError: it is no checkpoint we read.
    """
    opened = open_checkpoint(path)
    generator, discriminator, card = (
        opened.checkpoint.generator,
        opened.checkpoint.discriminator,
        opened.checkpoint.card,
    )
    return {
        "file": str(path),
        "file_bytes": path.stat().st_size,
        "file_sha256": sha256_file(path),
        "layout": opened.layout,
        "spec": generator.spec.to_dict(),
        "num_ws": generator.spec.num_ws,
        "parameters": {
            "generator": counts(generator),
            "discriminator": counts(discriminator) if discriminator is not None else None,
        },
        "origin": card.get("origin", card.get("pictures")),
        "license": card.get("license", UNSTATED),
        "data_digest": card.get("data_digest"),
        "images_shown": card.get("images"),
        "source": card.get("source"),
        "weights_sha256": {
            "generator": weights_sha256(generator),
            "discriminator": weights_sha256(discriminator) if discriminator is not None else None,
        },
        "notes": opened.notes,
    }


def weights_sha256(network: nn.Module) -> str:
    """Hex sha256 of a network's tensors by name: what of it decides its outputs."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(json.dumps([name, list(tensor.shape)]).encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()
