"""From a built data set to training tensors, and between the two packages' pixel conventions.

The manifest's pictures are decoded once, shrunk by area to the training resolution, and kept as one memory-mapped
uint8 array in the run's folder, so that a resume starts at once and memory stays flat.

With weights, an epoch shows each face as often as its weight says, rounded up or down by systematic sampling (Madow
and Madow 1944): N evenly spaced marks, moved by one random number, over the faces laid end to end, each as long as its
weight. The mean over epochs is the weight to the last digit, neighbours in the manifest, often one person, take turns,
and equal weights are the plain permutation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drfhq_tools.atomic import replacing
from drfhq_tools.errors import DecodeError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.imageio import read_picture
from drfhq_tools.manifest import Manifest
from drfhq_tools.manifest.weights import read_weights
from transfer.errors import ConfigError, TransferError
from transfer.randomness import Purpose, SampleRandom, sample_order

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]


def to_tensor(pixels: Pixels) -> Tensor:
    """(…, H, W, 3) uint8 RGB → (N, 3, H, W) float32 in [-1, 1]; a single picture becomes a batch of one."""
    batch = torch.from_numpy(np.ascontiguousarray(pixels)).reshape(-1, *pixels.shape[-3:])
    return batch.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_pixels(images: Tensor) -> Pixels:
    """(N, 3, H, W) about [-1, 1] → (N, H, W, 3) uint8 RGB, clamped and rounded."""
    scaled = (images.detach().float().clamp(-1.0, 1.0) + 1.0) * 127.5
    result: Pixels = scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return result


def resized(pixels: Pixels, size: int) -> Pixels:
    """(H, W, 3) uint8 → (size, size, 3): averaged over area when shrinking, cubic when growing."""
    if pixels.shape[:2] == (size, size):
        return pixels
    method = cv2.INTER_AREA if pixels.shape[0] > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=method), dtype=np.uint8)


@dataclass(frozen=True)
class Portraits:
    """Aligned faces at one resolution: ``pixels`` (N, R, R, 3) uint8, ``digest`` of the manifest they come from,
    ``weights`` (N,) how often each is shown, None for equally often."""

    pixels: Pixels
    digest: str
    landmark_scheme: str
    weights: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    def order(self, random: SampleRandom, indices: range) -> list[int]:
        """Which picture each global sample index shows."""
        if self.weights is None:
            return sample_order(random, indices, len(self))
        return weighted_order(random, indices, self.weights)

    def batch(self, indices: list[int], flips: list[bool]) -> Tensor:
        """(len(indices), 3, R, R) float32 in [-1, 1], mirrored where ``flips`` says."""
        pictures = [self.pixels[i, :, ::-1] if flip else self.pixels[i] for i, flip in zip(indices, flips, strict=True)]
        return to_tensor(np.stack(pictures))


def load_portraits(manifest: Manifest, resolution: int, cache: Path, split: str = "train") -> Portraits:
    """The faces of one split (or ``all``) at ``resolution``, decoded once into ``cache`` (a .npy file).

    Raises:
        ConfigError: the split is empty.
        TransferError: a picture the manifest names is missing or cannot be decoded.
    """
    faces = [face for face in manifest.faces if split in ("all", face.split)]
    if not faces:
        raise ConfigError(
            f"{manifest.root} has no faces in split {split!r}; use --split all or build with another split"
        )
    shape = (len(faces), resolution, resolution, 3)
    if not cache.is_file():
        with replacing(cache) as temporary:
            array = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            for i, face in enumerate(faces):
                array[i] = resized(_decode(manifest.root / face.image_path), resolution)
            array.flush()
            del array
    pixels = np.load(cache, mmap_mode="r")
    if pixels.shape != shape:
        raise ConfigError(f"{cache} holds other pictures than {manifest.root}: remove it or use another run folder")
    return Portraits(pixels, manifest.digest, manifest.landmark_scheme)


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


def _decode(path: Path) -> Pixels:
    try:
        return read_picture(path)
    except DecodeError as error:
        raise TransferError(f"cannot read {path} ({error}): the manifest names it; rebuild the data set") from error
