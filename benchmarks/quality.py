"""Do the measures of a face follow what is known of it? Prints one JSON object.

    python benchmarks/quality.py RENDERS [--every 1]

RENDERS holds portraits and a labels.csv with ``head_yaw_deg``. ``yaw``: measured against declared, by maker (their
signs differ). ``sharpness``, ``exposure``, ``compression``: medians after a known blur (deviation in shares of the
quad's side), gain and JPEG quality (the picture shrunk by a fifth first, which removes its own blocks), and the share
of neighbouring steps that go the right way. ``presets``: faces kept by each at 256 px. ``cpu_ms``: of one face at 1024
px, least of ten.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from drfhq_tools.align import align
from drfhq_tools.config import config_from
from drfhq_tools.detect import make_detector
from drfhq_tools.filters import judge
from drfhq_tools.geometry import Quad
from drfhq_tools.imageio import read_picture
from drfhq_tools.quality import measure
from drfhq_tools.quality.compression import blockiness
from drfhq_tools.records import Detection, FaceMeasures, Pixels

BLURS = (0.0, 0.002, 0.005, 0.01, 0.02)
GAINS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0)
QUALITIES = (10, 25, 40, 55, 70, 80, 90, 95)

Face = tuple[str, Pixels, Detection, FaceMeasures]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("renders", type=Path)
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows = csv.DictReader((arguments.renders / "labels.csv").open(encoding="utf-8"))
    labels = {row["file"]: row for row in rows}
    faces = list(found(sorted(labels)[:: arguments.every], arguments.renders))
    result = {
        "faces": len(faces),
        "yaw": {maker: yaw(faces, labels, maker) for maker in ("valid", "makehuman")},
        "sharpness": blurred(faces),
        "exposure": exposed(faces),
        "compression": compressed(faces),
        "presets": {name: kept(faces, settings) for name, settings in presets().items()},
        "cpu_ms": round(cpu_ms(faces[0]), 2),
    }
    print(json.dumps(result, indent=2))


def found(names: Iterable[str], folder: Path) -> Iterable[Face]:
    """Every face of the pictures, measured."""
    for name in names:
        picture = read_picture(folder / name)
        for face in make_detector().detect(picture):
            yield name, picture, face, measured(picture, face, 256)


def measured(picture: Pixels, face: Detection, size: int) -> FaceMeasures:
    """As a build does."""
    aligned = align(picture, face.quad, size)
    return measure(aligned.pixels, aligned.pad_fraction, picture, face)


def yaw(faces: list[Face], labels: dict[str, dict[str, str]], maker: str) -> dict[str, float]:
    """Correlation with the declared turn, and the deviation left by a straight line through it."""
    pairs = [
        (float(labels[f[0]]["head_yaw_deg"]), f[3].yaw_deg or 0.0) for f in faces if labels[f[0]]["source"] == maker
    ]
    declared, seen = np.array(pairs).T
    slope, offset = np.polyfit(declared, seen, 1)
    left = float((seen - slope * declared - offset).std())
    return {"r": round(float(np.corrcoef(declared, seen)[0, 1]), 3), "slope": round(float(slope), 2), "left_deg": left}


def steps(values: list[list[float]], keys: Iterable[float], sign: int) -> dict[str, object]:
    """Medians by key, and the share of steps from one key to the next that have ``sign`` or are none."""
    table = np.array(values)
    right = float((sign * np.diff(table, axis=1) >= 0).mean())
    medians = {f"{key:g}": round(float(value), 3) for key, value in zip(keys, np.median(table, axis=0), strict=True)}
    return {"median": medians, "right_way": round(right, 3)}


def blurred(faces: list[Face]) -> dict[str, object]:
    """Sharpness under known blur."""

    def blur(picture: Pixels, sigma: float) -> Pixels:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8) if sigma else picture

    values = [
        [measured(blur(picture, b * face.quad.side_px), face, 256).sharpness for b in BLURS]
        for _, picture, face, _ in faces
    ]
    return steps(values, BLURS, -1)


def exposed(faces: list[Face]) -> dict[str, object]:
    """Exposure under known gain."""
    changed = [
        [measured(np.clip(np.rint(picture * gain), 0, 255).astype(np.uint8), face, 256) for gain in GAINS]
        for _, picture, face, _ in faces
    ]
    signs: dict[str, tuple[int, Callable[[FaceMeasures], float]]] = {
        "brightness": (1, lambda m: m.brightness),
        "under_exposure_prevention": (1, lambda m: m.under_exposure_prevention),
        "over_exposure_prevention": (-1, lambda m: m.over_exposure_prevention),
    }
    return {name: steps([[of(m) for m in row] for row in changed], GAINS, sign) for name, (sign, of) in signs.items()}


def compressed(faces: list[Face]) -> dict[str, object]:
    """Blocks under known JPEG quality; 100 stands for the picture uncompressed."""
    values = []
    for _, picture, face, _ in faces:
        clean = np.asarray(cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        quad = Quad(face.quad.corners * 0.8)
        levels = [*(jpeg(clean, quality) for quality in QUALITIES), clean]
        values.append([blockiness(level, quad) or 0.0 for level in levels])
    return steps(values, (*QUALITIES, 100), -1)


def jpeg(picture: Pixels, quality: int) -> Pixels:
    """The picture, saved and read again."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def presets() -> dict[str, dict[str, object]]:
    """Their settings."""
    return {"default": {}, "strict": {"preset": "strict"}, "lenient": {"preset": "lenient"}}


def kept(faces: list[Face], settings: dict[str, object]) -> dict[str, int]:
    """How many faces stay, and the first rule that the others fail."""
    config = config_from({"size": 256, **settings})
    failed = ([v.rule for v in judge(face[3], config) if not v.keep] for face in faces)
    return dict(Counter(rules[0] if rules else "kept" for rules in failed))


def cpu_ms(face: Face) -> float:
    """Of measuring, alignment left out."""
    _, picture, detection, _ = face
    aligned = align(picture, detection.quad, 1024)
    times = []
    for _ in range(10):
        start = time.process_time()
        measure(aligned.pixels, aligned.pad_fraction, picture, detection)
        times.append(time.process_time() - start)
    return min(times) * 1000


if __name__ == "__main__":
    main()
