"""``transfer metrics``: how far a generator's images are from a data set."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from drfhq_tools.errors import UsageError
from transfer.cli.options import PATH, say


@click.command()
@click.argument("checkpoint", type=PATH)
@click.option("--data", type=PATH, required=True, help="A built data set, or its Parquet shards.")
@click.option("--split", default="all", help="The split to measure against, or all.")
@click.option("--count", type=click.IntRange(2), default=1000, help="Images to generate; published figures have 50000.")
@click.option("--features", type=click.Choice(["faces", "inception"]), default="faces", help="Whose features.")
@click.option("--inception", type=PATH, help="For inception: pt_inception-2015-12-05-6726825d.pth.")
@click.option("--seed", type=int, default=0, help="Seed of latents and noise.")
@click.option("--cache", type=PATH, help="A .npy to keep the decoded pictures in, for the next time.")
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
def metrics(
    checkpoint: Path,
    data: Path,
    split: str,
    count: int,
    features: str,
    inception: Path | None,
    seed: int,
    cache: Path | None,
    device: str,
) -> None:
    """Measure kernel and Fréchet distance of the generator in CHECKPOINT from a data set; print JSON.

    Both counts stand beside the figures: Fréchet distances of other counts don't compare, kernel distances do.

    \b
    Examples:
      transfer metrics runs/mine/g_ema.safetensors --data data/
      transfer metrics g.safetensors --data ffhq --count 50000 --features inception --inception pt_inception.pth
    """
    from transfer.checkpoints import open_checkpoint
    from transfer.data import load_portraits, open_data
    from transfer.device import pick_device
    from transfer.metrics.distances import FaceFeatures, distances
    from transfer.metrics.inception import InceptionFeatures

    if (features == "inception") != (inception is not None):
        raise UsageError("--features inception and --inception FILE go together: its weights are not part of this tool")
    place = pick_device(device)
    network = InceptionFeatures(inception, place) if inception else FaceFeatures(place)
    generator = open_checkpoint(checkpoint, discriminator=False).checkpoint.generator.to(place)
    manifest = open_data(data)
    with tempfile.TemporaryDirectory() as scratch:
        where = cache or Path(scratch) / "pictures.npy"
        portraits = load_portraits(manifest, generator.spec.resolution, where, split, say=say)
        for face in portraits.skipped:
            say(f"skipped {face.name}: {face.reason}")
        found = distances(generator, portraits, network, count, seed)
        del portraits  # Windows removes no file that is mapped
    about = {"checkpoint": str(checkpoint), "data_digest": manifest.digest, "split": split, "seed": seed}
    click.echo(json.dumps(about | asdict(found), indent=2))
