"""The encoder: a portrait → the ws of its latent in one pass, as offsets from the mean w in whitened coordinates.

A small residual network halves the picture down to 4²; from its three coarsest maps, joined from coarse to fine, come
one offset for all layers and each layer's departure from it. Coarse layers read 4², middle ones 8², fine ones 16²; all
are averaged to 4² and keep their place, for an aligned face's parts lie where they lie. Residual branches start at
zero instead of being normalised: no statistics of a batch, and a portrait's answer is the same in any company. Heads
start at zero too: the first answer is the mean face.

Nothing depends on the values but the values, so the network exports as a static graph.

Sources: Richardson et al. 2021, "Encoding in Style" (pSp: a pyramid, coarse maps for coarse layers); Tov et al. 2021,
"Designing an Encoder for StyleGAN Image Manipulation" (e4e: one w and deltas that are let in one layer after another);
De & Smith 2020, "Batch Normalization Biases Residual Blocks Towards the Identity Function" (SkipInit); Lin et al. 2017,
"Feature Pyramid Networks".
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from transfer.networks.spec import GeneratorSpec
from transfer.ops.bias_act import LEAK

MAX_INPUT_PX: Final = 256
"""Larger portraits are shrunk to this by area: what a latent can say is seen there."""
BASE, MAX_CHANNELS = 4096, 256
"""Maps of side s have min(BASE / s, MAX_CHANNELS) channels."""
LEVELS: Final = (4, 8, 16)
"""Sides of the maps that the ws are read from, coarse to fine."""
COARSE_LAYERS, MIDDLE_LAYERS = 4, 8
"""Layers before these are read from 4² (generator blocks up to 8²) and 8² (up to 32²), the rest from 16²."""
HEAD_CHANNELS: Final = 64


class Encoder(nn.Module):
    """(N, 3, R, R) in [-1, 1], R the generator's resolution → ws (N, num_ws, w_dim).

    ``mean`` (w_dim,) and ``basis`` (w_dim, w_dim), rows the principal axes of w times their standard deviations, say
    what the whitened coordinates mean; they are buffers and travel with the weights.
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.side = min(spec.resolution, MAX_INPUT_PX)
        self.register_buffer("mean", torch.zeros(spec.w_dim))
        self.register_buffer("basis", torch.eye(spec.w_dim))
        sides = _halvings(self.side)
        widths = {side: min(BASE // side, MAX_CHANNELS) for side in sides}
        self.stem = _conv(3, widths[sides[0]], stride=2)
        self.blocks = nn.ModuleList(HalvingBlock(widths[a], widths[b]) for a, b in pairwise(sides))
        self.laterals = nn.ModuleList(_conv(widths[side], MAX_CHANNELS, kernel=1) for side in LEVELS)
        self.base = Head(MAX_CHANNELS, 1, spec.w_dim)
        self.deltas = nn.ModuleList(Head(MAX_CHANNELS, count, spec.w_dim) for count in _layers_by_level(spec.num_ws))

    def offsets(self, images: Tensor, unlocked: int | None = None) -> Tensor:
        """Whitened offsets (N, num_ws, w_dim); only the first ``unlocked`` layers depart from the common one."""
        coarse, *finer = self._pyramid(images)
        base = self.base(coarse)
        deltas = torch.cat([head(x) for head, x in zip(self.deltas, (coarse, *finer), strict=True)], dim=1)
        if unlocked is not None:
            free = torch.arange(self.spec.num_ws, device=deltas.device) < unlocked
            deltas = deltas * free[:, None].to(deltas)
        offsets: Tensor = base + deltas
        return offsets

    def forward(self, images: Tensor) -> Tensor:
        return self.mean + self.offsets(images) @ self.basis

    def _pyramid(self, images: Tensor) -> list[Tensor]:
        """Maps (N, MAX_CHANNELS, s, s) for s in LEVELS."""
        if self.spec.resolution > self.side:
            images = functional.avg_pool2d(images, self.spec.resolution // self.side)
        x = functional.leaky_relu(self.stem(images), LEAK)
        maps = [x]
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        joined: list[Tensor] = []
        for lateral, level in zip(self.laterals, reversed(maps), strict=False):
            y = lateral(level)
            if joined:
                y = y + functional.interpolate(joined[-1], scale_factor=2.0, mode="nearest")
            joined.append(y)
        return [functional.leaky_relu(y, LEAK) for y in joined]


class HalvingBlock(nn.Module):
    """(N, in, 2s, 2s) → (N, out, s, s): two convolutions beside an averaged shortcut, entering from zero."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = _conv(in_channels, out_channels, stride=2)
        self.second = _conv(out_channels, out_channels)
        self.skip = _conv(in_channels, out_channels, kernel=1)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.leaky_relu(self.first(x), LEAK)
        y = functional.leaky_relu(self.second(y), LEAK)
        shortcut: Tensor = self.skip(functional.avg_pool2d(x, 2))
        return shortcut + self.strength * y


class Head(nn.Module):
    """(N, in, s, s) → (N, layers, w_dim): fewer channels, averaged to 4², and a linear map of all of it, zero first."""

    def __init__(self, in_channels: int, layers: int, w_dim: int) -> None:
        super().__init__()
        self.layers, self.w_dim = layers, w_dim
        self.narrow = _conv(in_channels, HEAD_CHANNELS, kernel=1)
        self.linear = nn.Linear(HEAD_CHANNELS * LEVELS[0] ** 2, layers * w_dim)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.leaky_relu(self.narrow(x), LEAK)
        x = functional.avg_pool2d(x, x.shape[-1] // LEVELS[0])
        flat: Tensor = self.linear(x.flatten(1))
        return flat.view(-1, self.layers, self.w_dim)


def _conv(in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the variance (He et al. 2015), zeros around."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
    nn.init.kaiming_normal_(conv.weight, a=LEAK if kernel > 1 else 1.0, nonlinearity="leaky_relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _halvings(side: int) -> list[int]:
    """side/2, side/4, …, 4."""
    sides = [side // 2]
    while sides[-1] > LEVELS[0]:
        sides.append(sides[-1] // 2)
    return sides


def _layers_by_level(num_ws: int) -> list[int]:
    """How many layers read each of LEVELS; the last one always reads the finest."""
    coarse = min(COARSE_LAYERS, num_ws)
    middle = min(MIDDLE_LAYERS, num_ws - 1) - coarse
    return [coarse, middle, num_ws - coarse - middle]
