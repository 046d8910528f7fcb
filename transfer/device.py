"""Which machine part computes: cpu, cuda, or what there is."""

from __future__ import annotations

import torch

from transfer.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str) -> torch.device:
    """``auto`` prefers CUDA, then Apple's MPS, then the CPU.

    Raises:
        ConfigError: the device asked for is not there, or is none we know.
    """
    if name not in DEVICES:
        raise ConfigError(f"no device named {name!r}; known: {', '.join(DEVICES)}")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "no CUDA device is available to this torch; use --device cpu or install a CUDA build of torch"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("no MPS device is available to this torch; use --device cpu")
    return torch.device(name)
