"""``transfer train-encoder``: a fine-tuning run learns to find a portrait's latent in one pass."""

from __future__ import annotations

from pathlib import Path

import click

from transfer.cli.options import PATH, training
from transfer.errors import ConfigError


@click.command("train-encoder")
@click.argument("run", type=PATH)
@click.option("--data", "data_dir", type=PATH, required=True, help="A data set built by `drfhq build`.")
@click.option("--kimg", type=float, required=True, help="Thousands of pictures to show in all.")
@click.option("--split", default="train", help="The split of the data set to train on, or all.")
@click.option("--batch", type=int, default=8, help="Pictures a step.")
@click.option("--seed", type=int, default=0, help="Seed of every random number.")
@click.option("--lr", type=float, default=0.001, help="Learning rate.")
@click.option("--free-kimg", type=float, default=5.0, help="Thousands of the generator's own images before portraits.")
@click.option("--snapshot-kimg", type=float, default=2.0, help="Thousands of pictures between checkpoints.")
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
def train_encoder(
    run: Path,
    data_dir: Path,
    kimg: float,
    split: str,
    batch: int,
    seed: int,
    lr: float,
    free_kimg: float,
    snapshot_kimg: float,
    device: str,
) -> None:
    """Train the encoder of RUN, a folder made by `transfer finetune`. The same command again resumes.

    It learns from the tuned generator's own images, whose latents are known, then from the data set's portraits too.
    `transfer apply` starts from it: a few steps do what hundreds did.

    \b
    Example:
      transfer train-encoder runs/render64 --data data --kimg 50
    """
    from transfer.data import open_data
    from transfer.device import pick_device
    from transfer.training.encoder import EncoderConfig
    from transfer.training.encoder_run import EncoderRequest
    from transfer.training.encoder_run import train_encoder as train

    with training() as (console, processes):
        if processes.size > 1:
            raise ConfigError("an encoder is trained by one process: start it without torchrun")
        request = EncoderRequest(
            run=run,
            manifest=open_data(data_dir),
            config=EncoderConfig(batch=batch, seed=seed, lr=lr, free_kimg=free_kimg),
            kimg=kimg,
            snapshot_kimg=snapshot_kimg,
            device=pick_device(device),
            split=split,
        )
        click.echo(train(request, console))
