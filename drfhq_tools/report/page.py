"""Facts and thumbnails → one HTML page that needs nothing else: no script, no font, no request.

Whatever the tables say is escaped by Jinja; only addresses of the web become links. A Content Security Policy (W3C,
level 3) in the page forbids all but its own style and pictures, should anything slip through.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from drfhq_tools.manifest.schema import REASONS
from drfhq_tools.report import charts
from drfhq_tools.report.facts import MOST_CELLS, MOST_GROUPS, PER_CELL, PER_GROUP, PER_MEASURE, PER_REASON, Facts
from drfhq_tools.report.measures import Measure
from drfhq_tools.report.origins import web_address
from drfhq_tools.report.picks import UNSHOWN
from drfhq_tools.report.thumbnails import SIDE_PX, Thumbnails
from drfhq_tools.stats import CROSSED, UNKNOWN

LONGEST_LIST: Final = 20
_LONGEST_WORD: Final = 160
_TITLES: Final = {"gender": "Gender", "age_group": "Age group", "race": "Race"}


def render(facts: Facts, crops: Thumbnails, raw: Thumbnails | None) -> str:
    """The page. ``raw`` is None where the raw pictures are not at hand."""
    style = files("drfhq_tools.report").joinpath("page.css").read_text(encoding="utf-8")
    text = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            facts=facts,
            crops=crops,
            raw=raw,
            style=Markup(style),  # noqa: S704  our own file
            caps={
                "cell": PER_CELL,
                "cells": MOST_CELLS,
                "measure": PER_MEASURE,
                "reason": PER_REASON,
                "group": PER_GROUP,
                "groups": MOST_GROUPS,
                "list": LONGEST_LIST,
                "pixels": SIDE_PX,
            },
        )
    )
    return text.rstrip() + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("drfhq_tools.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "n": number,
        "share": share,
        "value": value,
        "clip": clip,
        "web": web_address,
        "largest": largest,
    }
    environment.globals |= {
        "stacked_bar": charts.stacked_bar,
        "histogram_chart": charts.histogram_chart,
        "TITLES": _TITLES,
        "CROSSED": CROSSED,
        "UNKNOWN": UNKNOWN,
        "REASONS": REASONS,
        "UNSHOWN": UNSHOWN,
    }
    return environment


def number(count: int) -> str:
    """With a narrow space between thousands."""
    return f"{count:,}".replace(",", "\u202f")


def share(count: int, whole: int) -> str:
    """A percentage of a digit or more; empty of nothing."""
    if not whole:
        return ""
    percent = 100 * count / whole
    if 0 < percent < 0.1:
        return "<0.1%"
    return f"{percent:.0f}%" if percent in (0, 100) or 9.95 <= percent <= 99 else f"{percent:.1f}%"


def largest(table: Mapping[str, Mapping[str, int]]) -> int:
    """The largest count of a crossed table's known classes, 0 where there is none."""
    known = (row for name, row in table.items() if name != UNKNOWN)
    return max((count for row in known for name, count in row.items() if name != UNKNOWN), default=0)


def value(figure: float, measure: Measure) -> str:
    """In the measure's digits and unit, with a minus sign."""
    text = f"{figure:.{measure.digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text.replace("-", "−")) + measure.unit


def clip(text: str, longest: int = _LONGEST_WORD) -> str:
    """Words of others, on one line and no longer than a line or two."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
