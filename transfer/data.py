"""From a built data set to training tensors, and between the two packages' pixel conventions.

The manifest's pictures are decoded once, shrunk by area to the training resolution, and kept as one memory-mapped
uint8 array in the run's folder, so that a resume starts at once and memory stays flat.
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
from drfhq_tools.imageio import read_picture
from drfhq_tools.manifest import Manifest
from transfer.errors import ConfigError, TransferError

Pixels = npt.NDArray[np.uint8]


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
    """Aligned faces at one resolution: ``pixels`` (N, R, R, 3) uint8, ``digest`` of the manifest they come from."""

    pixels: Pixels
    digest: str
    landmark_scheme: str

    def __len__(self) -> int:
        return len(self.pixels)

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


def _decode(path: Path) -> Pixels:
    try:
        return read_picture(path)
    except DecodeError as error:
        raise TransferError(f"cannot read {path} ({error}): the manifest names it; rebuild the data set") from error
