"""``drfhq stats``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from drfhq_tools.stats import Agreement, Stats, Vocabulary

_FILE_WIDTH = 160  # of tables that go to a file or a pipe
_VOCABULARIES = ("fairface", "declared")


@click.command("stats")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.option("--plots", "plots", type=click.Path(path_type=Path), help="Also write PNG charts to this folder.")
@click.option(
    "--vocabulary",
    type=click.Choice(_VOCABULARIES),
    default="fairface",
    help="Count FairFace's classes, or words as declared, a race word with its vocabulary.",
)
@click.option(
    "--target", default="uniform", help="What the shares are held to: uniform, or a .toml, .json or .csv file."
)
@click.option("--confusion", is_flag=True, help="Instead, compare what labelers predicted with what was declared.")
@click.option("--labeler", help="With --confusion: only this labeler.")
def stats_command(
    data: Path,
    as_json: bool,
    plots: Path | None,
    vocabulary: Vocabulary,
    target: str,
    confusion: bool,
    labeler: str | None,
) -> None:
    """Count gender, age group and race in the data set DATA, each alone and crossed.

    Evenness is Pielou's, the entropy of the shares over its maximum: 1 where all classes are equally frequent. See
    docs/balance.md for the other figures and the format of a target.

    \b
    Example:
      drfhq stats data/ --target uniform
    """
    from drfhq_tools.errors import UsageError
    from drfhq_tools.stats import read_agreements, read_stats, read_target

    if labeler and not confusion:
        raise UsageError("--labeler chooses whom to compare: give --confusion too")
    if confusion:
        _compare(read_agreements(data, labeler), as_json, plots)
        return
    stats = read_stats(data, vocabulary=vocabulary, target=read_target(target))
    if plots is not None:
        from drfhq_tools.stats.plots import write_plots

        _tell(write_plots(stats, plots))
    if as_json:
        click.echo(json.dumps(stats.to_json(), indent=2))
    else:
        _print(stats)


def _compare(agreements: list[Agreement], as_json: bool, plots: Path | None) -> None:
    if plots is not None:
        from drfhq_tools.stats.plots import write_agreement_plots

        _tell(write_agreement_plots(agreements, plots))
    if as_json:
        click.echo(json.dumps({"confusion": [agreement.to_json() for agreement in agreements]}, indent=2))
        return
    console = _console()
    for agreement in agreements:
        _print_agreement(console, agreement)


def _tell(files: Iterable[Path]) -> None:
    for path in files:
        click.echo(f"wrote {path}", err=True)


def _print(stats: Stats) -> None:
    console = _console()
    console.print(f"{stats.faces} faces of {stats.people} people, classes: {stats.vocabulary}")
    for attribute, counts in stats.counts.items():
        console.print(
            f"\n[bold]{attribute}[/], {_figures(attribute, stats)}", _single(attribute, counts, stats), sep="\n"
        )
    console.print("\n[bold]how the class is known[/]", _status(stats), sep="\n")
    for (one, other), table in stats.crossed.items():
        console.print(f"\n[bold]{one} × {other}[/]", _crossed(table, list(stats.counts[other])), sep="\n")
    _print_cells(console, stats)
    for attribute, words in stats.declared.items():
        if words and stats.vocabulary != "declared":
            console.print(f"\n[bold]{attribute}[/], as declared", _declared(words), sep="\n")


def _figures(attribute: str, stats: Stats) -> str:
    even, ratio = stats.evenness(attribute), stats.min_max_ratio(attribute)
    shannon, moved = stats.jensen_shannon(attribute), stats.total_variation(attribute)
    if even is None or ratio is None or shannon is None or moved is None:
        return "no face has a known class"
    return (
        f"of the known: Pielou's evenness {even:.3f}, rarest over commonest {ratio:.3f}; from the target"
        f" {stats.target.name}: Jensen-Shannon {shannon:.3f} bits, total variation {moved:.3f}"
    )


def _single(attribute: str, counts: Mapping[str, int], stats: Stats) -> Table:
    table = _table(["", "faces", "share", "of the known", "target"])
    classes = stats.classes[attribute]
    wanted = dict(zip(classes, stats.target.shares(attribute, classes), strict=True))
    known = sum(counts.get(name, 0) for name in classes)
    for name in dict.fromkeys([*classes, *counts]):
        number = counts.get(name, 0)
        share = f"{number / stats.faces:.1%}" if stats.faces else ""
        of_known = f"{number / known:.1%}" if known and name in wanted else ""
        table.add_row(name, str(number), share, of_known, f"{wanted[name]:.1%}" if name in wanted else "")
    return table


def _status(stats: Stats) -> Table:
    names = list(dict.fromkeys(name for row in stats.status.values() for name in row))
    return _crossed(stats.status, names)


def _print_cells(console: Console, stats: Stats) -> None:
    """The cells of all attributes crossed: those with faces as a table, the empty ones a line for all but the age."""
    attributes = list(stats.classes)
    table = _table([*attributes, "faces", "people"], left=len(attributes))
    for cell, number in stats.cells.items():
        table.add_row(*cell, str(number.faces), str(number.people))
    empty = stats.empty_cells
    heading = f"{len(stats.cells)} cells with faces, {len(empty)} empty"
    console.print(f"\n[bold]{' × '.join(attributes)}[/], {heading}", table, sep="\n")
    ages: dict[str, list[str]] = {}
    for gender, age, race in empty:
        ages.setdefault(f"{gender}, {race}", []).append(age)
    for who, missing in ages.items():
        every = len(missing) == len(stats.classes["age_group"])
        console.print(f"  nobody: {who}: {'every age group' if every else ', '.join(missing)}")


def _print_agreement(console: Console, agreement: Agreement) -> None:
    overall, sure = agreement.overall, agreement.calibration
    weights = f", weights {agreement.weights_sha256[:12]}" if agreement.weights_sha256 else ""
    console.print(
        f"\n[bold]{agreement.labeler}, {agreement.attribute}[/]{weights}: {overall.faces} faces of declared class"
    )
    columns = list(next(iter(agreement.matrix.values())))
    console.print("rows: declared, columns: predicted", _crossed(agreement.matrix, columns), sep="\n")
    console.print(
        "accuracy of what was answered: mean over people of the share of their pictures that are right,"
        " with Wilson's 95 % interval"
    )
    table = _table(["", "faces", "abstained", "people", "accuracy", "95 %"])
    for grouping, groups in {"": {"all": overall}, **agreement.groups}.items():
        for name, group in groups.items():
            span = f"{group.interval.low:.1%} to {group.interval.high:.1%}" if group.interval else ""
            share = "" if group.accuracy is None else f"{group.accuracy:.1%}"
            who = f"{grouping}: {name}" if grouping else name
            table.add_row(who, str(group.faces), str(group.abstained), str(group.people), share, span)
    console.print(table)
    _print_gaps(console, agreement)
    if sure:
        console.print(
            f"calibration on {sure.faces} faces, abstentions included: mean confidence {sure.confidence:.3f}, accuracy"
            f" {sure.accuracy:.3f}, expected calibration error {sure.expected_error:.3f} over {sure.bins} bins of equal"
            f" mass, Brier score {sure.brier:.3f}",
            soft_wrap=True,
        )


def _print_gaps(console: Console, agreement: Agreement) -> None:
    from drfhq_tools.stats.agreement import FEWEST_PEOPLE

    for grouping in agreement.groups:
        if gap := agreement.gap(grouping):
            console.print(
                f"widest gap by {grouping}: {100 * gap.difference:.1f} points, from {gap.worst} to {gap.best}"
                f" (groups of {FEWEST_PEOPLE} people or more)"
            )


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


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    return console


def _table(headers: list[str], left: int = 1) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index >= left else "left")
    return table
