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
        click.echo(json.dumps(stats.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(stats)


def _print(stats: Stats) -> None:
    from rich.console import Console

    console = Console()
    console.print(f"{stats.faces} faces")
    for attribute, counts in stats.counts.items():
        console.print(_single(attribute, counts, stats))
    for (one, other), table in stats.crossed.items():
        console.print(_crossed(f"{one} × {other}", table, list(stats.counts[other])))
    for attribute, words in stats.declared.items():
        if words:
            console.print(_declared(f"{attribute}, as declared", words))


def _single(attribute: str, counts: Mapping[str, int], stats: Stats) -> Table:
    from drfhq_tools.labels.base import VOCABULARY

    even = stats.evenness(attribute)
    table = _table(attribute, ["", "faces", "share"])
    for name in dict.fromkeys([*VOCABULARY[attribute], *counts]):
        number = counts.get(name, 0)
        table.add_row(name, str(number), f"{number / stats.faces:.1%}" if stats.faces else "")
    table.caption = "no face has a known class" if even is None else f"evenness of the known {even:.3f}"
    return table


def _crossed(title: str, rows: Mapping[str, Mapping[str, int]], columns: list[str]) -> Table:
    table = _table(title, ["", *columns])
    for name, row in rows.items():
        table.add_row(name, *(str(row.get(column, 0)) for column in columns))
    return table


def _declared(title: str, words: Mapping[str, int]) -> Table:
    table = _table(title, ["", "faces"])
    for word, number in words.items():
        table.add_row(word, str(number))
    return table


def _table(title: str, headers: list[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption_justify="left")
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left")
    return table
