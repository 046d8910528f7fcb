"""Charts of a data set's statistics, and of how right labelers are, as PNG files. Needs the extra ``plots``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drfhq_tools.errors import MissingExtraError
from drfhq_tools.stats import ATTRIBUTES, UNKNOWN, Agreement, Stats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOUR, _GREY = "#3b6ea5", "#b0b0b0"


def write_plots(stats: Stats, folder: Path) -> list[Path]:
    """One bar chart an attribute, with the target's shares as marks, one grid a pair; returns the files.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    written = []
    for attribute in ATTRIBUTES:
        figure = _figure(7, 4)
        _bars(figure, attribute, stats)
        written.append(_save(figure, folder / f"{attribute}.png"))
    for (one, other), table in stats.crossed.items():
        figure = _figure(8, 5)
        _grid(figure, f"{one} × {other}, faces", table, list(stats.counts[other]))
        written.append(_save(figure, folder / f"{one}-{other}.png"))
    return written


def write_agreement_plots(agreements: Sequence[Agreement], folder: Path) -> list[Path]:
    """A confusion matrix and a chart of accuracy by group with its intervals for each; returns the files.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    written = []
    for agreement in agreements:
        name = f"{agreement.labeler}-{agreement.attribute}".replace("/", "_")
        title = f"{agreement.labeler}, {agreement.attribute}"
        figure = _figure(8, 5)
        columns = list(next(iter(agreement.matrix.values())))
        _grid(figure, f"{title}: faces, declared down, predicted across", agreement.matrix, columns)
        written.append(_save(figure, folder / f"{name}-confusion.png"))
        figure = _figure(8, 9)
        _groups(figure, f"{title}: accuracy over people, Wilson 95 %", agreement)
        written.append(_save(figure, folder / f"{name}-groups.png"))
    return written


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingExtraError("charts need matplotlib: pip install 'drfhq-tools[plots]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _bars(figure: Figure, attribute: str, stats: Stats) -> None:
    classes = stats.classes[attribute]
    counts = {
        name: stats.counts[attribute].get(name, 0) for name in dict.fromkeys([*classes, *stats.counts[attribute]])
    }
    known = sum(counts[name] for name in classes)
    wanted = [share * known for share in stats.target.shares(attribute, classes)]
    axes = figure.subplots()
    bars = axes.barh(list(counts), list(counts.values()), color=[_GREY if n == UNKNOWN else _COLOUR for n in counts])
    axes.bar_label(bars, padding=3)
    axes.plot(
        wanted, list(classes), "|", color="black", markersize=14, label=f"target {stats.target.name}, of the known"
    )
    axes.legend(fontsize="small")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    even = stats.evenness(attribute)
    axes.set_title(f"{attribute}: {stats.faces} faces" + ("" if even is None else f", Pielou's evenness {even:.2f}"))
    axes.set_xlabel("faces")


def _groups(figure: Figure, title: str, agreement: Agreement) -> None:
    rows = [("all", agreement.overall)]
    rows += [
        (f"{grouping}: {name}", group) for grouping, found in agreement.groups.items() for name, group in found.items()
    ]
    axes = figure.subplots()
    for name, group in rows:
        label = f"{name} ({group.people})"
        if group.interval is None or group.accuracy is None:
            continue
        axes.plot([group.interval.low, group.interval.high], [label, label], color=_GREY, linewidth=3)
        axes.plot([group.accuracy], [label], "o", color=_COLOUR)
    axes.set_xlim(0, 1.02)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.margins(y=0.02)
    figure.suptitle(title)
    axes.set_xlabel("accuracy; people in brackets")


def _grid(figure: Figure, title: str, table: Mapping[str, Mapping[str, int]], columns: list[str]) -> None:
    values = [[row.get(name, 0) for name in columns] for row in table.values()]
    axes = figure.subplots()
    axes.set_title(title)
    if not values:
        return
    axes.imshow(values, cmap="Blues", aspect="auto", vmin=0)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(table)), list(table))
    largest = max(max(row) for row in values)
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axes.text(x, y, str(value), ha="center", va="center", color="white" if value > largest / 2 else "black")


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path
