"""What does a face cost? The published FFHQ procedure and ours, picture by picture in turn, in CPU seconds.

    python benchmarks/build.py [--renders FOLDER] [--count 20] [--yunet FILE] [--json]

The pictures are made here from renders (those of ``demo/`` by default): 2 to 4K, landscape, portrait and square, faces
centred and at the rim, JPEG and PNG in turn, with a little grain so that they compress as renders do.

*Published* is the procedure as people run it: decode, HOG upsampled once on the whole picture, 68 landmarks, decode
again, crop, pad and blur at full size, QUAD to 4096², Lanczos to 1024², PNG at Pillow's default level. *Ours* is what a
worker of ``drfhq build`` does with a picture: read and hash it, find faces with averaged landmarks, align, measure,
label, encode, write. *Limit* is our decoding and encoding alone. Then whole builds in other processes: one worker
against two (wall seconds), and the peak memory of a process for few and for many pictures. The many are the few, each
TIMES over and every time a byte longer, so that each is looked at: enough for the seconds a worker needs to start.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "drfhq_tools"))

from reference_ffhq import needs_padding, reference_crop, reference_quad  # noqa: E402

from drfhq_tools.align import align  # noqa: E402
from drfhq_tools.build.ledger import Ledger, Looked  # noqa: E402
from drfhq_tools.build.look import Models, Task, look_at  # noqa: E402
from drfhq_tools.config import BuildConfig  # noqa: E402
from drfhq_tools.detect import make_detector  # noqa: E402
from drfhq_tools.detect.dlib_files import hog, shape_predictor  # noqa: E402
from drfhq_tools.imageio import encode_png, read_picture  # noqa: E402
from drfhq_tools.sources.folder import FolderSource  # noqa: E402

SIZE = 1024
TIMES = 16
GRAIN = 1.2  # grey levels
# Width, height, side of the render's square in the picture, and where its centre lies, in shares of width and height.
LAYOUTS = {
    "landscape, centred": (3840, 2160, 2000, 0.5, 0.5),
    "portrait, centred": (2160, 3840, 2100, 0.5, 0.4),
    "square, close": (2600, 2600, 2900, 0.5, 0.47),
    "landscape, half figure": (3200, 1800, 1300, 0.4, 0.45),
    "landscape, left rim": (3840, 2160, 2300, 0.17, 0.5),
    "portrait, top": (2400, 3200, 2000, 0.5, 0.22),
    "landscape, right": (2560, 1440, 1300, 0.84, 0.5),
    "square, corner": (3000, 3000, 2400, 0.72, 0.72),
    "portrait, filled": (2000, 2600, 2400, 0.5, 0.45),
    "landscape, low": (2880, 1620, 1500, 0.6, 0.66),
}

Result = TypeVar("Result")


@dataclass
class Measured:
    """CPU seconds of one picture."""

    name: str
    jpeg: bool
    padded: bool
    published: float
    ours: float
    limit: float
    yunet: float | None = None


def compose(render: Image.Image, layout: str, seed: int) -> Image.Image:
    """A picture with the render somewhere on a blurred enlargement of itself."""
    width, height, side, x, y = LAYOUTS[layout]
    backdrop = cv2.GaussianBlur(np.asarray(render.resize((width // 8, height // 8))), (0, 0), 12)
    picture = Image.fromarray(backdrop).resize((width, height), Image.Resampling.BICUBIC)
    large = render.resize((side, side), Image.Resampling.LANCZOS)
    picture.paste(large, (round(x * width - side / 2), round(y * height - side / 2)))
    grain = np.random.default_rng(seed).normal(0, GRAIN, (height, width, 1))
    return Image.fromarray(np.clip(np.rint(np.asarray(picture) + grain), 0, 255).astype(np.uint8))


def make_pictures(renders: Path, count: int, folder: Path) -> None:
    """``count`` pictures, JPEG and PNG in turn; each layout in both formats."""
    files = sorted(path for path in renders.iterdir() if path.suffix in {".jpg", ".png"})
    layouts = list(LAYOUTS)
    for number in range(count):
        render = Image.open(files[number * len(files) // count % len(files)]).convert("RGB")
        picture = compose(render, layouts[number % len(layouts)], number)
        jpeg = (number + number // len(layouts)) % 2 == 0
        name = f"{number:03d} {layouts[number % len(layouts)]}"
        picture.save(folder / f"{name}.{'jpg' if jpeg else 'png'}", quality=95)


def repeat_pictures(raw: Path, many: Path) -> None:
    """Each picture TIMES over, told apart by the bytes behind its end."""
    for path in sorted(raw.iterdir()):
        for number in range(TIMES):
            (many / f"{number:02d} {path.name}").write_bytes(path.read_bytes() + bytes(number))


def published(path: Path) -> tuple[bytes | None, bool]:
    """The procedure as people run it; the PNG, None where no face is found, and whether it padded."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    rects, _, _ = hog().run(pixels, 1, 0.0)
    if not rects:
        return None, False
    points = [(point.x, point.y) for point in shape_predictor()(pixels, rects[0]).parts()]
    quad = reference_quad(np.array(points, dtype=np.float64))
    crop = reference_crop(np.asarray(Image.open(path).convert("RGB")), quad, SIZE)
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "PNG")
    return file.getvalue(), needs_padding(quad, SIZE, pixels.shape[1], pixels.shape[0])


