"""``transfer generate``: pictures of a checkpoint, by seed, latent or style."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.errors import UsageError
from transfer.cli.options import PATH, say

if TYPE_CHECKING:
    from torch import Tensor

    from transfer.sampling import NoiseKind

MAX_IMAGES = 1_000_000


@click.command()
@click.argument("checkpoint", type=PATH)
@click.option("--seeds", help="Seeds such as 0-15 or 3,5,8-12; what NVIDIA's scripts make of them.")
@click.option("--z", "z_file", type=PATH, help="A .npy of latents (N, z_dim).")
@click.option("--ws", "ws_file", type=PATH, help="A .npy of styles (N, num_ws, w_dim) or (N, w_dim).")
@click.option("--class", "class_file", type=PATH, help="A .npy of classes, (N, c_dim) or one for all.")
@click.option("--truncation", type=float, default=1.0, help="How far from the mean face: 1 as drawn, 0 the mean.")
@click.option("--noise", type=click.Choice(["const", "random", "none"]), default="const", help="The layers' noise.")
@click.option("--out", type=PATH, required=True, help="A .png (one sheet), a .npy (float32 NCHW), or a folder.")
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
@click.option("--precision", default="fp32", help="Of feature maps: fp32, bf16, fp16, or auto for the fastest here.")
def generate(
    checkpoint: Path,
    seeds: str | None,
    z_file: Path | None,
    ws_file: Path | None,
    class_file: Path | None,
    truncation: float,
    noise: NoiseKind,
    out: Path,
    device: str,
    precision: str,
) -> None:
    """Make pictures with the generator in CHECKPOINT: one of this tool, of NVIDIA's or of rosinality's.

    Give one of --seeds, --z, --ws. The same seed gives the same picture, also with --noise random. A .npy holds what
    the network gives, about [-1, 1] and not clamped. Prints OUT.

    \b
    Examples:
      transfer generate photo64.safetensors --seeds 0-15 --truncation 0.7 --out sheet.png
      transfer generate ffhq.pkl --z z.npy --noise none --out images.npy
    """
    if sum(value is not None for value in (seeds, z_file, ws_file)) != 1:
        raise UsageError("give one of --seeds, --z and --ws")
    if ws_file and (class_file or truncation != 1.0):
        raise UsageError("--class and --truncation decide styles, and --ws gives styles")
    if out.suffix not in (".png", ".npy", ""):
        raise UsageError(f"{out}: --out is a .png, a .npy, or a folder (no suffix)")
    numbers = seeds_of(seeds) if seeds is not None else []

    from transfer.checkpoints import open_checkpoint
    from transfer.device import keep_freed_memory, pick_device, pick_dtype, placed
    from transfer.sampling import (
        latents_of_seeds,
        styles_given,
        styles_of_latents,
        write_array,
        write_folder,
        write_sheet,
    )

    place = pick_device(device)
    dtype = pick_dtype(precision, place)
    keep_freed_memory()
    opened = open_checkpoint(checkpoint, discriminator=False)
    for note in opened.notes:
        say(f"note: {note}")
    generator = placed(opened.checkpoint.generator, place)
    generator.synthesis.dtype = dtype
    if ws_file:
        styles = styles_given(generator, _array(ws_file).to(place))
    else:
        z = _array(z_file) if z_file else latents_of_seeds(numbers, generator.spec.z_dim)
        c = _array(class_file).to(place) if class_file else None
        styles = styles_of_latents(generator, z.to(place), truncation=truncation, c=c, seeds=numbers)
    write = {".png": write_sheet, ".npy": write_array, "": write_folder}[out.suffix]
    write(out, generator, styles, noise)
    click.echo(out)


def seeds_of(words: str) -> list[int]:
    """``0-3,7`` → [0, 1, 2, 3, 7].

    Raises:
        UsageError: it is no such list, or an endless one.
    """
    seeds: list[int] = []
    for word in words.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:-(\d{1,10}))?\s*", word)
        if not match:
            raise UsageError(f"--seeds {words!r} is no list of whole numbers such as 0-15 or 3,5,8-12")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first + len(seeds) >= MAX_IMAGES:
            raise UsageError(f"--seeds {words!r}: {word.strip()} names no seeds, or more than {MAX_IMAGES}")
        seeds += range(first, last + 1)
    return seeds


def _array(path: Path) -> Tensor:
    """A .npy of numbers as float32.

    Raises:
        UsageError: it is not there or holds something else.
    """
    import numpy as np
    import torch

    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header that lies allocates nothing
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} is no .npy of numbers ({error})") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub" or not 1 <= values.ndim <= 3:
        raise UsageError(f"{path} is no .npy of numbers in one to three dimensions")
    return torch.from_numpy(np.array(values, dtype=np.float32))
