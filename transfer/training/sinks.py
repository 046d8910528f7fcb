"""Where a run is seen: a JSONL log of losses, pictures at every snapshot, and TensorBoard where it is wished for.

A fine-tuning picture shows the same latents, source over tuned. A pretraining picture shows each sample over the
training picture nearest to it, since a generator of few pictures may only be repeating them. A walk goes from style to
style in even steps: where people change smoothly the latent space is one, where they jump it is a list of pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from drfhq_tools.atomic import write_file
from transfer.data import Portraits, resized, to_pixels
from transfer.device import images_at_once
from transfer.errors import ConfigError
from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom
from transfer.sheets import grid

Pixels = npt.NDArray[np.uint8]
MAX_COLUMNS, MIN_COLUMNS, SHEET_PX = 12, 4, 3072
AT_ONCE = 4
"""Images generated at once, at most: a sheet must not need more memory than a step."""
WALKS = 2
TRUNCATION = 0.8
NEAREST_SIDE = 16
NEAREST_OF = 5000
"""Training pictures that a sample is held against, evenly spread: more would take longer than a snapshot may."""


class LossLog:
    """Mean losses per snapshot, one JSON object a line; lines past ``images``, of a killed run, are dropped."""

    def __init__(self, path: Path, images: int) -> None:
        self.path = path
        self._sums: dict[str, tuple[float, int]] = {}
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        kept = "".join(f"{line}\n" for line in text.splitlines() if _images_of(line) <= images)
        if kept != text:
            write_file(path, kept.encode())

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


class Board:
    """Losses and pictures for TensorBoard, in ``folder``; what a killed run wrote after ``images`` is hidden."""

    def __init__(self, folder: Path, images: int) -> None:
        """Raises ConfigError where TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  an extra
        except ImportError as error:
            raise ConfigError(
                'TensorBoard is not installed: pip install "drfhq-tools[tensorboard]", or leave --tensorboard out'
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=images + 1)

    def losses(self, images: int, means: Mapping[str, float]) -> None:
        """Mean losses by name, at so many images shown."""
        for name, value in means.items():
            self._writer.add_scalar(f"losses/{name}", value, images)
        self._writer.flush()

    def picture(self, name: str, images: int, sheet: Image.Image) -> None:
        """A sheet."""
        self._writer.add_image(name, np.asarray(sheet), images, dataformats="HWC")


def pretrain_sheet(generator: Generator, portraits: Portraits, seed: int) -> Image.Image:
    """A row of samples, the training pictures nearest to them, and as many samples again."""
    columns = columns_of(generator.spec.resolution)
    samples = snapshot_images(generator, seed, 2 * columns)
    nearest = nearest_pictures(samples[:columns], portraits)
    rows = [samples[:columns], nearest, samples[columns:]]
    return grid([list(row) for row in rows], ["samples", "nearest training picture to each", "more samples"])


def finetune_sheet(source: Generator, tuned: Generator, seed: int) -> Image.Image:
    """The same latents, source over tuned."""
    rows = [snapshot_images(generator, seed, columns_of(tuned.spec.resolution)) for generator in (source, tuned)]
    return grid([list(row) for row in rows], ["source", "tuned"])


def columns_of(resolution: int) -> int:
    """Pictures side by side on a sheet: 12 of up to 256², 4 of 1024²."""
    return max(MIN_COLUMNS, min(MAX_COLUMNS, SHEET_PX // resolution))


@torch.no_grad()
def walk_sheet(generators: Mapping[str, Generator], seed: int) -> Image.Image:
    """:data:`WALKS` film strips from one style to the next, each generator's below the other's, by name."""
    any_generator = next(iter(generators.values()))
    frames = columns_of(any_generator.spec.resolution)
    rows, labels = [], []
    z = SampleRandom(seed).normal(Purpose.SNAPSHOT, range(WALKS + 1), any_generator.spec.z_dim)
    for walk in range(WALKS):
        for name, generator in generators.items():
            rows.append(list(walk_images(generator, z[walk], z[walk + 1], frames)))
            labels.append(name)
    return grid(rows, labels)


@torch.no_grad()
def walk_images(generator: Generator, start: Tensor, end: Tensor, frames: int) -> Pixels:
    """(frames, R, R, 3) uint8: even steps in w from the style of latent ``start`` (z_dim,) to that of ``end``."""
    device = next(generator.parameters()).device
    first, last = generator.mapping.truncate(generator.mapping(torch.stack([start, end]).to(device)), TRUNCATION)
    steps = torch.linspace(0, 1, frames, device=device)[:, None]
    return _synthesised(generator, generator.broadcast(first + (last - first) * steps))


@torch.no_grad()
def snapshot_images(generator: Generator, seed: int, count: int) -> Pixels:
    """(count, R, R, 3) uint8: the seed's snapshot latents, constant noise, truncated to 0.8 as galleries are."""
    device = next(generator.parameters()).device
    z = SampleRandom(seed).normal(Purpose.SNAPSHOT, range(count), generator.spec.z_dim).to(device)
    return _synthesised(generator, generator.ws(z, TRUNCATION))


def _synthesised(generator: Generator, ws: Tensor) -> Pixels:
    at_once = images_at_once(generator.spec.resolution, AT_ONCE)
    return np.concatenate([to_pixels(generator.synthesis(part)) for part in torch.split(ws, at_once)])


def nearest_pictures(samples: Pixels, portraits: Portraits) -> Pixels:
    """For each sample the training picture, mirrored ones included, at the least squared distance of 16² thumbnails."""
    rows = portraits.usable[:: -(-len(portraits.usable) // NEAREST_OF)]
    small = _thumbnails(portraits.pixels[row] for row in rows)
    found = []
    for wanted in _thumbnails(samples):
        distances = [((side - wanted) ** 2).sum(axis=(1, 2, 3)) for side in (small, small[:, :, ::-1])]
        mirrored, place = divmod(int(np.concatenate(distances).argmin()), len(rows))
        picture = portraits.pixels[rows[place]]
        found.append(picture[:, ::-1] if mirrored else picture)
    return np.stack(found)


def _thumbnails(pictures: Iterable[Pixels]) -> npt.NDArray[np.float32]:
    return np.stack([resized(picture, NEAREST_SIDE) for picture in pictures]).astype(np.float32)


def _images_of(line: str) -> int:
    try:
        return int(json.loads(line)["images"])
    except (ValueError, KeyError, TypeError):
        return 2**62
