"""The Inception v3 of the published Fréchet distances ("FID"), for weights that the user brings.

The file is ``pt_inception-2015-12-05-6726825d.pth`` of mseitzer/pytorch-fid (Apache-2.0): the weights of TensorFlow's
``inception-2015-12-05`` graph by torchvision's names. That graph departs from Szegedy et al. 2016 ("Rethinking the
Inception Architecture for Computer Vision") in two places: average pooling leaves padding out of the mean, and the
last block pools by maximum. The convention (Heusel et al. 2017): 8-bit pixels, resized to 299² as TensorFlow 1 did
(bilinear, sampling at i · side / 299, no half-pixel shift, no antialiasing), (x − 128) / 128, the mean over the last
8 × 8 positions, 2048 numbers. Published figures set 50,000 images against the whole training set.

TorchScript files of the same network are programs, and not run. No weights come with this project, so what is tested
here is the structure (names, shapes, count of parameters, the resizing), not the figures.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from drfhq_tools.hashing import sha256_file
from transfer.errors import CheckpointError

SIDE: Final = 299
PUBLISHED_PREFIX: Final = "6726825d"
"""How the sha256 of the published file begins, by its name."""

Kernel = int | tuple[int, int]
Unit = tuple[str, int, Kernel]
"""Name, output channels, kernel of a convolution; stride 1, size kept."""
ACROSS, DOWN = (1, 7), (7, 1)


class Inception(nn.Module):
    """Images (N, 3, S, S) in [-1, 1] → (N, 2048), by torchvision's names."""

    def __init__(self) -> None:
        super().__init__()
        stem = (
            ("Conv2d_1a_3x3", _Convolution(3, 32, 3, 2)),
            ("Conv2d_2a_3x3", _Convolution(32, 32, 3)),
            ("Conv2d_2b_3x3", _Convolution(32, 64, 3, padded=True)),
            ("pool_1", nn.MaxPool2d(3, 2)),
            ("Conv2d_3b_1x1", _Convolution(64, 80, 1)),
            ("Conv2d_4a_3x3", _Convolution(80, 192, 3)),
            ("pool_2", nn.MaxPool2d(3, 2)),
        )
        mixed = (
            *(("Mixed_5" + c, _block_a(i, p)) for c, i, p in (("b", 192, 32), ("c", 256, 64), ("d", 288, 64))),
            ("Mixed_6a", _block_b()),
            *(("Mixed_6" + c, _block_c(width)) for c, width in (("b", 128), ("c", 160), ("d", 160), ("e", 192))),
            ("Mixed_7a", _block_d()),
            ("Mixed_7b", _block_e(1280, "mean")),
            ("Mixed_7c", _block_e(2048, "max")),
        )
        for name, module in (*stem, *mixed):
            self.add_module(name, module)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        x = resized_as_tensorflow((images + 1) * 127.5)
        x = (x - 128) / 128
        for layer in self.children():
            x = layer(x)
        return x.mean(dim=(2, 3))


class InceptionFeatures:
    """The feature network of the published figures, from the user's file."""

    def __init__(self, path: Path, device: torch.device) -> None:
        """Raises CheckpointError: no such file, or not these weights."""
        sha256 = sha256_file(path) if path.is_file() else ""
        published = sha256.startswith(PUBLISHED_PREFIX)
        self.name = f"inception-v3-2015-12-05{'' if published else ', not the published file'} (sha256 {sha256})"
        self._network = _loaded(path).to(device)

    @torch.no_grad()
    def features(self, images: Tensor) -> npt.NDArray[np.float64]:
        """(N, 3, S, S) in [-1, 1] → (N, 2048) float64."""
        return np.asarray(self._network(images).double().cpu().numpy())


def resized_as_tensorflow(images: Tensor) -> Tensor:
    """(N, C, S, S) → (N, C, 299, 299): output i mixes the two pixels about i · S / 299."""
    weights = _taps(images.shape[-1]).to(images)
    return weights @ images @ weights.T


def _taps(side: int) -> Tensor:
    """(299, side) float64, two weights a row."""
    where = torch.arange(SIDE, dtype=torch.float64) * (side / SIDE)
    first = where.floor().long()
    share = where - first
    taps = torch.zeros(SIDE, side, dtype=torch.float64)
    rows = torch.arange(SIDE)
    taps[rows, first] += 1 - share
    taps[rows, (first + 1).clamp(max=side - 1)] += share
    return taps


