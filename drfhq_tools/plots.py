"""Charts of a data set's statistics as PNG files. Needs the extra ``plots``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from drfhq_tools.errors import MissingExtraError
from drfhq_tools.stats import ATTRIBUTES, UNKNOWN, Stats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOUR, _GREY = "#3b6ea5", "#b0b0b0"


def write_plots(stats: Stats, folder: Path) -> list[Path]:
    """One bar chart an attribute, one grid a pair; returns the files.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MissingExtraError("charts need matplotlib: pip install 'drfhq-tools[plots]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for attribute in ATTRIBUTES:
        figure = Figure(figsize=(7, 4), layout="constrained")
        _bars(figure, attribute, stats)
        written.append(_save(figure, folder / f"{attribute}.png"))
    for (one, other), table in stats.crossed.items():
        figure = Figure(figsize=(8, 5), layout="constrained")
        _grid(figure, one, other, table, list(stats.counts[other]))
        written.append(_save(figure, folder / f"{one}-{other}.png"))
    return written


def _bars(figure: Figure, attribute: str, stats: Stats) -> None:
    counts = stats.counts[attribute]
    axes = figure.subplots()
    bars = axes.barh(list(counts), list(counts.values()), color=[_GREY if n == UNKNOWN else _COLOUR for n in counts])
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    even = stats.evenness(attribute)
    axes.set_title(f"{attribute}: {stats.faces} faces" + ("" if even is None else f", evenness {even:.2f}"))
    axes.set_xlabel("faces")


def _grid(figure: Figure, one: str, other: str, table: Mapping[str, Mapping[str, int]], columns: list[str]) -> None:
    values = [[row.get(name, 0) for name in columns] for row in table.values()]
    axes = figure.subplots()
    axes.set_title(f"{one} × {other}, faces")
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
    figure.savefig(path, dpi=120)
    return path
