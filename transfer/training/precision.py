"""Feature maps in half precision, and the scaling that fp16's narrow range asks of the loss.

Weights, optimisers, styles, minibatch statistic, losses and images stay in fp32; so do whole phases that differentiate
twice (R1, path length), where rounding would be differentiated along.

Source: Micikevicius et al. 2018, "Mixed Precision Training"; Karras et al. 2020 (StyleGAN2-ADA), appendix D, for
clamped activations in fp16.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

from transfer.config import TrainConfig
from transfer.errors import ConfigError
from transfer.networks.spec import GeneratorSpec

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_SCALE = 1.0
"""A loss scaled by less than this, and still overflowing, is not too large for fp16 but divergent."""


class HasPrecision(Protocol):
    """A network whose feature maps are of ``dtype``."""

    dtype: torch.dtype


@contextmanager
def computing(dtype: torch.dtype, *networks: HasPrecision) -> Iterator[None]:
    """Have the networks compute in ``dtype`` within the block."""
    before = [network.dtype for network in networks]
    for network in networks:
        network.dtype = dtype
    try:
        yield
    finally:
        for network, was in zip(networks, before, strict=True):
            network.dtype = was


def loss_scaler(config: TrainConfig, device: torch.device) -> torch.amp.GradScaler:
    """Scales losses so that fp16 gradients don't vanish; idle in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")


def check_precision(config: TrainConfig, spec: GeneratorSpec, device: torch.device) -> None:
    """Raises ConfigError where a device or the networks cannot be trained in this precision."""
    if config.precision != "fp16":
        return
    if device.type != "cuda":
        raise ConfigError(f"fp16 is slow or unknown on {device.type}: use --precision bf16 or fp32")
    if spec.conv_clamp is None:
        raise ConfigError(
            "the generator does not limit its activations (conv_clamp), and fp16 overflows beyond 65504: use "
            "--precision bf16"
        )
