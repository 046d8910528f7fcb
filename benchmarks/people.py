"""How far may `identity_group` be trusted? Of the pairs it joins, how many show one person, by declared group.

    drfhq build --raw RENDERS --out DATA --size 256 --set identity_distance=0.42
    python benchmarks/people.py DATA [--distance 0.35 0.42 0.5]

The truth is subject_id, so the renders must declare it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from drfhq_tools.barrier.people import identity_groups
from drfhq_tools.manifest import open_manifest
from drfhq_tools.records import FaceRecord


def line(title: str, faces: Sequence[FaceRecord], group_of: dict[str, str]) -> None:
    """Pairs joined, how many of them are true, and of how many."""
    joined = right = true = 0
    for one, other in combinations(faces, 2):
        together, same = group_of[one.face_id] == group_of[other.face_id], one.subject_id == other.subject_id
        joined, right, true = joined + together, right + (together and same), true + same
    print(f"{title:24} {len(faces):6} {joined:7} {right:6} {true:6}")


def main() -> None:
    """Print a table a distance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--distance", type=float, nargs="+", default=[0.35, 0.42, 0.5])
    args = parser.parse_args()
    faces = [face for face in open_manifest(args.data).faces if face.identity_embedding and face.subject_id]
    embeddings = np.array([face.identity_embedding for face in faces], dtype=np.float32)
    names = [face.face_id for face in faces]
    for distance in args.distance:
        group_of = dict(zip(names, identity_groups(names, embeddings, distance), strict=True))
        print(f"{'distance ' + format(distance, 'g'):24} {'faces':>6} {'joined':>7} {'right':>6} {'true':>6}")
        line("all", faces, group_of)
        for race in sorted({face.race_declared or "" for face in faces}):
            line(
                f"  {race or 'none declared'}", [face for face in faces if (face.race_declared or "") == race], group_of
            )


if __name__ == "__main__":
    main()
