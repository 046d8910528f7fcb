"""``transfer blend``: two generators of one ancestor made into one."""

from __future__ import annotations

from pathlib import Path

import click

from transfer.cli.options import PATH
from transfer.errors import ConfigError


@click.command()
@click.argument("tuned", type=PATH)
@click.argument("source", type=PATH)
@click.option("--swap-from", "from_side", type=int, default=16, help="Coarsest resolution to take from TUNED.")
@click.option("--share", type=float, default=1.0, help="How much of TUNED to take there, 0 to 1; the rest of SOURCE.")
@click.option("--out", type=PATH, required=True, help="The checkpoint to write.")
def blend(tuned: Path, source: Path, from_side: int, share: float, out: Path) -> None:
    """Take fine layers of TUNED and coarse ones of SOURCE, the generator it was tuned from. Prints OUT.

    Coarse layers decide pose and shape, and so who somebody is; fine ones texture and light. To swap the other way,
    as for a cartoon's shape in a photo's skin, exchange TUNED and SOURCE.

    \b
    Examples:
      transfer blend runs/plain/g_ema.safetensors runs/plain/source.safetensors --out swapped.safetensors
      transfer blend runs/x/g_ema.safetensors runs/x/source.safetensors --swap-from 4 --share 0.5 --out half.safetensors
    """
    from transfer.blend import interpolated, swapped
    from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint

    if not 0 <= share <= 1:
        raise ConfigError(f"--share is a part of the whole, 0 to 1, not {share:g}")
    read, kept = load_checkpoint(tuned), load_checkpoint(source).generator
    made = swapped(read.generator, kept, from_side)
    if share < 1:
        made = interpolated(kept, made, dict.fromkeys(kept.spec.resolutions, share))
    save_checkpoint(out, Checkpoint(made, None, read.card | {"swapped_from": from_side, "share": share}))
    click.echo(out)
