"""Who is it? dlib's two face recognition networks in PyTorch, differentiable with respect to the picture.

Both map a face to 128 numbers, *not* normalised, in which one person's pictures lie within some 0.6 of each other by
Euclidean distance. The ResNet (King 2017; He et al. 2016 with 29 convolutions and half the filters) is the one to train
and judge with; the DenseNet (Huang et al. 2017) is held out, so that a generator tuned against the first is reported on
a second opinion. Weights are read from dlib's own files by :mod:`drfhq_tools.dlib_dat`; both agree with dlib to 1e-5.

dlib aligns a face by landmarks and cuts a 150 x 150 chip. An FFHQ-aligned square needs no landmarks: a fixed window of
it stands in for the chip (mean distance to dlib's own chip 0.13), which is what makes the whole path differentiable.

Convention: images NCHW float in [-1, 1], RGB, FFHQ-aligned squares of any size.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  the name PyTorch's own documentation uses

from drfhq_tools.dlib_dat import DlibNetwork, Record, read_dlib_network
from drfhq_tools.errors import ModelFileError
from drfhq_tools.hashing import sha256_file

CHIP_PX: Final = 150
CHIP_X: Final = (0.163, 0.841)
CHIP_Y: Final = (0.260, 0.938)
"""The window of an FFHQ square that matches dlib's chip, as fractions of the side."""

MEAN_RGB: Final = (122.782, 117.001, 104.298)

RESNET_FILE: Final = "dlib_face_recognition_resnet_model_v1.dat"
RESNET_SHA256: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
RESNET_STRANGERS: Final = 0.798
DENSENET_STRANGERS: Final = 0.785
"""Median distance between strangers among photo-like faces, by each network through the fixed crop."""


class IdentityNet(nn.Module):
    """A frozen recognition network behind the fixed crop. ``stranger_distance`` is its scale: 0 same picture, that far
    apart strangers."""

    def __init__(self, trunk: nn.Sequential, stranger_distance: float) -> None:
        super().__init__()
        self.trunk = trunk
        self.eval().requires_grad_(False)
        self.stranger_distance = stranger_distance

    def train(self, mode: bool = True) -> IdentityNet:  # noqa: ARG002
        """Stays in evaluation mode: the network is an instrument, not a learner."""
        return super().train(False)

    def embed(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] → (N, 128); gradients flow to ``images`` and nowhere else.

        Runs in the network's own precision whatever autocast says: bfloat16 would be no faster here and would turn the
        gradient (cosine 0.97).
        """
        with torch.autocast(images.device.type, enabled=False):
            return self.embed_chips(crop_chip(images.to(self._dtype)))

    def embed_chips(self, chips: Tensor) -> Tensor:
        """(N, 3, 150, 150) chips in [-1, 1], as dlib would cut them → (N, 128)."""
        embeddings: Tensor = self.trunk(_dlib_input(chips))
        return embeddings

    def stages(self, images: Tensor) -> list[Tensor]:
        """(N, 3, S, S) in [-1, 1] → activations (N, C, s, s), the last of each size, finest first.

        The coarsest, which identity is read from, is left out: these tell how a picture looks rather than who it shows.
        """
        return self.look(images)[1]

    def look(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What :meth:`embed` and :meth:`stages` say, in one pass."""
        with torch.autocast(images.device.type, enabled=False):
            return self.look_chips(crop_chip(images.to(self._dtype)))

    def look_chips(self, chips: Tensor) -> tuple[Tensor, list[Tensor]]:
        """:meth:`look` at (N, 3, 150, 150) chips in [-1, 1]."""
        found: list[Tensor] = []
        layers = list(self.trunk)
        x = _dlib_input(chips)
        for depth, layer in enumerate(layers):
            y = layer(x)
            if 0 < depth < len(layers) - 1 and y.shape[-1] < x.shape[-1]:
                found.append(x)
            x = y
        return x, found

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    forward = embed


