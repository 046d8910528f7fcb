"""Where a run is seen: a JSONL log of losses and a picture at every snapshot.

A fine-tuning picture shows the same latents, source over tuned. A pretraining picture shows each sample over the
training picture nearest to it, since a generator of few pictures may only be repeating them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from transfer.data import Portraits, resized, to_pixels
from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom
from transfer.sheets import grid

Pixels = npt.NDArray[np.uint8]
COLUMNS = 12
NEAREST_SIDE = 16


class LossLog:
    """Mean losses per snapshot, one JSON object a line; lines past ``images``, of a killed run, are dropped."""

    def __init__(self, path: Path, images: int) -> None:
        self.path = path
        self._sums: dict[str, tuple[float, int]] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        kept = [line for line in lines if _images_of(line) <= images]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def add(self, losses: dict[str, float]) -> None:
        """Count one step's losses."""
        for name, value in losses.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value, count + 1)

    def flush(self, images: int, seconds: float) -> dict[str, float]:
        """Append the means since the last flush and return them."""
        means = {name: total / count for name, (total, count) in self._sums.items()}
        line = {"images": images, "seconds": round(seconds, 2), "losses": {n: round(v, 6) for n, v in means.items()}}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._sums = {}
        return means


def pretrain_sheet(generator: Generator, portraits: Portraits, seed: int) -> Image.Image:
    """Twelve samples, the training pictures nearest to them, and twelve more."""
    samples = snapshot_images(generator, seed, 2 * COLUMNS)
    nearest = nearest_pictures(samples[:COLUMNS], portraits)
    rows = [samples[:COLUMNS], nearest, samples[COLUMNS:]]
    return grid([list(row) for row in rows], ["samples", "nearest training picture to each", "more samples"])


def finetune_sheet(source: Generator, tuned: Generator, seed: int) -> Image.Image:
    """The same latents, source over tuned."""
    rows = [snapshot_images(generator, seed, COLUMNS) for generator in (source, tuned)]
    return grid([list(row) for row in rows], ["source", "tuned"])


@torch.no_grad()
def snapshot_images(generator: Generator, seed: int, count: int) -> Pixels:
    """(count, R, R, 3) uint8: the seed's snapshot latents, constant noise, truncated to 0.8 as galleries are."""
    device = next(generator.parameters()).device
    z = SampleRandom(seed).normal(Purpose.SNAPSHOT, range(count), generator.spec.z_dim).to(device)
    return to_pixels(generator(z, truncation=0.8))


def nearest_pictures(samples: Pixels, portraits: Portraits) -> Pixels:
    """For each sample the training picture, mirrored ones included, at the least squared distance of 16² thumbnails."""
    small = _thumbnails(portraits.pixels)
    both = np.concatenate([small, small[:, :, ::-1]])
    wanted = _thumbnails(samples)
    distances = ((wanted[:, None] - both[None]) ** 2).sum(axis=(2, 3, 4))
    count = len(portraits)
    found = [
        portraits.pixels[i % count, :, ::-1] if i >= count else portraits.pixels[i] for i in distances.argmin(axis=1)
    ]
    return np.stack(found)


def _thumbnails(pictures: Pixels) -> npt.NDArray[np.float32]:
    return np.stack([resized(picture, NEAREST_SIDE) for picture in pictures]).astype(np.float32)


def _images_of(line: str) -> int:
    try:
        return int(json.loads(line)["images"])
    except (ValueError, KeyError, TypeError):
        return 2**62
