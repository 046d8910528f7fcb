"""From a built data set to training tensors, and between the two packages' pixel conventions.

Pictures come from the array that :mod:`transfer.pictures` decodes them into once, so that a resume starts at once and
memory stays flat. They go to the device as bytes and become floats there. While one batch is learnt from, the next is
fetched (:class:`Feed`). A picture that cannot be used has weight 0: it is never shown.

With weights, an epoch shows each face as often as its weight says, rounded up or down by systematic sampling (Madow
and Madow 1944): N evenly spaced marks, moved by one random number, over the faces laid end to end, each as long as its
weight. The mean over epochs is the weight to the last digit, neighbours in the manifest, often one person, take turns,
and equal weights are the plain permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import Manifest
from drfhq_tools.manifest.weights import read_weights
from transfer.errors import ConfigError
from transfer.pictures import Pixels, Request, Skipped, decoded, open_data, resized
from transfer.randomness import Purpose, SampleRandom, sample_order

__all__ = [
    "FaceWeights",
    "Portraits",
    "load_portraits",
    "load_weights",
    "open_data",
    "resized",
    "to_pixels",
    "to_tensor",
    "weighted_order",
]

CPU = torch.device("cpu")
FloatArray = npt.NDArray[np.float64]


def to_tensor(pixels: Pixels, device: torch.device = CPU) -> Tensor:
    """(…, H, W, 3) uint8 RGB → (N, 3, H, W) float32 in [-1, 1]; a single picture becomes a batch of one."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels)).reshape(-1, *pixels.shape[-3:])
    return batch.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_pixels(images: Tensor) -> Pixels:
    """(N, 3, H, W) about [-1, 1] → (N, H, W, 3) uint8 RGB, clamped and rounded."""
    scaled = (images.detach().float().clamp(-1.0, 1.0) + 1.0) * 127.5
    result: Pixels = scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return result


@dataclass(frozen=True)
class Portraits:
    """Aligned faces at one resolution: ``pixels`` (N, R, R, 3) uint8, ``digest`` of the manifest they come from,
    ``weights`` (N,) how often each is shown, None for equally often, ``skipped`` those that cannot be used, whose
    weight is 0."""

    pixels: Pixels
    digest: str
    landmark_scheme: str
    weights: FloatArray | None = None
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def usable(self) -> npt.NDArray[np.int64]:
        """Rows of ``pixels`` that hold a picture."""
        return np.delete(np.arange(len(self)), [face.row for face in self.skipped])

    def weighted(self, weights: FloatArray | None) -> Portraits:
        """Each shown as often as ``weights`` (N,) from 0 say, None for equally often; the skipped never.

        Raises:
            ConfigError: no picture is left to show.
        """
        if not self.skipped:
            return replace(self, weights=weights)
        weights = np.ones(len(self)) if weights is None else weights.copy()
        weights[[face.row for face in self.skipped]] = 0.0
        if not weights.any():
            raise ConfigError("every picture of a weight above 0 is missing or damaged: rebuild the data set")
        return replace(self, weights=weights)

    def order(self, random: SampleRandom, indices: range) -> list[int]:
        """Which picture each global sample index shows."""
        if self.weights is None:
            return sample_order(random, indices, len(self))
        return weighted_order(random, indices, self.weights)

    def picked(self, rows: Sequence[int], flips: Sequence[bool]) -> Pixels:
        """(len(rows), R, R, 3) uint8, mirrored where ``flips`` says."""
        found: Pixels = np.empty((len(rows), *self.pixels.shape[1:]), dtype=np.uint8)
        for out, row, flip in zip(found, rows, flips, strict=True):
            if flip:
                cv2.flip(np.asarray(self.pixels[row]), 1, dst=out)  # numpy mirrors triples of bytes one by one
            else:
                out[:] = self.pixels[row]
        return found

    def batch(self, indices: list[int], flips: list[bool], device: torch.device = CPU) -> Tensor:
        """(len(indices), 3, R, R) float32 in [-1, 1] on ``device``, mirrored where ``flips`` says."""
        return to_tensor(self.picked(indices, flips), device)


def load_portraits(
    manifest: Manifest,
    resolution: int,
    cache: Path,
    split: str = "train",
    *,
    workers: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Portraits:
    """The faces of one split (or ``all``) at ``resolution``, decoded once into ``cache`` (a .npy file), by ``workers``
    processes (None: as the machine and the number suggest).

    Raises:
        ConfigError: the split is empty, or the cache is of another data set or another state of it.
        TransferError: too many pictures are missing or damaged; a few are skipped and listed.
    """
    request = Request(manifest=manifest, split=split, resolution=resolution, workers=workers)
    found = decoded(request, cache, say)
    portraits = Portraits(found.pixels, manifest.digest, manifest.landmark_scheme, skipped=found.skipped)
    return portraits.weighted(None)


@dataclass(frozen=True)
class FaceWeights:
    """How often each face of a split is shown: ``values`` (N,) float64 from 0, in the manifest's order; ``sha256`` of
    the file."""

    values: FloatArray
    sha256: str


def load_weights(path: Path, manifest: Manifest, split: str = "train") -> FaceWeights:
    """The weights that ``drfhq balance`` wrote for the faces of one split (or ``all``).

    Raises:
        ManifestError: the file holds no weights.
        ConfigError: they are of another data set, or of another state of it, or leave faces of the split out, or all
            are 0.
    """
    weights = read_weights(path)
    by = weights.balance.get("by")
    again = f"`drfhq balance {manifest.root} --by {','.join(map(str, by)) if isinstance(by, list) else 'race,gender'}"
    if weights.manifest_sha256 != manifest.digest:
        raise ConfigError(f"{path} was made for another data set, or before this one was rebuilt: run {again}` again")
    known = {face.face_id: face.weight for face in weights.faces}
    faces = [face.face_id for face in manifest.faces if split in ("all", face.split)]
    if lacking := sum(face not in known for face in faces):
        raise ConfigError(f"{path} leaves out {lacking} faces of split {split!r}: run {again} --split {split}`")
    values = np.array([known[face] for face in faces], dtype=np.float64)
    if not values.any():
        raise ConfigError(f"{path} gives every face of split {split!r} the weight 0: run {again} --split {split}`")
    return FaceWeights(values, sha256_file(path))


def weighted_order(random: SampleRandom, indices: range, weights: FloatArray) -> list[int]:
    """Which picture each global sample index shows, by ``weights`` (N,) from 0, not all of them 0; a weight of 0 is
    never shown. An epoch has as many samples as there are weights above 0."""
    count = int(np.count_nonzero(weights))
    ends = np.cumsum(weights * (count / weights.sum()))
    orders = {epoch: _weighted_epoch(random, epoch, ends, count) for epoch in {i // count for i in indices}}
    return [int(orders[i // count][i % count]) for i in indices]


def _weighted_epoch(random: SampleRandom, epoch: int, ends: FloatArray, count: int) -> npt.NDArray[np.int64]:
    """(count,) pictures; ``ends`` is where each ends along a line of length ``count``."""
    generator = random.generator(Purpose.ORDER, epoch)
    permutation = generator.permutation(count)
    marks = np.minimum(np.arange(count) + generator.random(), np.nextafter(ends[-1], 0.0))
    chosen = np.searchsorted(ends, marks, side="right")
    return np.asarray(chosen[permutation], dtype=np.int64)
