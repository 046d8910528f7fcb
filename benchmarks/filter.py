"""How long does `drfhq filter` take to drop faces? CPU and wall seconds, on a data set blown up to many faces.

    python benchmarks/filter.py DATA [--faces 10000]

Repeats the faces of the built data set DATA under new names, with heads turned at random (25° standard deviation), then
drops those turned by more than 30°, 15° and 5°, one after the other.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from drfhq_tools.build.assemble import Gathered, commit, stage, staging_in
from drfhq_tools.build.look import Hands
from drfhq_tools.build.refilter import refilter
from drfhq_tools.config import config_from
from drfhq_tools.hashing import face_id, sha256_bytes
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.built import read_build


def blow_up(data: Path, out: Path, count: int) -> None:
    """A data set of ``count`` faces, all those of ``data`` over and over, each from a picture of its own."""
    originals = open_manifest(data).faces
    config = config_from(asdict(read_build(data).config) | {"max_yaw_deg": 180.0})
    random = np.random.default_rng(0)
    faces, crops = [], {}
    with staging_in(out) as staging:
        for number in range(count):
            original = originals[number % len(originals)]
            sha256, name = sha256_bytes(str(number).encode()), f"{number:07d}.png"
            face = replace(
                original,
                face_id=face_id(sha256, 0),
                source_path=name,
                source_paths=(name,),
                source_sha256=sha256,
                face_index=0,
                yaw_deg=float(random.normal(0, 25)),
                rules_digest=config.rules_digest,
            )
            crop = staging / name
            crop.write_bytes((data / original.image_path).read_bytes())
            faces.append(face)
            crops[face.face_id] = crop
        stage(staging, Gathered(pictures=count, faces=faces, crops=crops, labels={}, rejects=[]), config)
    commit(out)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--faces", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "data"
        blow_up(options.data, out, options.faces)
        hands = Hands(workers=1, progress=lambda *_: None)
        for degrees in (30.0, 15.0, 5.0):
            wall, cpu = time.perf_counter(), time.process_time()
            recut = refilter(out, {"max_yaw_deg": degrees}, raw=None, hands=hands)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            dropped = sum(recut.dropped.values())
            print(f"yaw {degrees:4.0f}°: kept {recut.kept}, dropped {dropped}: {cpu:.2f} s CPU, {wall:.2f} s wall")


if __name__ == "__main__":
    main()
