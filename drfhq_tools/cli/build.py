"""``drfhq build``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.cli.options import rule_options
from drfhq_tools.cli.progress import progress_bars
from drfhq_tools.config import DETECTOR_NAMES, BuildConfig, config_from, parse_settings, read_toml

if TYPE_CHECKING:
    from drfhq_tools.assemble import BuildSummary

_DEFAULT = BuildConfig()


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
@rule_options
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file of these settings.")
@click.option("--workers", type=int, help="Processes.  [default: one a core]")
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
    config_file: Path | None,
    workers: int | None,
    tombstones: tuple[Path, ...],
    **settings: float | str | None,
) -> None:
    """Find, align and label every face under RAW and write them to OUT with a manifest.

    Labels are read from labels.csv or labels.parquet in any folder, and from x.json beside x.png. Options given here
    override --config, which overrides --preset. What was left out, and why, stands in rejects.parquet.
    """
    from drfhq_tools.build import build

    named = {"preset": preset, **settings}
    given = {name: value for name, value in named.items() if value is not None} | parse_settings(assignments)
    config = config_from((read_toml(config_file) if config_file else {}) | given)
    processes = (os.cpu_count() or 1) if workers is None else workers
    with progress_bars() as progress:
        summary = build(
            raw,
            out,
            config,
            workers=processes,
            progress=progress,
            detector_model=detector_model,
            tombstones=tombstones,
        )
    _print(summary, out)
    if summary.failed_inputs:
        ctx.exit(3)


def _print(summary: BuildSummary, out: Path) -> None:
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
