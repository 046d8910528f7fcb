"""Images of a generator, by seed, latent or style; a few at a time, whatever their number and size.

A seed stands for the latent that NVIDIA's scripts and those after them draw for it, numpy's
``RandomState(seed).randn(1, z_dim)``, so that seed 42 is the same person here as there. Random noise is a function of
the seed too (:mod:`transfer.randomness`); with latents or styles from a file, of the row's number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from drfhq_tools.atomic import replacing
from transfer.data import to_pixels
from transfer.device import images_at_once
from transfer.errors import ConfigError
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec
from transfer.networks.synthesis import Noise
from transfer.randomness import Purpose, SampleRandom
from transfer.sheets import grid, save_png

NoiseKind = Literal["const", "random", "none"]
MAX_SEED = 2**32 - 1
SHEET_COLUMNS = 8
MAX_SHEET_PIXELS = 10**8


@dataclass(frozen=True, slots=True)
class Styles:
    """What to synthesise: ws (N, num_ws, w_dim), the number that decides each image's random noise, and a name."""

    ws: Tensor
    numbers: tuple[int, ...]
    names: tuple[str, ...]


def latents_of_seeds(seeds: Sequence[int], z_dim: int) -> Tensor:
    """(N, z_dim) float32.

    Raises:
        ConfigError: a seed that numpy's RandomState does not take.
    """
    if not all(0 <= seed <= MAX_SEED for seed in seeds):
        raise ConfigError(f"a seed is a whole number from 0 to {MAX_SEED}")
    drawn = [np.random.RandomState(seed).randn(1, z_dim) for seed in seeds]
    return torch.from_numpy(np.concatenate(drawn)).float()


@torch.no_grad()
def styles_of_latents(
    generator: Generator, z: Tensor, *, truncation: float = 1.0, c: Tensor | None = None, seeds: Sequence[int] = ()
) -> Styles:
    """Styles of z (N, z_dim), and c (N, c_dim) or (1, c_dim) where the generator is conditional.

    Raises:
        ConfigError: shapes that don't fit the generator.
    """
    spec = generator.spec
    if z.ndim != 2 or z.shape[1] != spec.z_dim:
        raise ConfigError(f"latents of shape {tuple(z.shape)}; this generator takes (N, {spec.z_dim})")
    w = generator.mapping.truncate(generator.mapping(z, _condition(c, len(z), spec)), truncation)
    names = [f"seed{seed:04d}" for seed in seeds] or _row_names(len(z))
    return Styles(generator.broadcast(w), tuple(seeds) or tuple(range(len(z))), tuple(names))


def styles_given(generator: Generator, ws: Tensor) -> Styles:
    """Styles from a file: (N, num_ws, w_dim), one image's (num_ws, w_dim), or (N, w_dim) for all layers alike.

    Raises:
        ConfigError: another shape.
    """
    spec = generator.spec
    if ws.ndim == 2 and tuple(ws.shape) == (spec.num_ws, spec.w_dim):
        ws = ws[None]
    elif ws.ndim == 2 and ws.shape[1] == spec.w_dim:
        ws = generator.broadcast(ws)
    if ws.ndim != 3 or tuple(ws.shape[1:]) != (spec.num_ws, spec.w_dim):
        raise ConfigError(f"styles of shape {tuple(ws.shape)}; this generator takes (N, {spec.num_ws}, {spec.w_dim})")
    return Styles(ws, tuple(range(len(ws))), tuple(_row_names(len(ws))))


@torch.no_grad()
def synthesise(generator: Generator, styles: Styles, noise: NoiseKind = "const") -> Iterator[Tensor]:
    """Images (n, 3, R, R) float32 on the CPU, not clamped, in the styles' order; n is what fits into memory."""
    size = images_at_once(generator.spec.resolution)
    for start in range(0, len(styles.ws), size):
        ws = styles.ws[start : start + size]
        maps: Noise = noise if noise != "random" else _noise(generator, styles.numbers[start : start + size], ws.device)
        yield generator.synthesis(ws, maps).float().cpu()


def write_array(path: Path, generator: Generator, styles: Styles, noise: NoiseKind) -> None:
    """``path``: (N, 3, R, R) float32 as the network gives them, written as they come."""
    side = generator.spec.resolution
    with replacing(path) as temporary:
        out = np.lib.format.open_memmap(temporary, "w+", np.float32, (len(styles.ws), 3, side, side))
        done = 0
        for images in synthesise(generator, styles, noise):
            out[done : done + len(images)] = images.numpy()
            done += len(images)
        out.flush()
        del out  # Windows renames no file that is mapped


def write_folder(folder: Path, generator: Generator, styles: Styles, noise: NoiseKind) -> None:
    """A PNG an image, by its name."""
    names = iter(styles.names)
    for images in synthesise(generator, styles, noise):
        for pixels in to_pixels(images):
            save_png(Image.fromarray(pixels), folder / f"{next(names)}.png")


def write_sheet(path: Path, generator: Generator, styles: Styles, noise: NoiseKind) -> None:
    """One PNG of all images, row by row.

    Raises:
        ConfigError: it would be too large to look at.
    """
    count, side = len(styles.ws), generator.spec.resolution
    if count * side**2 > MAX_SHEET_PIXELS:
        raise ConfigError(f"{count} images of {side}² are too many for one sheet: give a folder or a .npy for --out")
    pixels = [one for images in synthesise(generator, styles, noise) for one in to_pixels(images)]
    columns = min(SHEET_COLUMNS, ceil(count**0.5))
    save_png(grid([pixels[i : i + columns] for i in range(0, count, columns)]), path)


def _condition(c: Tensor | None, count: int, spec: GeneratorSpec) -> Tensor | None:
    if not spec.c_dim:
        if c is not None:
            raise ConfigError("this generator is unconditional: it takes no classes")
        return None
    if c is None:
        raise ConfigError(f"this generator is conditional: give --class FILE.npy of shape (N, {spec.c_dim})")
    c = c[None] if c.ndim == 1 else c
    if c.ndim != 2 or c.shape[1] != spec.c_dim or len(c) not in (1, count):
        raise ConfigError(f"classes of shape {tuple(c.shape)}; this takes ({count}, {spec.c_dim}) or (1, {spec.c_dim})")
    return c.expand(count, -1)


def _noise(generator: Generator, numbers: Sequence[int], device: torch.device) -> list[Tensor]:
    sides = [conv.noise_const.shape[0] for conv in generator.synthesis.styled_convs()]
    random = SampleRandom(0)
    each = [random.noise(Purpose.NOISE, range(number, number + 1), sides) for number in numbers]
    return [torch.cat(maps).to(device) for maps in zip(*each, strict=True)]


def _row_names(count: int) -> list[str]:
    return [f"image{i:04d}" for i in range(count)]
