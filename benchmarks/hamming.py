"""How long do all pairs of near perceptual hashes take? CPU seconds and peak memory, and whether every planted pair is
found.

    python benchmarks/hamming.py [--count 1000000] [--radius 0 1 2 3 4]

Hashes are random, a thousand of them planted a second time with as many bits flipped as the radius allows; ``--alike``
makes the first so many of them equal, as the frames of a film are.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np

from drfhq_tools.barrier.dedupe import Hashes, near_groups, near_pairs

PLANTED = 1000


def planted(count: int, radius: int, rng: np.random.Generator) -> Hashes:
    """``count`` random hashes, number i + PLANTED a copy of number i with ``radius`` bits flipped, for the first."""
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    for number in range(PLANTED):
        flips = rng.choice(64, radius, replace=False).astype(np.uint64)
        hashes[PLANTED + number] = hashes[number] ^ np.bitwise_or.reduce(np.uint64(1) << flips, initial=np.uint64(0))
    return hashes


def main() -> None:
    """Print a row a radius."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--radius", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--alike", type=int, default=0)
    parser.add_argument("--memory", action="store_true", help="trace the peak of numpy's memory; slower")
    args = parser.parse_args()
    print("radius  pairs   planted found  pairs CPU s  groups CPU s")
    for radius in args.radius:
        hashes = planted(args.count, radius, np.random.default_rng(radius))
        fine = np.repeat(hashes[:, None], 4, axis=1)
        if args.memory:
            tracemalloc.start()
        began = time.process_time()
        pairs = near_pairs(hashes, radius)
        between = time.process_time()
        alike = slice(2 * PLANTED, 2 * PLANTED + args.alike)
        hashes[alike], fine[alike] = 0, 0
        near_groups(hashes, fine, radius)
        ended = time.process_time()
        found = np.count_nonzero((pairs[:, 1] - pairs[:, 0] == PLANTED) & (pairs[:, 0] < PLANTED))
        print(f"{radius:6}  {len(pairs):6}  {found:13}  {between - began:11.1f}  {ended - between:12.1f}")
        if args.memory:
            print(f"        peak {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB for {args.count} hashes")
            tracemalloc.stop()


if __name__ == "__main__":
    main()
