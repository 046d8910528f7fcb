"""Does training in bf16 end where training in fp32 ends? The same run in both, their curves and their sheets.

    python benchmarks/precision.py --data DATA --init G.safetensors --out OUT [--kimg 3] [--precisions fp32,bf16]

Fine-tunes once for each precision, from the same seed, one process and thread each and side by side (a run that was
stopped goes on), and writes OUT/curves.png, losses over images, and OUT/sheets.png, the last snapshots. Prints one JSON
object a precision: kernel distance to the data set of the source's and the tuned images, and each loss' mean over the
last third of the run. With --seeds 2 a further run of the first precision from another seed says how far apart equals
may end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from drfhq_tools.manifest import open_manifest
from transfer.checkpoints import load_checkpoint
from transfer.data import load_portraits
from transfer.run_folder import RunFolder
from transfer.sheets import save_png
from transfer.training.measure import Meter

SHOWN = ("d_adversarial", "g_adversarial", "r1", "identity", "geometry", "colour")
MEASURED = 112


def main() -> None:
    """Train, draw, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kimg", type=float, default=3.0)
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    wanted = parser.parse_args()
    names = wanted.precisions.split(",")
    runs = {name: (name, 0) for name in names}
    runs |= {f"{names[0]}-seed{seed}": (names[0], seed) for seed in range(1, wanted.seeds)}
    wanted.out.mkdir(parents=True, exist_ok=True)
    trained = [train(wanted, wanted.out / run, *settings) for run, settings in runs.items()]
    if any(process.wait() for process in trained):
        sys.exit(f"a run failed: {wanted.out}/*.txt say why")
    folders = {run: RunFolder(wanted.out / run) for run in runs}
    draw(folders, wanted.out / "curves.png")
    save_png(sheets(folders), wanted.out / "sheets.png")
    measure(folders, wanted.data)


def train(wanted: argparse.Namespace, out: Path, precision: str, seed: int) -> subprocess.Popen[bytes]:
    """One fine-tuning, begun."""
    words = ["finetune", "--data", wanted.data, "--init", wanted.init, "--out", out, "--kimg", wanted.kimg]
    words += ["--snapshot-kimg", wanted.kimg / 12, "--split", "all", "--device", wanted.device]
    words += ["--precision", precision, "--seed", seed]
    command = [sys.executable, "-c", "from transfer.cli import main; main()", *map(str, words)]
    with out.with_suffix(".txt").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"})


def curves(folder: RunFolder) -> list[dict[str, object]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in folder.log.read_text(encoding="utf-8").splitlines()]


def draw(folders: dict[str, RunFolder], path: Path) -> None:
    """Each loss over the images shown, a line a run."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 3)
    for axis, name in zip(axes.flat, SHOWN, strict=True):
        for run, folder in folders.items():
            points = [(line["images"], line["losses"].get(name)) for line in curves(folder)]
            points = [point for point in points if point[1] is not None]
            axis.plot(*zip(*points, strict=True), label=run)
        axis.set_title(name)
        axis.set_xlabel("images")
        axis.set_ylim(bottom=0)
    axes.flat[0].legend()
    figure.savefig(path, dpi=100)


def sheets(folders: dict[str, RunFolder]) -> Image.Image:
    """The last pictures of all runs, one below the other, in the order of the curves."""
    pictures = [Image.open(sorted((folder.root / "snapshots").glob("*.png"))[-1]) for folder in folders.values()]
    sheet = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures)))
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def measure(folders: dict[str, RunFolder], data: Path) -> None:
    """Print each run's figures."""
    manifest = open_manifest(data)
    for run, folder in folders.items():
        source, tuned = (load_checkpoint(path).generator for path in (folder.source, folder.g_ema))
        portraits = load_portraits(manifest, tuned.spec.resolution, folder.portraits, "all")
        meter = Meter(portraits, MEASURED, 12345, torch.device("cpu"))
        lines = curves(folder)
        late = [line["losses"] for line in lines[-(len(lines) // 3 or 1) :]]
        losses = {name: [loss[name] for loss in late if name in loss] for name in SHOWN}
        figures = {
            "run": run,
            "images": lines[-1]["images"],
            "kernel_source": round(meter.distance(source), 4),
            "kernel_tuned": round(meter.distance(tuned), 4),
            **{name: round(float(np.mean(values)), 4) for name, values in losses.items() if values},
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
