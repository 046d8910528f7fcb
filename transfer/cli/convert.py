"""``transfer convert``: other tools' StyleGAN2 checkpoints into ours, and ours into theirs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from transfer.cli.options import PATH, say

if TYPE_CHECKING:
    from transfer.checkpoints import LayoutName
    from transfer.checkpoints.foreign import Which


@click.command()
@click.argument("source", metavar="IN", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--to",
    "layout",
    type=click.Choice(["safetensors", "rosinality", "nvlabs-state"]),
    default="safetensors",
    help="The layout to write.",
)
@click.option(
    "--network", type=click.Choice(["g_ema", "g"]), default="g_ema", help="The averaged generator, or the trained one."
)
@click.option("--no-discriminator", is_flag=True, help="Leave the discriminator out, whatever it is.")
@click.option("--origin", help="Who trained it on what, for the checkpoint's card.")
@click.option("--license", help="The licence of the weights, for the checkpoint's card.")
def convert(
    source: Path,
    out: Path,
    layout: LayoutName,
    network: Which,
    no_discriminator: bool,
    origin: str | None,
    license: str | None,
) -> None:
    """Read the StyleGAN2 checkpoint IN and write OUT, to the bit the same weights.

    IN is a .safetensors of this tool, a .pkl of NVIDIA's stylegan2-ada-pytorch or stylegan3 (StyleGAN2 alone), or a .pt
    in rosinality's layout. Nothing that IN names is run. Prints OUT.

    \b
    Examples:
      transfer convert ffhq.pkl ffhq.safetensors --license "NVIDIA Source Code License-NC"
      transfer convert runs/mine/g_ema.safetensors mine.pt --to rosinality
    """
    from transfer.checkpoints import Checkpoint, open_checkpoint, write_checkpoint

    opened = open_checkpoint(source, network, discriminator=not no_discriminator)
    read = opened.checkpoint
    given = {"origin": origin, "license": license}
    card = read.card | {name: words for name, words in given.items() if words is not None}
    written = write_checkpoint(out, Checkpoint(read.generator, read.discriminator, card), layout)
    spec = read.generator.spec
    judge = "and its discriminator" if read.discriminator else "without a discriminator"
    say(f"{opened.layout} → {layout}: {spec.resolution}², z {spec.z_dim}, w {spec.w_dim}, {judge}")
    for note in [*opened.notes, *written]:
        say(f"note: {note}")
    if not card.get("license"):
        say("note: the licence is not known here; that of its authors holds, also for what you derive: --license TEXT")
    click.echo(out)
