"""An evaluation as one HTML page that needs nothing else: no script, no font, no request."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from transfer.evaluation.figures import Summary
from transfer.evaluation.report import heading, introduction, tables

Pixels = npt.NDArray[np.uint8]
SIDE_PX: Final = 160
MOST: Final = 16
"""Portraits shown of the best and of the worst."""


@dataclass(frozen=True)
class Shown:
    """A portrait on the page: its name, its identity, and input, re-created and output, (R, R, 3) uint8 each."""

    name: str
    identity: float
    images: Sequence[Pixels]


def render(summary: Summary, about: Mapping[str, object], portraits: Sequence[Shown]) -> str:
    """The page; portraits best first and worst first, each once where there are few."""
    ranked = sorted(portraits, key=lambda one: (-one.identity, one.name))
    best = ranked[: min(MOST, (len(ranked) + 1) // 2)]
    worst = list(reversed(ranked[len(best) :]))[:MOST]
    page = _environment().get_template("page.html.jinja")
    words = introduction(summary).replace("**", "")
    galleries = [("Worst by identity", worst), ("Best by identity", best)]
    return (
        page.render(
            title=heading(about), introduction=words, tables=tables(summary), galleries=galleries, about=about
        ).rstrip()
        + "\n"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("transfer.evaluation", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = data_uri
    return environment


def data_uri(pixels: Pixels) -> str:
    """(R, R, 3) uint8 as a WebP of :data:`SIDE_PX`, enlarged smoothly where it is smaller."""
    image = Image.fromarray(pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=88, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
