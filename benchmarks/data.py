"""Images a second and core, from a data set's PNGs and from the decoded array, beside plain Pillow.

    python benchmarks/data.py --data DATA [--resolution 256] [--count 60] [--rounds 5]

``pillow``: open, convert to RGB, shrink by box, as a loader without a cache does in every epoch. ``decode``: what fills
the array, once a run: read, check the hash, decode, shrink by area. ``cached``: a batch of 16 random pictures from the
array, half of them mirrored, as bytes; ``tensors``: the same as floats on the CPU (a GPU makes the floats itself). All
in one process and thread, in CPU seconds, interleaved, the best of several rounds. Prints JSON.

A GPU at 4 s/kimg takes in 250 images a second (256²), at 30 s/kimg 33 (1024²).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from drfhq_tools.hashing import sha256_bytes
from drfhq_tools.imageio import decode_picture
from drfhq_tools.manifest import Manifest
from drfhq_tools.records import FaceRecord
from transfer.data import Portraits, load_portraits, open_data, to_tensor
from transfer.pictures.resize import resized

NEEDED = {256: 250.0, 1024: 33.0}
BATCH = 16


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    manifest, side = open_data(given.data), given.resolution
    faces = [manifest.faces[i % len(manifest.faces)] for i in range(given.count)]
    with tempfile.TemporaryDirectory() as scratch:
        portraits = load_portraits(manifest, side, Path(scratch) / "cache.npy", "all", workers=1)
        rows = np.random.default_rng(0).integers(0, len(portraits), given.count).tolist()
        jobs: dict[str, Callable[[], None]] = {
            "pillow": partial(pillow, manifest, faces, side),
            "decode": partial(decode, manifest, faces, side),
            "cached": partial(batches, portraits, rows, floats=False),
            "tensors": partial(batches, portraits, rows, floats=True),
        }
        spent: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(given.rounds):
            for name, job in jobs.items():
                began = time.process_time()
                job()
                spent[name].append(time.process_time() - began)
        del portraits, jobs
    speeds = {name: round(given.count / max(min(times), 1e-9), 1) for name, times in spent.items()}
    figures = {"data_side_px": manifest.size_px, "resolution": side, "images": given.count, "per_core": speeds}
    if side in NEEDED:
        figures["cores_for_a_gpu"] = {name: round(NEEDED[side] / speed, 2) for name, speed in speeds.items()}
    print(json.dumps(figures))


def pillow(manifest: Manifest, faces: list[FaceRecord], side: int) -> None:
    """As a plain loader reads."""
    for face in faces:
        with Image.open(manifest.root / face.image_path) as picture:
            torch.from_numpy(np.array(picture.convert("RGB").resize((side, side), Image.Resampling.BOX)))


def decode(manifest: Manifest, faces: list[FaceRecord], side: int) -> None:
    """As the array is filled."""
    for face in faces:
        data = (manifest.root / face.image_path).read_bytes()
        assert sha256_bytes(data) == face.image_sha256
        resized(decode_picture(data), side)


def batches(portraits: Portraits, rows: list[int], *, floats: bool) -> None:
    """Random pictures, every second one mirrored."""
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        pixels = portraits.picked(part, [bool(i % 2) for i in range(len(part))])
        if floats:
            to_tensor(pixels)


if __name__ == "__main__":
    main()