def cpu(action: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds of this process, and what came of it."""
    began = time.process_time()
    result = action()
    return time.process_time() - began, result


def measure(raw: Path, staging: Path, yunet: Path | None) -> tuple[list[Measured], list[str]]:
    """Every picture by both ways in turn, and the names of those the published way finds no face in."""
    measured, missed = [], []
    for found in FolderSource(root=raw).scan().found:
        task = Task(found=found, work=staging, config=BuildConfig(size=SIZE))
        theirs, (png, padded) = cpu(lambda found=found: published(found.file))
        ours, looked = cpu(lambda task=task: look_at(task))
        kept = [face for face in looked.faces if face.image_sha256] if isinstance(looked, Looked) else []
        if png is None or len(kept) != 1:
            missed.append(f"{found.source.path} (published {0 if png is None else 1}, ours {len(kept)})")
            continue
        crop = read_picture(Ledger(staging).crop(kept[0].face_id))
        limit, _ = cpu(lambda found=found, crop=crop: (read_picture(found.file), encode_png(crop)))
        line = Measured(found.source.path, found.file.suffix == ".jpg", padded, theirs, ours, limit)
        if yunet is not None:
            config = BuildConfig(size=SIZE, detector="yunet")
            other = Task(found=found, work=staging, config=config, models=Models(detector=yunet))
            line.yunet, _ = cpu(lambda other=other: look_at(other))
        measured.append(line)
    return measured, missed


def stages(raw: Path) -> dict[str, float]:
    """Mean CPU milliseconds of each step of ours."""
    detector = make_detector()
    spent: dict[str, list[float]] = {}
    for found in FolderSource(root=raw).scan().found:
        seconds, pixels = cpu(lambda found=found: read_picture(found.file))
        spent.setdefault("decode", []).append(seconds)
        seconds, faces = cpu(lambda pixels=pixels: detector.detect(pixels))
        spent.setdefault("detect, landmarks", []).append(seconds)
        for face in faces:
            seconds, aligned = cpu(lambda pixels=pixels, face=face: align(pixels, face.quad, SIZE))
            spent.setdefault("align", []).append(seconds)
            seconds, _ = cpu(lambda crop=aligned.pixels: encode_png(crop))
            spent.setdefault("encode", []).append(seconds)
    return {name: 1000 * float(np.mean(times)) for name, times in spent.items()}


def build_once(raw: Path, workers: int) -> tuple[float, float]:
    """Wall seconds of ``drfhq build`` in processes of its own, and the peak megabytes of the largest of them."""
    script = (
        "import resource, subprocess, sys, time; began = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, capture_output=True);"
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    with tempfile.TemporaryDirectory() as out:
        build = ["drfhq", "build", "--raw", raw, "--out", f"{out}/data", "--size", SIZE, "--workers", workers]
        command = [sys.executable, "-c", script, *(str(word) for word in build)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(printed[0]), float(printed[1]) / 1024


def ratios(lines: list[Measured]) -> dict[str, float]:
    """Means, and published over ours as a ratio of sums."""
    theirs, ours, limit = (sum(getattr(line, name) for line in lines) for name in ("published", "ours", "limit"))
    row = {
        "pictures": len(lines),
        "published_ms": 1000 * theirs / len(lines),
        "ours_ms": 1000 * ours / len(lines),
        "ratio": theirs / ours,
        "times_the_limit": ours / limit,
    }
    if all(line.yunet is not None for line in lines):
        quick = sum(line.yunet or 0.0 for line in lines)
        row |= {"yunet_ms": 1000 * quick / len(lines), "yunet_ratio": theirs / quick, "yunet_limit": quick / limit}
    return row


def groups(lines: list[Measured]) -> dict[str, list[Measured]]:
    """The sets the bars speak of, those that are not empty."""
    sets = {"all": lines}
    for padded in (False, True):
        for jpeg in (True, False):
            name = f"{'padded' if padded else 'unpadded'}, {'JPEG' if jpeg else 'PNG'}"
            sets[name] = [line for line in lines if line.padded == padded and line.jpeg == jpeg]
    sets["padded"] = [line for line in lines if line.padded]
    return {name: chosen for name, chosen in sets.items() if chosen}


def commit() -> str:
    """The commit measured."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def run(renders: Path, count: int, yunet: Path | None) -> dict[str, object]:
    """All figures."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        raw, many, staging = (Path(folder) / name for name in ("raw", "many", "staging"))
        for path in (raw, many, staging):
            path.mkdir()
        make_pictures(renders, count, raw)
        repeat_pictures(raw, many)
        warm = FolderSource(root=raw).scan().found[0]
        look_at(Task(found=warm, work=staging, config=BuildConfig(size=SIZE)))  # loads the weights
        lines, missed = measure(raw, staging, yunet)
        one, few_mb = build_once(raw, 1)
        alone, many_mb = build_once(many, 1)
        two, _ = build_once(many, 2)
        return {
            "commit": commit(),
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
            "groups": {name: ratios(chosen) for name, chosen in groups(lines).items()},
            "missed": missed,
            "stages_ms": stages(raw),
            "build": {
                "pictures": TIMES * count,
                "one_worker_s": alone,
                "two_workers_s": two,
                "speedup": alone / two,
                f"peak_mb_{count}_pictures": few_mb,
                f"peak_mb_{TIMES * count}_pictures": many_mb,
                f"one_worker_s_{count}_pictures": one,
            },
        }


def show(figures: dict[str, object]) -> None:
    """The figures as text."""
    print(f"commit {figures['commit']}, {figures['machine']}")
    for name, row in figures["groups"].items():  # type: ignore[attr-defined]
        print(f"{name:16s} " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()))
    for name in ("missed", "stages_ms", "build"):
        print(name, json.dumps(figures[name], ensure_ascii=False))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=Path, default=ROOT / "demo" / "renders")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--yunet", type=Path, help="YuNet's ONNX file, to measure that detector as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = run(arguments.renders, arguments.count, arguments.yunet)
    print(json.dumps(figures, indent=2)) if arguments.json else show(figures)


if __name__ == "__main__":
    main()
