"""How far does the FFHQ quad move when the same picture comes at another size, or compressed again?

    python benchmarks/repeatability.py FOLDER [FOLDER …] [--detector dlib] [--every N] [--json OUT.json]

Each picture's faces are found in the picture itself and in copies of it: smaller (1/2, 1/3.2, 1/4, Lanczos), enlarged
(×1.5, ×2), and saved as JPEG of quality 75 and 60. A face moves by the root mean square distance of its quad's corners
from those found in the picture itself, as a percentage of the quad's side. Beside ours stands the way the FFHQ script
is run: dlib's HOG on the whole copy without upsampling, and one call of the landmark model on its box. A face that a
copy no longer shows (no quad with its centre within a quarter of the side) is counted as lost; each way counts its own.

``rank correlation``: Spearman's, over faces, between the stored repeatability and the mean movement over the copies
that are no smaller than half.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
from PIL import Image
from scipy.stats import spearmanr

from drfhq_tools.detect import make_detector
from drfhq_tools.detect.dlib_files import hog, shape_predictor
from drfhq_tools.geometry import Quad, ffhq_quad
from drfhq_tools.imageio import SUFFIXES, read_picture
from drfhq_tools.records import Pixels

SCALES = {"1/2": 1 / 2, "1/3.2": 1 / 3.2, "1/4": 1 / 4, "x1.5": 1.5, "x2": 2.0}
QUALITIES = {"JPEG 75": 75, "JPEG 60": 60}
LARGE = tuple(name for name in (*SCALES, *QUALITIES) if name not in {"1/3.2", "1/4"})
SAME_FACE = 0.25
Found = list[tuple[Quad, float]]  # with the repeatability stored, 0 where there is none
Way = Callable[[Pixels], Found]


@dataclass(frozen=True)
class Row:
    """Movement in per cent of the side of the ``faces`` found in both the picture and its copy."""

    way: str
    variation: str
    faces: int
    lost: int
    mean: float
    median: float
    p99: float
    max: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--detector", default="dlib")
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector = make_detector(arguments.detector)
    ways: dict[str, Way] = {
        "ours": lambda pixels: [(face.quad, face.repeatability or 0.0) for face in detector.detect(pixels)],
        "published": published,
    }
    files = [path for folder in arguments.folders for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]
    moves: dict[tuple[str, str], list[float]] = {(way, name): [] for way in ways for name in (*SCALES, *QUALITIES)}
    told: list[tuple[float, float]] = []
    for path in files[:: arguments.every]:
        print(path, file=sys.stderr)
        for way, find in ways.items():
            for stored, by_name in movements(path, find):
                for name, moved in by_name.items():
                    moves[way, name].append(moved)
                large = [moved for name, moved in by_name.items() if name in LARGE and np.isfinite(moved)]
                if way == "ours" and large:
                    told.append((stored, mean(large)))
    rows = [row(way, name, moved) for (way, name), moved in moves.items()]
    rows += [row(way, "all", [m for (w, _), moved in moves.items() if w == way for m in moved]) for way in ways]
    report(rows, told, arguments.json)


def movements(path: Path, find: Way) -> Iterator[tuple[float, dict[str, float]]]:
    """A face at a time: what is stored of it, and how far each copy moves it (NaN: lost)."""
    pixels = read_picture(path)
    copies = {name: (copy, find(copy)) for name, copy in variations(pixels)}
    for quad, stored in find(pixels):
        by_name = {}
        for name, (copy, others) in copies.items():
            ratio = np.array([pixels.shape[1] / copy.shape[1], pixels.shape[0] / copy.shape[0]])
            back = [Quad((other.corners + 0.5) * ratio - 0.5) for other, _ in others]
            same = [other for other in back if np.hypot(*(other.centre - quad.centre)) < SAME_FACE * quad.side_px]
            by_name[name] = 100 * min((distance(quad, other) for other in same), default=float("nan"))
        yield stored, by_name


def distance(quad: Quad, other: Quad) -> float:
    """Root mean square corner distance, as a share of the first's side."""
    return float(np.sqrt(((other.corners - quad.corners) ** 2).sum(axis=1).mean()) / quad.side_px)


def variations(pixels: Pixels) -> Iterator[tuple[str, Pixels]]:
    """The copies, by name."""
    image = Image.fromarray(pixels)
    for name, scale in SCALES.items():
        size = round(image.width * scale), round(image.height * scale)
        yield name, np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    for name, quality in QUALITIES.items():
        image.save(file := io.BytesIO(), "JPEG", quality=quality)
        yield name, np.asarray(Image.open(file).convert("RGB"))


def published(pixels: Pixels) -> Found:
    """HOG's boxes on the whole picture, one look each."""
    faces: Found = []
    for rect in hog().run(pixels, 0, 0.0)[0]:
        points = [(point.x, point.y) for point in shape_predictor()(pixels, rect).parts()]
        faces.append((ffhq_quad(np.array(points, dtype=np.float64)), 0.0))
    return faces


def row(way: str, name: str, moved: list[float]) -> Row:
    """Summary of one way on one variation."""
    seen = np.array([move for move in moved if np.isfinite(move)] or [np.nan])
    middle, high, highest = np.percentile(seen, [50, 99, 100]).tolist()
    lost = sum(not np.isfinite(move) for move in moved)
    return Row(way, name, len(moved) - lost, lost, mean=float(seen.mean()), median=middle, p99=high, max=highest)


def report(rows: list[Row], told: list[tuple[float, float]], file: Path | None) -> None:
    """A table on stdout, and the same as JSON where asked for."""
    print(f"{'way':10} {'variation':9} {'faces':>5} {'lost':>5} {'mean %':>7} {'median':>7} {'99 %':>7} {'max':>7}")
    for item in rows:
        figures = " ".join(f"{value:7.2f}" for value in (item.mean, item.median, item.p99, item.max))
        print(f"{item.way:10} {item.variation:9} {item.faces:5} {item.lost:5} {figures}")
    correlation = float(spearmanr(told).statistic) if len(told) > 2 else float("nan")
    print(f"stored repeatability and movement: rank correlation {correlation:.2f} over {len(told)} faces")
    if file is not None:
        document = {"rows": [asdict(item) for item in rows], "rank_correlation": correlation}
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
