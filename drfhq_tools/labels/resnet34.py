"""ResNet-34 (He et al. 2016) in PyTorch, by the names of torchvision's state dicts, read from files nobody vouches for.

A 7 × 7 convolution of stride 2, a 3 × 3 maximum of stride 2, sixteen pairs of 3 × 3 convolutions with a shortcut (3, 4,
6 and 3 of 64, 128, 256 and 512 channels, the first pair of every group but the first at stride 2), the mean, and a
matrix. The one module of this package that imports PyTorch: import it where a network is asked for, no earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the name PyTorch's own documentation uses

from drfhq_tools.errors import ModelFileError
from drfhq_tools.labels.layers import Array

STEM_CHANNELS: Final = 64
GROUPS: Final = ((3, 64), (4, 128), (6, 256), (3, 512))
"""Pairs of convolutions and their channels."""


class ResNet34(nn.Module):
    """(N, 3, H, W) → (N, ``outputs``)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        channels = STEM_CHANNELS
        for number, (pairs, width) in enumerate(GROUPS, 1):
            blocks = [_Pair(channels if place == 0 else width, width) for place in range(pairs)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            channels = width
        self.fc = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        for number in range(1, len(GROUPS) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        out: Tensor = self.fc(x.mean(dim=(2, 3)))
        return out


class _Pair(nn.Module):
    """Two convolutions and a shortcut; where the channels grow, the picture shrinks."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        stride = 1 if channels == width else 2
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential()
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


def read_resnet34(path: Path, outputs: int) -> ResNet34:
    """The network whose state dict is in ``path``, ready for inference; of the file only tensors are taken.

    Raises:
        ModelFileError: it cannot be read, asks for more than tensors, or holds another network.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a file of anyone's making may break anywhere
        raise ModelFileError(f"{path} is no PyTorch file of tensors alone; nothing that it names was run") from error
    if not isinstance(state, Mapping):
        raise ModelFileError(f"{path} holds no tensors by name")
    network = ResNet34(outputs).eval().requires_grad_(False)
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelFileError(f"{path} holds no ResNet-34 of {outputs} outputs: {reason}") from error
    return network


def run(network: ResNet34, picture: Array) -> Array:
    """(outputs,) float32 of one picture (3, H, W) float32."""
    with torch.inference_mode():
        out: Tensor = network(torch.from_numpy(picture)[None])[0]
    return np.asarray(out.numpy())
