"""Which PNG encoder for the crops? Milliseconds, kilobytes and milliseconds to decode, over settings.

    python benchmarks/png.py PICTURE [PICTURE …]

Give aligned faces. The first line is the reference, Pillow's default; every file is checked to decode to its pixels.
"""

from __future__ import annotations

import argparse
import io
import itertools
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from drfhq_tools.imageio import decode_picture, encode_png, read_picture
from drfhq_tools.records import Pixels

ROUNDS = 5
FILTERS = {"sub": cv2.IMWRITE_PNG_FILTER_SUB, "up": cv2.IMWRITE_PNG_FILTER_UP, "average": cv2.IMWRITE_PNG_FILTER_AVG}
STRATEGIES = {"default": cv2.IMWRITE_PNG_STRATEGY_DEFAULT, "run lengths": cv2.IMWRITE_PNG_STRATEGY_RLE}


def with_pillow(pixels: Pixels, level: int) -> bytes:
    """Pillow's encoder."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=level)
    return file.getvalue()


def with_opencv(pixels: Pixels, settings: tuple[int, ...]) -> bytes:
    """OpenCV's encoder."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)[1].tobytes())


def encoders() -> dict[str, Callable[[Pixels], bytes]]:
    """All that are compared, by name."""
    found: dict[str, Callable[[Pixels], bytes]] = {
        f"Pillow level {level}": partial(with_pillow, level=level) for level in (6, 1)
    }
    for (name, kind), (word, strategy), level in itertools.product(FILTERS.items(), STRATEGIES.items(), (1, 3)):
        settings = (cv2.IMWRITE_PNG_FILTER, kind, cv2.IMWRITE_PNG_COMPRESSION, level)
        settings = (*settings, cv2.IMWRITE_PNG_STRATEGY, strategy)
        found[f"OpenCV {name}, {word}, level {level}"] = partial(with_opencv, settings=settings)
    return found | {"drfhq_tools.imageio": encode_png}


def milliseconds(action: Callable[[], object]) -> float:
    """Least CPU time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        action()
        times.append(time.process_time() - began)
    return 1000 * min(times)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=Path)
    pictures = [read_picture(path) for path in parser.parse_args().pictures]
    cv2.setNumThreads(1)
    for name, encode in encoders().items():
        files = [encode(pixels) for pixels in pictures]
        assert all(np.array_equal(decode_picture(file), pixels) for file, pixels in zip(files, pictures, strict=True))
        spent = np.mean([milliseconds(partial(encode, pixels)) for pixels in pictures])
        back = np.mean([milliseconds(partial(decode_picture, file)) for file in files])
        size = np.mean([len(file) for file in files]) / 1000
        print(f"{name:40s} {spent:7.1f} ms {size:7.0f} kB   decode {back:5.1f} ms")


if __name__ == "__main__":
    main()
