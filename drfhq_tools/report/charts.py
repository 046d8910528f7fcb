"""Bars and histograms as inline SVG: pure functions of counts. Colours are the page's, by class name.

Shapes are stretched to the width they are given, so no text stands in them; a table or a caption beside a chart says
its figures, and what a screen reader should say of it stands in its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from drfhq_tools.report.measures import Histogram

_WIDTH: Final = 1000
_HEIGHT: Final = 100
_BAR: Final = Markup('<svg class="bar" viewBox="0 0 {} 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>')
_HISTOGRAM: Final = Markup(
    '<svg class="histogram" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
)
_RECT: Final = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
_LINE: Final = Markup('<line class="{}" x1="{}" x2="{}" y1="0" y2="{}"/>')


def stacked_bar(parts: Sequence[tuple[str, int]], whole: int) -> Markup:
    """Counts side by side, each of a class of colour, on a track that stands for ``whole``."""
    shapes, start = [], 0.0
    for colour, count in parts:
        width = _WIDTH * count / whole if whole else 0.0
        shapes.append(_rectangle(colour, start, 0, width, 10))
        start += width
    return _BAR.format(_WIDTH, Markup().join(shapes))


def histogram_chart(histogram: Histogram, label: str, limits: Sequence[float] = ()) -> Markup:
    """Bins as columns, what was left out above what was kept; ``limits`` are dashed lines at values."""
    width = _WIDTH / len(histogram.kept)
    highest = max(map(sum, zip(histogram.kept, histogram.left_out, strict=True))) or 1
    shapes = []
    for place, (kept, left_out) in enumerate(zip(histogram.kept, histogram.left_out, strict=True)):
        tall, taller = (_height(count / highest) for count in (kept, left_out))
        shapes.append(_rectangle("kept", place * width, _HEIGHT - tall, width * 0.92, tall))
        shapes.append(_rectangle("left-out", place * width, _HEIGHT - tall - taller, width * 0.92, taller))
    for limit in limits:
        x = _number(_WIDTH * (limit - histogram.low) / (histogram.high - histogram.low))
        shapes.append(_LINE.format("limit", x, x, _HEIGHT))
    return _HISTOGRAM.format(_WIDTH, _HEIGHT, label, Markup().join(shapes))


def _height(share: float) -> float:
    """One face among thousands stays visible."""
    return max((_HEIGHT - 4) * share, 2.0) if share else 0.0


def _rectangle(colour: str, x: float, y: float, width: float, height: float) -> Markup:
    return _RECT.format(colour, *map(_number, (x, y, width, height))) if width and height else Markup()


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
