"""What a large scene costs: CPU seconds by stage and the process's peak memory, at 8 and 16 bits.

    python benchmarks/scenes.py --run runs/demo --portraits demo/portraits --width 7680

lays portraits side by side into one picture of ``--width`` × 9/16 of it, translates its faces in few steps (the
inversion's own cost is in benchmarks/inversion.py), saves it, and counts the samples that differ outside the faces'
quads, which must be none. Each depth runs in a process of its own. POSIX only: the peak is getrusage's.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from transfer.render2real import RenderedToReal
from transfer.scenes import Control
from transfer.scenes.compose import compose
from transfer.scenes.samples import read

Value = TypeVar("Value")


def lay(portraits: list[Path], width: int, depth: int, path: Path) -> None:
    """One wide picture of two portraits at its height and more in what is left, with noise in 16 bits' low ones."""
    height = width * 9 // 16
    canvas = np.full((height, width, 3), 96, dtype=np.uint8)
    x = 0
    for index, portrait in enumerate(portraits):
        side = height if index < 1 else height // 2
        if x + side > width:
            break
        canvas[height - side :, x : x + side] = cv2.resize(cv2.imread(str(portrait)), (side, side))
        x += side
    if depth == 16:
        rng = np.random.default_rng(0)
        canvas = canvas.astype(np.uint16) * 257 + rng.integers(0, 200, canvas.shape, dtype=np.uint16)
    cv2.imwrite(str(path), canvas)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(run: Path, picture: Path, seam: str) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    renderer = RenderedToReal.from_run(run, "cpu", steps=3)
    renderer.translate(np.asarray(cv2.imread(str(picture))[::8, ::8, ::-1]))  # weights are loaded before the clock runs
    start = peak_mb()
    spent: list[str] = []

    def timed(name: str, work: Callable[[], Value]) -> Value:
        began = time.process_time()
        value = work()
        spent.append(f"{name} {time.process_time() - began:.2f} s")
        return value

    given = timed("read", lambda: read(picture))
    inverted = timed("detect, align, invert", lambda: renderer.invert(given))
    scene = timed("decode", lambda: renderer.decode(inverted, Control(seam=seam)))  # type: ignore[arg-type]
    timed("compose", lambda: compose(given, scene.patches))
    timed("save", lambda: scene.save(picture.with_name("out.png")))
    top = peak_mb()
    out = read(picture.with_name("out.png")).samples
    outside = np.ones(out.shape[:2], dtype=np.uint8)
    for face in scene.faces:
        cv2.fillConvexPoly(outside, np.rint(face.quad.corners).astype(np.int32), 0)
    touched = int((out != given.samples).any(axis=2)[outside > 0].sum())
    height, width, _ = out.shape
    sides = ", ".join(f"{face.quad.side_px:.0f}" for face in scene.faces)
    print(f"{width}×{height}, {out.dtype}, seam {seam}, faces of {sides} px: " + ", ".join(spent))
    print(
        f"  samples {out.nbytes / 2**20:.0f} MiB, peak {top:.0f} MiB, {top - start:.0f} of it scenes; {touched} differ"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--portraits", type=Path, default=Path("demo/portraits"))
    parser.add_argument("--width", type=int, default=7680)
    parser.add_argument("--seam", default="feather")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        measure(given.run, given.one, given.seam)
        return
    portraits = sorted(given.portraits.glob("*.jpg"))
    for depth in (8, 16):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "scene.png"
            lay(portraits, given.width, depth, path)
            subprocess.run(
                [sys.executable, __file__, "--run", given.run, "--one", path, "--seam", given.seam], check=True
            )


if __name__ == "__main__":
    main()
