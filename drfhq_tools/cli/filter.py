"""``drfhq filter``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.cli.options import files_by_name, labeler_model_option, rule_options
from drfhq_tools.cli.progress import progress_bars
from drfhq_tools.config import parse_settings
from drfhq_tools.toml_file import read_settings

if TYPE_CHECKING:
    from drfhq_tools.build.refilter import Recut


@click.command("filter")
@click.argument("data", type=click.Path(path_type=Path))
@rule_options
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option("--raw", type=click.Path(path_type=Path), help="Folder DATA was built from; needed to gain faces.")
@labeler_model_option
@click.option("--workers", type=int, help="Processes.  [default: one a core]")
@click.option("--dry-run", is_flag=True, help="Say what would be dropped and gained, and change nothing.")
def filter_command(
    data: Path,
    preset: str | None,
    assignments: tuple[str, ...],
    config_file: Path | None,
    raw: Path | None,
    labeler_models: tuple[str, ...],
    workers: int | None,
    dry_run: bool,
) -> None:
    """Re-cut the built data set DATA under other rules, as if it were built anew with them.

    Settings that are not named stay as DATA was built with. Only rules, splits and how sure a labeler must be can
    change. Tightening takes no pictures; loosening cuts the faces gained, and them alone, from the pictures in RAW.
    What was decided in a review since is applied; a verdict that was taken back needs `drfhq build`.

    \b
    Example:
      drfhq filter data/ --set yaw_deg=30 --dry-run
    """
    from drfhq_tools.build.look import Hands
    from drfhq_tools.build.refilter import refilter

    changes = (read_settings(config_file, "build") if config_file else {}) | ({"preset": preset} if preset else {})
    processes = (os.cpu_count() or 1) if workers is None else workers
    with progress_bars() as progress:
        recut = refilter(
            data,
            changes | parse_settings(assignments),
            raw=raw,
            labeler_files=files_by_name(labeler_models),
            hands=Hands(workers=processes, progress=progress),
            dry_run=dry_run,
        )
    _print(recut)
    click.echo(f"Nothing was changed in {data}" if dry_run else f"The data set in {data} has {_faces(recut)} faces")


def _faces(recut: Recut) -> int:
    return recut.kept + sum(recut.gained.values())


def _print(recut: Recut) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("", "faces", box=SIMPLE_HEAD)
    table.columns[1].justify = "right"
    table.add_row("kept", str(recut.kept))
    for title, counts in (("dropped by", recut.dropped), ("gained from", recut.gained)):
        for rule, count in counts.items():
            table.add_row(f"{title} {rule}", str(count))
    Console().print(table)
