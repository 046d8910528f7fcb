"""``drfhq stats``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from drfhq_tools.stats import Stats

_FILE_WIDTH = 160  # of tables that go to a file or a pipe


@click.command("stats")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--plots", "plots", type=click.Path(path_type=Path), help="Also write PNG charts to this folder.")
def stats_command(data: Path, as_json: bool, plots: Path | None) -> None:
    """Count gender, age group and race in the data set DATA, each alone and crossed.

    Evenness is the entropy of the shares over its maximum: 1 where all classes of the vocabulary are equally frequent.
    """
    from drfhq_tools.stats import read_stats

    stats = read_stats(data)
    if plots is not None:
        from drfhq_tools.plots import write_plots

        for path in write_plots(stats, plots):
            click.echo(f"wrote {path}", err=True)
    if as_json:
        click.echo(json.dumps(stats.to_json(), indent=2))
    else:
        _print(stats)


def _print(stats: Stats) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    console.print(f"{stats.faces} faces")
    for attribute, counts in stats.counts.items():
        even = stats.evenness(attribute)
        figure = "no face has a known class" if even is None else f"evenness of the known {even:.3f}"
        console.print(f"\n[bold]{attribute}[/], {figure}", _single(attribute, counts, stats), sep="\n")
    for (one, other), table in stats.crossed.items():
        console.print(f"\n[bold]{one} × {other}[/]", _crossed(table, list(stats.counts[other])), sep="\n")
    for attribute, words in stats.declared.items():
        if words:
            console.print(f"\n[bold]{attribute}[/], as declared", _declared(words), sep="\n")


def _single(attribute: str, counts: Mapping[str, int], stats: Stats) -> Table:
    from drfhq_tools.labels.base import VOCABULARY

    table = _table(["", "faces", "share"])
    for name in dict.fromkeys([*VOCABULARY[attribute], *counts]):
        number = counts.get(name, 0)
        table.add_row(name, str(number), f"{number / stats.faces:.1%}" if stats.faces else "")
    return table


def _crossed(rows: Mapping[str, Mapping[str, int]], columns: list[str]) -> Table:
    table = _table(["", *columns])
    for name, row in rows.items():
        table.add_row(name, *(str(row.get(column, 0)) for column in columns))
    return table


def _declared(words: Mapping[str, int]) -> Table:
    table = _table(["", "faces"])
    for word, number in words.items():
        table.add_row(word, str(number))
    return table


def _table(headers: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left")
    return table
