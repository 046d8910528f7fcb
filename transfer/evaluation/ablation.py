"""Measure a grid's cells and write what they show.

ABL/table.csv   every figure           ABL/table.md    to read
ABL/table.png   the same latents down the rows, the recipes across, their figures above
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from drfhq_tools.atomic import write_file
from transfer.errors import ConfigError
from transfer.evaluation.comparison import Row, compare, to_csv, to_markdown
from transfer.evaluation.curves import Curve, Latents
from transfer.evaluation.evaluate import Evaluated
from transfer.evaluation.grid import Cell, Grid, training_seconds
from transfer.evaluation.held_out import HeldOut, pooled, through
from transfer.evaluation.look import Instruments
from transfer.evaluation.matched import Matched
from transfer.sheets import grid as picture_grid
from transfer.sheets import save_png

SHOWN: Final = 8
"""Latents on the sheet."""
HEAD_PX: Final = 44
CELL_PX: Final = 128


def measure(
    grid: Grid,
    instruments: Instruments,
    count: int,
    say: Callable[[str], None],
    held_out: HeldOut | None = None,
) -> list[Row]:
    """Measure every cell that has snapshots, write the tables and the sheet; returns the rows.

    The tables are written before the portraits are begun, and again with them.

    Raises:
        ConfigError: the first recipe, which the others are matched to, has no snapshot yet, or ``count`` is below 2.
    """
    if count < 2:
        raise ConfigError(f"{count} latents are too few to measure distances; use some hundred")
    cells = [cell for cell in grid.cells if cell.snapshots]
    if not cells or cells[0].recipe != grid.recipes[0]:
        raise ConfigError(f"{grid.recipes[0].name} has no snapshot in {grid.out} yet: train it first")
    for cell in grid.cells:
        if not cell.finished:
            say(f"{cell.name} is not finished: {max(cell.snapshots, default=0)} of {grid.kimg * 1000:.0f} images")
    latents = Latents(grid, instruments, count, say)
    curves = [latents.curve(cell) for cell in cells]
    seconds = {recipe.name: _seconds([cell for cell in cells if cell.recipe == recipe]) for recipe in grid.recipes}
    rows, matched = compare(curves, seconds)
    _write(grid, rows)
    save_png(_sheet(latents, cells, curves, matched), grid.out / "table.png")
    if held_out is not None:
        rows = _with_portraits(rows, list(zip(cells, curves, strict=True)), matched, held_out, instruments, say)
        _write(grid, rows)
    return rows


def _write(grid: Grid, rows: Sequence[Row]) -> None:
    write_file(grid.out / "table.csv", to_csv([row.flat() for row in rows]).encode())
    write_file(grid.out / "table.md", to_markdown(rows).encode())


def _with_portraits(
    rows: Sequence[Row],
    cells: Sequence[tuple[Cell, Curve]],
    matched: Matched,
    held_out: HeldOut,
    instruments: Instruments,
    say: Callable[[str], None],
) -> list[Row]:
    """Each recipe's portraits, at the snapshot next to where the reference ends."""
    found: dict[str, list[Evaluated]] = {}
    images: dict[str, int] = {}
    for cell, curve in cells:
        name = cell.recipe.name
        if cell.recipe.direct and name in found:
            continue  # without training seeds are alike
        images[name] = matched_snapshot(cell, curve, matched)
        found.setdefault(name, []).append(through(cell, images[name], held_out, instruments, say))
    reference = found[matched.reference]
    return [
        replace(row, portraits=pooled(found[row.recipe], reference, held_out.portraits, images[row.recipe]))
        for row in rows
    ]


def matched_snapshot(cell: Cell, curve: Curve, matched: Matched) -> int:
    """The cell's snapshot, by images, next to where it is compared with the reference; the last if it is not."""
    pair = matched.pairs.get((curve.recipe, curve.seed))
    images = curve.points[-1 if pair is None else pair.own.nearest].images
    return images if images in cell.snapshots else max(cell.snapshots)


def _seconds(cells: Sequence[Cell]) -> float:
    """Mean over seeds."""
    if not cells or cells[0].recipe.direct:
        return 0.0
    return sum(training_seconds(cell.folder) for cell in cells) / len(cells)


def _sheet(latents: Latents, cells: Sequence[Cell], curves: Sequence[Curve], matched: Matched) -> Image.Image:
    """The first seed's generators where the reference ends, the source's images left."""
    rows = range(min(SHOWN, len(latents.z)))
    columns, captions = [latents.pictures(latents.source, rows)], ["source"]
    for cell, curve in zip(cells, curves, strict=True):
        if cell.seed != cells[0].seed or cell.recipe.direct:
            continue
        images = matched_snapshot(cell, curve, matched)
        point = next(point for point in curve.points if point.images == images)
        columns.append(latents.pictures(cell.generator(images), rows))
        figures = f"kernel {point.kernel:.3f}\nidentity {point.similarity.mean():.2f}"
        captions.append(f"{cell.recipe.name}, {images / 1000:g} kimg\n{figures}")
    zoom = max(1, CELL_PX // columns[0].shape[1])
    return _captioned(picture_grid([[column[row] for column in columns] for row in rows], zoom=zoom), captions)


def _captioned(sheet: Image.Image, captions: Sequence[str]) -> Image.Image:
    """Words above each column."""
    whole = Image.new("RGB", (sheet.width, sheet.height + HEAD_PX), (24, 24, 24))
    whole.paste(sheet, (0, HEAD_PX))
    draw = ImageDraw.Draw(whole)
    for column, words in enumerate(captions):
        place = (column * sheet.width // len(captions) + 4, 2)
        draw.multiline_text(place, words, fill=(220, 220, 220), font=ImageFont.load_default(10), spacing=2)
    return whole
