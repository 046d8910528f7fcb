"""VGG-16's convolutions, for the perceptual term, from weights that a user supplies.

Source: Simonyan & Zisserman 2015, configuration D; tensors are named as torchvision names them, ``features.N.weight``
and ``features.N.bias``. Pictures are normalised as torchvision's models were trained: by ImageNet's mean and deviation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the name PyTorch's own documentation uses

from transfer.errors import CheckpointError

_WIDTHS: Final = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Vgg16(nn.Module):
    """(N, 3, S, S) in [-1, 1] → five activations (N, C, s, s), before each pooling: what Zhang et al. 2018 compare."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Raises CheckpointError where a tensor is missing or of another shape."""
        super().__init__()
        self.stages = nn.ModuleList()
        inputs, number = 3, 0
        for widths in _WIDTHS:
            stage = nn.ModuleList()
            for width in widths:
                stage.append(_convolution(tensors, f"features.{number}", inputs, width))
                inputs, number = width, number + 2  # each convolution is followed by its rectifier
            self.stages.append(stage)
            number += 1  # and each stage by its pooling
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION))
        found: list[Tensor] = []
        with torch.autocast(images.device.type, enabled=False):
            x = ((images + 1) / 2 - mean) / deviation
            for stage in self.stages:
                if found:
                    x = F.max_pool2d(x, 2)
                for convolution in stage:  # type: ignore[attr-defined]
                    x = F.relu(convolution(x))
                found.append(x)
        return found


def _convolution(tensors: Mapping[str, Tensor], name: str, inputs: int, width: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, width, 3, padding=1, device="meta")
    for part, parameter in dict(layer.named_parameters()).items():
        tensor = tensors.get(f"{name}.{part}")
        if tensor is None or tensor.shape != parameter.shape:
            raise CheckpointError(f"these are not VGG-16's weights as torchvision names them: {name}.{part}")
        setattr(layer, part, nn.Parameter(tensor))
    return layer
