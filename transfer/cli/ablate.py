"""``transfer ablate``: recipes side by side, on equal data, from equal weights, equally long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.toml_file import read_settings
from transfer.cli.options import PATH, say, training
from transfer.errors import ConfigError
from transfer.settings import parse_settings

if TYPE_CHECKING:
    from transfer.evaluation.grid import Grid
    from transfer.evaluation.held_out import HeldOut
    from transfer.evaluation.look import Instruments

SNAPSHOTS = 8
STAGES = ("all", "train", "measure")


@click.command()
@click.option("--data", "data_dir", type=PATH, required=True, help="A data set of renders, built by `drfhq build`.")
@click.option("--init", type=PATH, required=True, help="The source generator: a checkpoint of this tool.")
@click.option("--out", type=PATH, required=True, help="The ablation's folder; an unfinished one there goes on.")
@click.option("--recipes", default="drfhq,plain,freezed,frozen,swapped,direct", help="Names or TOML files, by commas.")
@click.option("--seeds", default="0,1", help="Seeds to train each recipe with, by commas.")
@click.option("--kimg", type=float, required=True, help="Thousands of images a recipe may show, the same for all.")
@click.option(
    "--snapshot-kimg", type=float, help=f"Thousands of images between measured snapshots [kimg / {SNAPSHOTS}]."
)
@click.option("--split", default="train", help="The split of the data set to train on, or all.")
@click.option("--config", "config_file", type=PATH, help="TOML file of settings for all recipes.")
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A setting for all recipes. Repeatable."
)
@click.option("--stage", type=click.Choice(STAGES), default="all", help="Train alone, or measure what is there alone.")
@click.option("--count", type=int, default=256, help="Latents to measure with, and renders at most.")
@click.option("--densenet", type=PATH, help="The held-out identity network's file [that of `drfhq models`, if there].")
@click.option(
    "--portraits", type=PATH, help="Held-out renders to put through each recipe, as `transfer evaluate` does."
)
@click.option("--photos", type=PATH, help="For --portraits: photos to compare with.")
@click.option("--portraits-split", default="all", help="The split of --portraits, where it is a data set.")
@click.option("--steps", type=int, help="For --portraits: steps of the inverter [its own number].")
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
def ablate(
    data_dir: Path,
    init: Path,
    out: Path,
    recipes: str,
    seeds: str,
    kimg: float,
    snapshot_kimg: float | None,
    split: str,
    config_file: Path | None,
    assignments: tuple[str, ...],
    stage: str,
    count: int,
    densenet: Path | None,
    portraits: Path | None,
    photos: Path | None,
    portraits_split: str,
    steps: int | None,
    device: str,
) -> None:
    """Fine-tune by several recipes at equal budget and measure what each keeps of the people. The same command again
    resumes; recipes and seeds may be added. The first recipe is the one the others are matched to. Writes table.csv,
    table.md and table.png.

    \b
    Example:
      transfer ablate --data renders --init photo64.safetensors --out ablation --kimg 10 --seeds 0,1
    """
    from transfer.data import open_data
    from transfer.device import pick_device
    from transfer.evaluation.grid import Grid, claim, train
    from transfer.recipes import load_recipe

    if (portraits is None) != (photos is None):
        raise ConfigError("--portraits and --photos go together: outputs are held against photos")
    settings = (read_settings(config_file, "train") if config_file else {}) | parse_settings(assignments)
    grid = Grid(
        manifest=open_data(data_dir),
        init=init,
        out=out,
        recipes=[load_recipe(name) for name in _words(recipes)],
        seeds=_numbers(seeds),
        kimg=kimg,
        settings=settings | {"snapshot_kimg": snapshot_kimg or kimg / SNAPSHOTS},
        split=split,
        device=pick_device(device),
    )
    claim(grid)
    if stage != "measure":
        with training() as (console, _):
            train(grid, console)
    if stage != "train":
        from transfer.evaluation.ablation import measure
        from transfer.evaluation.look import Instruments

        held_out, instruments = None, Instruments.load(grid.device, densenet)
        if portraits and photos:
            held_out = _held_out(grid, instruments, portraits, portraits_split, photos, steps)
        measure(grid, instruments, count, say, held_out)
        click.echo(out / "table.md")


def _held_out(
    grid: Grid, instruments: Instruments, portraits: Path, split: str, photos: Path, steps: int | None
) -> HeldOut:
    from transfer.checkpoints import load_checkpoint
    from transfer.evaluation.evaluate import Compared, Inverting, Seen
    from transfer.evaluation.held_out import HeldOut
    from transfer.evaluation.subjects import load_evaluated

    side = load_checkpoint(grid.init).generator.spec.resolution
    given, everyone, real = load_evaluated(portraits, split, photos, side, grid.out, say)
    compared = Compared(photos=Seen.of(real, instruments), strangers=Seen.of(everyone, instruments))
    return HeldOut(portraits=given, compared=compared, how=Inverting(steps=steps))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in _words(text)]
    except ValueError as error:
        raise ConfigError(f"--seeds {text!r} is not a list of whole numbers such as 0,1") from error
