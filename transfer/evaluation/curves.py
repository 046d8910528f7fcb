"""What a cell of an ablation keeps as it moves: every snapshot's images of the same latents against the source's.

ABL/measured/source.npz           the source's images of the latents (:class:`transfer.evaluation.look.Look`)
ABL/measured/CELL/NNNNNNNN.npz    a snapshot's, by images shown
ABL/renders.npy                   the renders at the generator's size (a cache)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transfer.checkpoints import load_checkpoint
from transfer.data import Portraits, load_portraits, to_pixels, to_tensor
from transfer.device import placed
from transfer.evaluation.grid import Cell, Grid
from transfer.evaluation.look import Instruments, Look, kept
from transfer.metrics.diversity import pairwise_distance, spread
from transfer.metrics.features import face_features
from transfer.metrics.kernel import kernel_distance
from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom

FloatArray = npt.NDArray[np.float64]
SEED: Final = 12345
"""Of the latents: none that a run trains with."""
LANDMARKED: Final = 64
"""Latents whose landmarks are compared."""
BATCH_PIXELS: Final = 512**2


@dataclass(frozen=True)
class Point:
    """A snapshot: ``kernel`` distance of its images to the renders, and per latent (L,) what it keeps of the source's.

    ``similarity`` by the judging network, ``resnet_similarity`` by the one the identity term trains against;
    ``missed`` is the share of images without a face, ``diversity`` the mean identity distance between two people.
    """

    images: int
    kernel: float
    similarity: FloatArray
    resnet_similarity: FloatArray
    landmark_error: FloatArray
    skin: FloatArray
    missed: float
    diversity: float
    spread: float


@dataclass(frozen=True)
class Curve:
    """A cell's way from the source (0 images) to its last snapshot; ``judge`` names the judging network."""

    recipe: str
    seed: int
    judge: str
    points: Sequence[Point]


class Latents:
    """The latents every generator of the grid is shown, and what stands to be compared with."""

    def __init__(self, grid: Grid, instruments: Instruments, count: int, say: Callable[[str], None]) -> None:
        self.grid, self.instruments, self.say = grid, instruments, say
        self.source = placed(load_checkpoint(grid.init).generator, grid.device)
        spec = self.source.spec
        self.z = SampleRandom(SEED).normal(Purpose.SNAPSHOT, range(count), spec.z_dim)
        self.seen = self._seen(Path("source.npz"), lambda: self.source)
        renders = load_portraits(grid.manifest, spec.resolution, grid.out / "renders.npy", grid.split, say=say)
        self.renders = self._features(renders, count)

    def curve(self, cell: Cell) -> Curve:
        """Measure a cell's snapshots, those not measured before."""
        points = [self._point(0, self.seen)]
        for images in cell.snapshots:
            if images:
                stored = Path(cell.name) / f"{images:08d}.npz"
                points.append(self._point(images, self._seen(stored, partial(cell.generator, images))))
        return Curve(cell.recipe.name, cell.seed, self.seen.judge, points)

    def pictures(self, generator: Generator, rows: Sequence[int]) -> npt.NDArray[np.uint8]:
        """(len(rows), R, R, 3) uint8 of some of the latents."""
        generator = placed(generator, self.grid.device)
        return np.concatenate([to_pixels(part) for part in _images(generator, self.z[list(rows)])])

    def _seen(self, stored: Path, generator: Callable[[], Generator]) -> Look:
        """As stored, where that is of as many latents and by the same networks."""
        path = self.grid.out / "measured" / stored
        if path.is_file():
            look = Look.load(path)
            if len(look) == len(self.z) and bool(look.densenet.shape[1]) == (self.instruments.densenet is not None):
                return look
        self.say(f"measuring {stored.with_suffix('')}")
        look = self.instruments.look(_images(placed(generator(), self.grid.device), self.z), LANDMARKED)
        look.save(path)
        return look

    def _features(self, portraits: Portraits, count: int) -> FloatArray:
        """Of as many renders as there are latents at most, mirror images after the pictures."""
        both = [(row, flip) for flip in (False, True) for row in portraits.usable.tolist()][:count]
        parts = [both[i : i + 32] for i in range(0, len(both), 32)]
        batches = (portraits.picked([row for row, _ in part], [flip for _, flip in part]) for part in parts)
        return np.concatenate(
            [face_features(self.instruments.resnet, to_tensor(batch, self.grid.device)) for batch in batches]
        )

    def _point(self, images: int, look: Look) -> Point:
        theirs = kept(self.seen, look)
        return Point(
            images=images,
            kernel=kernel_distance(look.features[: len(self.renders)], self.renders),
            similarity=theirs.similarity[look.judge],
            resnet_similarity=theirs.similarity["resnet"],
            landmark_error=theirs.landmark_error,
            skin=theirs.skin,
            missed=look.missed / len(look.landmarks),
            diversity=pairwise_distance(look.embeddings[look.judge]),
            spread=spread(look.features),
        )


@torch.no_grad()
def _images(generator: Generator, z: Tensor) -> Iterator[Tensor]:
    """Constant noise, no truncation, as 8 bits have them: (n, 3, R, R) in [-1, 1], n at a time."""
    device = next(generator.parameters()).device
    size = max(1, min(32, BATCH_PIXELS // generator.spec.resolution**2))
    for part in torch.split(z, size):
        yield to_tensor(to_pixels(generator(part.to(device))), device)
