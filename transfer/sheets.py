"""Contact sheets: pictures in a grid, rows named at the left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from drfhq_tools.atomic import replacing

Pixels = npt.NDArray[np.uint8]
GAP_PX = 2
LABEL_PX = 14


def grid(rows: Sequence[Sequence[Pixels]], labels: Sequence[str] = (), *, zoom: int = 1) -> Image.Image:
    """Rows of equal square pictures (S, S, 3) uint8 as one picture on dark ground; a label stands above its row.

    ``zoom`` enlarges smoothly, as a viewer would.
    """
    side = rows[0][0].shape[0] * zoom
    top = LABEL_PX if labels else 0
    columns = max(len(row) for row in rows)
    sheet = Image.new(
        "RGB", (columns * (side + GAP_PX) + GAP_PX, len(rows) * (side + GAP_PX + top) + GAP_PX), (24, 24, 24)
    )
    draw = ImageDraw.Draw(sheet)
    for i, row in enumerate(rows):
        y = GAP_PX + i * (side + GAP_PX + top)
        if labels:
            draw.text((GAP_PX + 2, y), labels[i], fill=(220, 220, 220), font=ImageFont.load_default(LABEL_PX - 4))
        for j, pixels in enumerate(row):
            picture = Image.fromarray(np.ascontiguousarray(pixels))
            sheet.paste(picture.resize((side, side), Image.Resampling.BICUBIC), (GAP_PX + j * (side + GAP_PX), y + top))
    return sheet


def save_png(picture: Image.Image, path: Path) -> None:
    """Write atomically, making the folder."""
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")