def load_resnet(path: Path | None = None) -> IdentityNet:
    """The ResNet, by default from the installed ``face_recognition_models`` package.

    Raises:
        ModelFileError: the package or the file is missing, or it holds another network.
    """
    path = find_resnet() if path is None else path
    network = _resnet(read_dlib_network(path))
    if sha256_file(path) != RESNET_SHA256:
        raise ModelFileError(f"{path} is not dlib's face recognition ResNet: its sha256 is another")
    return IdentityNet(network, RESNET_STRANGERS)


def load_densenet(path: Path) -> IdentityNet:
    """The held-out DenseNet from ``face_recognition_densenet_model_v1.dat`` or its ``.bz2`` (dlib-models, CC0)."""
    return IdentityNet(_densenet(read_dlib_network(path)), DENSENET_STRANGERS)


def find_resnet() -> Path:
    """Where ``face_recognition_models`` keeps the ResNet; the package itself is not imported, it fails on a current
    setuptools."""
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "models" / RESNET_FILE
        if path.is_file():
            return path
    raise ModelFileError(f"{RESNET_FILE} not found: pip install face_recognition_models")


def _dlib_input(chips: Tensor) -> Tensor:
    mean = chips.new_tensor(MEAN_RGB).view(1, 3, 1, 1)
    return ((chips + 1) * 127.5 - mean) / 256


def crop_chip(images: Tensor) -> Tensor:
    """(N, C, S, S) FFHQ squares → (N, C, 150, 150) chips; differentiable, antialiased when shrinking, bilinear when
    growing."""
    size = images.shape[-1]
    rows = _window_filter(size, CHIP_Y).to(images)
    columns = _window_filter(size, CHIP_X).to(images)
    return rows @ images @ columns.T


@lru_cache(maxsize=16)
def _window_filter(size: int, window: tuple[float, float]) -> Tensor:
    """(150, size) float64: a triangle filter over ``window`` of a line of ``size`` pixels; each row sums to 1."""
    start, stop = window
    pitch = (stop - start) * size / CHIP_PX
    centres = start * size + (torch.arange(CHIP_PX, dtype=torch.float64) + 0.5) * pitch
    pixels = torch.arange(size, dtype=torch.float64) + 0.5
    weights = (1 - (centres[:, None] - pixels).abs() / max(pitch, 1.0)).clamp(min=0)
    return weights / weights.sum(dim=1, keepdim=True)


class _Residual(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, joined as dlib's ``add_prev`` does."""

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.shrinks = first.stride[0] == 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x)))
        shortcut = F.avg_pool2d(x, 2) if self.shrinks else x
        return F.relu(add_zero_extended(y, shortcut))


def add_zero_extended(a: Tensor, b: Tensor) -> Tensor:
    """dlib's ``add_prev``: both operands zero-extended at the far end to the larger of each dimension, then added."""
    shape = [max(m, n) for m, n in zip(a.shape, b.shape, strict=True)]
    return _extend(a, shape) + _extend(b, shape)


def _extend(x: Tensor, shape: list[int]) -> Tensor:
    if list(x.shape) == shape:
        return x
    pads = [pad for have, want in zip(reversed(x.shape), reversed(shape), strict=True) for pad in (0, want - have)]
    return F.pad(x, pads)


class _Dense(nn.Module):
    """One layer of a dense block: its output is appended to its input."""

    def __init__(self, norm: _Affine, narrow: nn.Conv2d, grow: nn.Conv2d) -> None:
        super().__init__()
        self.norm = norm
        self.narrow = narrow
        self.grow = grow

    def forward(self, x: Tensor) -> Tensor:
        grown = self.grow(F.relu(self.narrow(F.relu(self.norm(x)))))
        return torch.cat([x, grown], dim=1)


class _Affine(nn.Module):
    """A batch norm at inference: one factor and one offset a channel."""

    def __init__(self, factor: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.factor = nn.Parameter(factor.view(1, -1, 1, 1))
        self.offset = nn.Parameter(offset.view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + self.offset


class _Projection(nn.Module):
    """Global average, then a matrix without bias: (N, C, H, W) → (N, 128)."""

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(record.tensors["weight"][:, :, 0, 0].T.copy()))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.mean(dim=(2, 3)), self.weight)


