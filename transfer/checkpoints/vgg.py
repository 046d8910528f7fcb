"""Reads VGG-16 from a torchvision state dict, ``.pth``; nothing that the file names is run."""

from __future__ import annotations

from pathlib import Path

from transfer.checkpoints.torch_files import StoredTensor, read_torch_file
from transfer.errors import CheckpointError
from transfer.networks.vgg import Vgg16


def load_vgg(path: Path) -> Vgg16:
    """VGG-16 in fp32 on the CPU, frozen; the classifier's weights may be there or not.

    Raises:
        CheckpointError: no such file, no state dict, or another network's.
    """
    try:
        found = read_torch_file(path)
        if not isinstance(found, dict):
            raise CheckpointError("not a state dict")
        stored = {str(name): value for name, value in found.items() if str(name).startswith("features.")}
        return Vgg16({name: value.load() for name, value in stored.items() if isinstance(value, StoredTensor)})
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
