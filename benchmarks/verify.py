"""How long `drfhq verify` takes: a data set of N rows, made from the shipped example's, checked at a glance.

python benchmarks/verify.py [N]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from drfhq_tools.build.assemble import Gathered, commit, stage, staging_in
from drfhq_tools.hashing import face_id, sha256_bytes
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.built import read_build
from drfhq_tools.manifest.reader import read_labels
from drfhq_tools.verify import verify

TINY = Path(__file__).parents[1] / "manifests" / "examples" / "tiny"


def enlarge(out: Path, count: int) -> None:
    """The example's faces over and over, each time of other pictures and people."""
    faces, labels = open_manifest(TINY).faces, read_labels(TINY)
    rows, crops, said = [], {}, {}
    for number in range(count):
        face = faces[number % len(faces)]
        source = sha256_bytes(str(number).encode())
        path = f"{number:08d}.png"
        row = replace(
            face, face_id=face_id(source, 0), source_sha256=source, source_path=path, source_paths=(path,),
            subject_id=str(number), phash=source[:16], phash_fine=source, face_index=0,
        )  # fmt: skip
        rows.append(row)
        crops[row.face_id] = TINY / face.image_path
        said[row.face_id] = labels.get(face.face_id, [])
    with staging_in(out) as staging:
        gathered = Gathered(pictures=count, faces=rows, crops=crops, labels=said, rejects=[])
        stage(staging, gathered, read_build(TINY).config)
    commit(out)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(dir=TINY.parents[2]) as folder:
        data = Path(folder) / "data"
        enlarge(data, count)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        report = verify(data)
        seconds = time.process_time() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = f"peak memory {before / 1024:.0f} → {after / 1024:.0f} MB"
    print(f"{report.faces} faces: {seconds:.1f} CPU s, {memory}; found {report.counts}")


if __name__ == "__main__":
    main()
