"""``drfhq build``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.cli.options import files_by_name, labeler_model_option, rule_options
from drfhq_tools.cli.progress import progress_bars
from drfhq_tools.config import DETECTOR_NAMES, LABELER_NAMES, BuildConfig, config_from, parse_settings
from drfhq_tools.errors import DrfhqError
from drfhq_tools.toml_file import read_settings

if TYPE_CHECKING:
    from drfhq_tools.build.assemble import BuildSummary
    from drfhq_tools.workers import Engine

_DEFAULT = BuildConfig()
_ENGINES = ("processes", "ray")


@click.command("build")
@click.option("--raw", required=True, type=click.Path(path_type=Path), help="Folder tree of pictures.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write the data set to.")
@click.option("--size", type=int, help=f"Side of the crops in pixels.  [default: {_DEFAULT.size}]")
@click.option("--detector", type=click.Choice(DETECTOR_NAMES), help=f"Face detector.  [default: {_DEFAULT.detector}]")
@click.option(
    "--detector-model", type=click.Path(path_type=Path), help="Model file of --detector yunet, if not the fetched one."
)
@click.option(
    "--min-native-ratio",
    type=float,
    help="Drop faces whose square in the source picture is smaller than this share of --size."
    f"  [default: {_DEFAULT.min_native_ratio:g}]",
)
@click.option(
    "--max-pad-fraction",
    type=float,
    help="Drop faces with more than this share of the crop outside the picture."
    f"  [default: {_DEFAULT.max_pad_fraction:g}]",
)
@click.option(
    "--max-megapixels",
    type=float,
    help=f"Don't decode pictures larger than this.  [default: {_DEFAULT.max_megapixels:g}]",
)
@click.option(
    "--val-fraction", type=float, help=f"Share of people held out as val.  [default: {_DEFAULT.val_fraction:g}]"
)
@click.option(
    "--test-fraction", type=float, help=f"Share of people held out as test.  [default: {_DEFAULT.test_fraction:g}]"
)
@click.option("--split-seed", type=int, help=f"Another number deals the splits anew.  [default: {_DEFAULT.split_seed}]")
@click.option(
    "--labeler",
    "labelers",
    type=click.Choice(LABELER_NAMES),
    multiple=True,
    help="Ask this network how faces are perceived, where nobody declared it; of several the first that is sure counts."
    " Repeatable.",
)
@labeler_model_option
@click.option("--predict-race", is_flag=True, default=None, help="Ask the labelers for race too.")
@rule_options
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file of these settings.")
@click.option("--workers", type=int, help="Processes.  [default: one a core]")
@click.option("--engine", type=click.Choice(_ENGINES), default="processes", help="What the work is done on.")
@click.option("--shard", metavar="I/N", help="Do the share I, from 0, of N; `drfhq merge OUT` makes one set of all.")
@click.option(
    "--tombstones",
    type=click.Path(path_type=Path),
    multiple=True,
    help="What to leave out for good; tombstones.parquet in RAW and OUT count too.",
)
@click.pass_context
def build_command(
    ctx: click.Context,
    /,
    raw: Path,
    out: Path,
    preset: str | None,
    assignments: tuple[str, ...],
    detector_model: Path | None,
    labelers: tuple[str, ...],
    labeler_models: tuple[str, ...],
    config_file: Path | None,
    workers: int | None,
    engine: str,
    shard: str | None,
    tombstones: tuple[Path, ...],
    **settings: float | str | bool | None,
) -> None:
    """Find, align and label every face under RAW and write them to OUT with a manifest.

    Labels are read from labels.csv or labels.parquet in any folder, and from x.json beside x.png. Options given here
    override --config, which overrides --preset. What was left out, and why, stands in rejects.parquet.

    However it was stopped, the same command goes on where it was. In a finished data set only pictures that are new or
    changed are looked at, and other rules apply to all.

    \b
    Example:
      drfhq build --raw renders/ --out data/ --size 256
    """
    from drfhq_tools.build.look import Hands, Models
    from drfhq_tools.build.run import build, build_shard
    from drfhq_tools.build.shards import Shard

    named = {"preset": preset, "labelers": ",".join(labelers) or None, **settings}
    given = {name: value for name, value in named.items() if value is not None} | parse_settings(assignments)
    config = config_from((read_settings(config_file, "build") if config_file else {}) | given)
    models = Models(detector=detector_model, labelers=files_by_name(labeler_models))
    with _interruptible(out), progress_bars() as progress:
        hands = Hands(workers=_processes(workers), progress=progress, engine=_engine(engine))
        if shard is None:
            summary = build(raw, out, config, hands=hands, models=models, tombstones=tombstones)
        else:
            share = Shard.parse(shard)
            part = build_shard(raw, out, config, share, hands=hands, models=models, tombstones=tombstones)
    if shard is None:
        print_summary(summary, out)
        failed = summary.failed_inputs
    else:
        click.echo(f"The shard {share} is complete: {part.pictures} pictures, {part.faces} faces")
        failed = part.failed_inputs
    if failed:
        ctx.exit(3)


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    """Says after Ctrl-C what is left of the work.

    Raises:
        DrfhqError: it was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        raise DrfhqError(
            f"interrupted; what was finished is kept in {out}, and the same command goes on from there"
        ) from error


def _engine(name: str) -> Engine:
    from drfhq_tools import ray_tasks, workers

    return ray_tasks.run_tasks if name == "ray" else workers.run_tasks


def _processes(workers: int | None) -> int:
    return (os.cpu_count() or 1) if workers is None else workers


def print_summary(summary: BuildSummary, out: Path) -> None:
    """The table of counts."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("", "count", box=SIMPLE_HEAD)
    table.columns[1].justify = "right"
    table.add_row("pictures", str(summary.pictures))
    table.add_row("faces kept", str(summary.faces))
    for split, count in summary.splits.items():
        table.add_row(f"  {split}", str(count))
    for reason, count in summary.rejects.items():
        table.add_row(f"rejects.parquet: {reason}", str(count))
    if summary.unmapped_words:
        table.add_row("declared words without a class", str(summary.unmapped_words))
    Console().print(table)
    click.echo(f"The data set is in {out}")