def _loaded(path: Path) -> Inception:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        kept = {name: value for name, value in state.items() if not name.startswith("fc.")}
        network = Inception()
        network.load_state_dict(kept)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path} is not the Inception of published figures ({reason}): fetch"
            " pt_inception-2015-12-05-6726825d.pth from the releases of mseitzer/pytorch-fid"
        ) from error
    return network


class _Convolution(nn.Module):
    """Convolution, batch norm, rectifier."""

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, *, padded: bool = False) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class _Mixed(nn.Module):
    """Branches side by side, their outputs stacked: chains of convolutions, and pooling, maybe followed by one.

    ``halves``: the last convolution of each chain and the pooling go by two. ``fork``: the last two of a chain of that
    name both see what comes before them.
    """

    def __init__(
        self, inputs: int, chains: Sequence[Sequence[Unit]], pool: str, *, halves: bool = False, forks: bool = False
    ) -> None:
        super().__init__()
        self.pool = pool
        self.halves = halves
        self.chains: list[list[str]] = []
        self.forks: list[bool] = []
        for chain in chains:
            width = inputs
            forked = forks and chain[-1][0].endswith("b")
            for place, (name, outputs, kernel) in enumerate(chain):
                last = halves and place == len(chain) - 1
                self.add_module(name, _Convolution(width, outputs, kernel, 2 if last else 1, padded=not last))
                width = width if forked and place == len(chain) - 2 else outputs
            self.chains.append([name for name, _, _ in chain])
            self.forks.append(forked)

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for names, forked in zip(self.chains, self.forks, strict=True):
            y = self._pooled(x) if names == ["branch_pool"] else x
            for name in names[:-2] if forked else names:
                y = self.get_submodule(name)(y)
            outputs += [self.get_submodule(name)(y) for name in names[-2:]] if forked else [y]
        return torch.cat([*outputs, self._pooled(x)] if self.halves else outputs, dim=1)

    def _pooled(self, x: Tensor) -> Tensor:
        if self.halves:
            return functional.max_pool2d(x, 3, 2)
        if self.pool == "max":
            return functional.max_pool2d(x, 3, 1, 1)
        return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _block_a(inputs: int, pooled: int) -> _Mixed:
    chains: list[list[Unit]] = [
        [("branch1x1", 64, 1)],
        [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
        [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
        [("branch_pool", pooled, 1)],
    ]
    return _Mixed(inputs, chains, "mean")


def _block_b() -> _Mixed:
    chains: list[list[Unit]] = [
        [("branch3x3", 384, 3)],
        [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
    ]
    return _Mixed(288, chains, "max", halves=True)


def _block_c(width: int) -> _Mixed:
    def chain(name: str, kernels: Sequence[Kernel]) -> list[Unit]:
        last = len(kernels) - 1
        return [(f"{name}_{i + 1}", 192 if i == last else width, kernel) for i, kernel in enumerate(kernels)]

    chains: list[list[Unit]] = [
        [("branch1x1", 192, 1)],
        chain("branch7x7", (1, ACROSS, DOWN)),
        chain("branch7x7dbl", (1, DOWN, ACROSS, DOWN, ACROSS)),
        [("branch_pool", 192, 1)],
    ]
    return _Mixed(768, chains, "mean")


def _block_d() -> _Mixed:
    chains: list[list[Unit]] = [
        [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3)],
        [
            ("branch7x7x3_1", 192, 1),
            ("branch7x7x3_2", 192, ACROSS),
            ("branch7x7x3_3", 192, DOWN),
            ("branch7x7x3_4", 192, 3),
        ],
    ]
    return _Mixed(768, chains, "max", halves=True)


def _block_e(inputs: int, pool: str) -> _Mixed:
    chains: list[list[Unit]] = [
        [("branch1x1", 320, 1)],
        [("branch3x3_1", 384, 1), ("branch3x3_2a", 384, (1, 3)), ("branch3x3_2b", 384, (3, 1))],
        [
            ("branch3x3dbl_1", 448, 1),
            ("branch3x3dbl_2", 384, 3),
            ("branch3x3dbl_3a", 384, (1, 3)),
            ("branch3x3dbl_3b", 384, (3, 1)),
        ],
        [("branch_pool", 192, 1)],
    ]
    return _Mixed(inputs, chains, pool, forks=True)
