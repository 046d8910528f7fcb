"""A picture no face was found in, as the detector looks at it: small and grey, what came nearest to a face outlined."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
from PIL import Image, ImageDraw

from drfhq_tools.atomic import replacing
from drfhq_tools.detect import DetectorSettings
from drfhq_tools.detect.dlib_chain import work_factor
from drfhq_tools.detect.dlib_files import hog
from drfhq_tools.detect.pyramid import Pyramid
from drfhq_tools.records import Pixels

_NEARLY: Final = -0.7
"""HOG's score from which on a window is shown; faces are taken from 0 on."""
_MOST: Final = 5


def write_unfound(pixels: Pixels, path: Path) -> int:
    """Write upright (H, W, 3) RGB as a JPEG with the likeliest windows and their scores; returns how many."""
    pyramid = Pyramid(pixels)
    factor = work_factor(pyramid.width, pyramid.height, DetectorSettings())
    grey, _ = pyramid.grey_copy(factor)
    windows, scores, _ = hog().run(grey, 0, _NEARLY)
    picture = Image.fromarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))
    draw = ImageDraw.Draw(picture)
    nearest = sorted(zip(scores, windows, strict=True), key=lambda pair: -pair[0])[:_MOST]
    for score, window in nearest:
        draw.rectangle((window.left(), window.top(), window.right(), window.bottom()), outline=(255, 160, 0), width=2)
        draw.text((window.left() + 3, window.top() + 2), f"{score:.2f}", fill=(255, 160, 0))
    with replacing(path) as temporary:
        picture.save(temporary, format="JPEG", quality=90)
    return len(nearest)