class _Layers:
    """Hands out a network's records in order and checks each against what the architecture expects."""

    def __init__(self, network: DlibNetwork) -> None:
        self.records = [record for record in network.records() if record.kind != "relu"]
        self.position = 0

    def next(self, kind: str) -> Record:
        found = self.records[self.position].kind if self.position < len(self.records) else "the end"
        if found != kind:
            raise ModelFileError(f"not the expected network: {found} where {kind} belongs")
        self.position += 1
        return self.records[self.position - 1]

    def at(self, kind: str) -> bool:
        return self.position < len(self.records) and self.records[self.position].kind == kind

    def convolution(self, norm: str | None = None) -> nn.Conv2d:
        """The next convolution, with the affine or batch norm that follows folded in."""
        record = self.next("con")
        weight = torch.from_numpy(record.tensors["weight"])
        bias = torch.from_numpy(record.tensors["bias"].reshape(-1)) if "bias" in record.tensors else None
        if norm is not None:
            factor, offset = _factor_and_offset(self.next(norm))
            bias = offset if bias is None else bias * factor + offset
            weight = weight * factor.view(-1, 1, 1, 1)
        stride, padding = int(record.numbers["stride_y"]), int(record.numbers["padding_y"])
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], stride, padding, bias=bias is not None)
        layer.weight.data = weight
        if bias is not None:
            layer.bias = nn.Parameter(bias)
        return layer

    def affine(self, norm: str) -> _Affine:
        return _Affine(*_factor_and_offset(self.next(norm)))

    def pool(self, kind: str) -> nn.Module:
        numbers = self.next(kind).numbers
        sides = int(numbers["rows"]), int(numbers["stride_y"]), int(numbers["padding_y"])
        return nn.MaxPool2d(*sides) if kind == "max_pool" else nn.AvgPool2d(*sides)

    def end(self) -> None:
        if self.position != len(self.records):
            raise ModelFileError(f"not the expected network: {self.records[self.position].kind} after its end")


def _factor_and_offset(record: Record) -> tuple[Tensor, Tensor]:
    """A dlib affine, or a batch norm at inference, as y = factor·x + offset."""
    parts = {name: torch.from_numpy(values.reshape(-1)) for name, values in record.tensors.items()}
    if record.kind == "affine":
        return parts["gamma"], parts["beta"]
    factor = parts["gamma"] / (parts["variances"] + record.numbers["eps"]).sqrt()
    return factor, parts["beta"] - parts["means"] * factor


def _resnet(network: DlibNetwork) -> nn.Sequential:
    layers = _Layers(network)
    modules: list[nn.Module] = [layers.convolution("affine"), nn.ReLU(), layers.pool("max_pool")]
    while layers.at("con"):
        block = _Residual(layers.convolution("affine"), layers.convolution("affine"))
        if block.shrinks:
            layers.next("avg_pool")
        layers.next("add_prev")
        modules.append(block)
    layers.next("avg_pool")
    modules.append(_Projection(layers.next("fc")))
    layers.end()
    return nn.Sequential(*modules)


def _densenet(network: DlibNetwork) -> nn.Sequential:
    layers = _Layers(network)
    modules: list[nn.Module] = [layers.convolution("bn_con"), nn.ReLU(), layers.pool("max_pool")]
    while layers.at("bn_con"):
        norm = layers.affine("bn_con")
        if layers.at("avg_pool"):  # the head: norm, relu, global average
            modules += [norm, nn.ReLU()]
            break
        if layers.records[layers.position + 1].kind == "avg_pool":  # a transition between blocks
            modules += [norm, nn.ReLU(), layers.convolution(), layers.pool("avg_pool")]
        else:
            modules.append(_Dense(norm, layers.convolution("bn_con"), layers.convolution()))
            layers.next("concat")
    layers.next("avg_pool")
    modules.append(_Projection(layers.next("fc")))
    layers.end()
    return nn.Sequential(*modules)
