"""Which machine part computes, in which precision, and how its memory is kept."""

from __future__ import annotations

import ctypes
import time
from functools import lru_cache
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional

from transfer.errors import ConfigError

Network = TypeVar("Network", bound=nn.Module)
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PIXELS_AT_ONCE = 1024**2
"""Output pixels generated at once; feature maps take some hundred times their bytes."""
_WORTHWHILE = 1.3
_M_MMAP_MAX, _M_TRIM_THRESHOLD, _M_TOP_PAD = -4, -1, -2


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


def placed(network: Network, device: torch.device) -> Network:
    """Move a network to ``device``, its filters laid out for feature maps with channels last, where that is faster."""
    layout = torch.contiguous_format if device.type == "mps" else torch.channels_last
    return network.to(device=device, memory_format=layout)  # type: ignore[call-overload,no-any-return]


def images_at_once(resolution: int, most: int = 32) -> int:
    """How many images of ``resolution``² to generate, or invert, at once: one of 1024², ``most`` of small ones."""
    return max(1, min(most, PIXELS_AT_ONCE // resolution**2))


def keep_freed_memory() -> bool:
    """Let the C library hand freed feature maps out again instead of returning them to the system; whether it can.

    By default glibc maps every big block afresh, and the system clears each page of it when first touched: at 1024²
    that costs as much as the arithmetic. Other C libraries are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # Windows, macOS: no such function, or no such library
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 64 * 2**20))
    return all(bool(mallopt(name, value)) for name, value in settings)


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of feature maps for ``--precision``; ``auto`` is what convolves fastest on ``device``.

    Raises:
        ConfigError: no such precision.
    """
    if precision == "auto":
        return fastest_dtype(device)
    if precision not in PRECISIONS:
        raise ConfigError(f"no precision {precision!r}; known: auto, {', '.join(PRECISIONS)}")
    return PRECISIONS[precision]


@lru_cache(maxsize=4)
def fastest_dtype(device: torch.device) -> torch.dtype:
    """fp16 on CUDA, fp32 on MPS, and on a CPU bf16 if its convolution measures 1.3 times as fast as fp32's.

    A processor's flags don't tell: some announce bfloat16 arithmetic that runs at half the speed of fp32's.
    """
    if device.type == "cuda":
        return torch.float16
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return torch.float32
    seconds = {dtype: _convolution_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return torch.bfloat16 if seconds[torch.float32] > _WORTHWHILE * seconds[torch.bfloat16] else torch.float32


def _convolution_seconds(dtype: torch.dtype) -> float:
    """CPU seconds of a 3 × 3 convolution of 1.2 GFLOP, the least of five."""
    x = torch.ones(1, 256, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.ones(256, 256, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    spent = []
    for _ in range(5):
        began = time.process_time()
        functional.conv2d(x, weight, padding=1)
        spent.append(time.process_time() - began)
    return min(spent)
