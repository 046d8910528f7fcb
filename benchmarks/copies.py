"""How far apart are copies of a picture, and different pictures, by the perceptual hashes? Bits that differ.

    python benchmarks/copies.py FOLDER [FOLDER …] [--aligned FOLDER …] [--labels labels.csv …] [--every 3]

Faces are found and cut at 256² in the pictures of each FOLDER; of every third picture also in nine copies: re-saved,
rescaled, in other light. --aligned folders hold crops already. Pictures of one subject_id (by file, in --labels) are
told apart from those of different people.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from drfhq_tools.align import align
from drfhq_tools.barrier.dedupe import FINE_RADIUS
from drfhq_tools.config import BuildConfig
from drfhq_tools.detect import DetectorSettings, make_detector
from drfhq_tools.hashing import perceptual_hashes
from drfhq_tools.imageio import read_picture
from drfhq_tools.records import Pixels

SIZE_PX = 256
SUFFIXES = {".jpg", ".png", ".webp"}
Bits = npt.NDArray[np.bool_]


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Saved and read again."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def copies(pixels: Pixels) -> Iterator[Pixels]:
    """JPEG 50, 75, 95; half, three quarters, twice the size; 5 % darker, brighter; half the size and JPEG 60."""
    image = Image.fromarray(pixels)
    for quality in (50, 75, 95):
        yield np.asarray(jpeg(image, quality))
    for scale in (0.5, 0.75, 2.0):
        yield np.asarray(resized(image, scale))
    for gain in (0.95, 1.05):
        yield np.clip(pixels * gain, 0, 255).astype(np.uint8)
    yield np.asarray(jpeg(resized(image, 0.5), 60))


def resized(image: Image.Image, scale: float) -> Image.Image:
    """Antialiased."""
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def bits_of(crop: Pixels) -> Bits:
    """(320,): the 64 of the coarse hash, the 256 of the fine one."""
    return np.unpackbits(np.frombuffer(bytes.fromhex("".join(perceptual_hashes(crop))), dtype=np.uint8)).astype(bool)


def apart(some: Bits, others: Bits) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bits that differ between each of (M, 320) and each of (N, 320), coarse and fine: (M, N) each."""

    def count(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return one @ (1 - other).T + (1 - one) @ other.T

    one, other = some.astype(np.int64), others.astype(np.int64)
    return count(one[:, :64], other[:, :64]), count(one[:, 64:], other[:, 64:])


def pictures(folders: list[Path]) -> Iterator[Path]:
    """All pictures directly in ``folders``."""
    for folder in folders:
        yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def measure(args: argparse.Namespace) -> tuple[list[str], Bits, Bits]:
    """The file of each face and its bits, and what each face found again in a copy differs in, (P, 320)."""
    detector = make_detector("dlib", DetectorSettings())
    names: list[str] = []
    rows: list[Bits] = []
    differing: list[Bits] = []
    for number, path in enumerate(pictures(args.folders)):
        pixels = read_picture(path, 10**9)
        faces = [bits_of(align(pixels, hit.quad, SIZE_PX).pixels) for hit in detector.detect(pixels)]
        names += [path.name] * len(faces)
        rows += faces
        for copy in copies(pixels) if number % args.every == 0 else ():
            again = [bits_of(align(copy, hit.quad, SIZE_PX).pixels) for hit in detector.detect(copy)]
            differing += [one ^ other for one, other in zip(faces, again, strict=False)]
    for path in pictures(args.aligned):
        names.append(path.name)
        rows.append(bits_of(read_picture(path, 10**9)))
    return names, np.array(rows), np.array(differing).reshape(-1, 320)


def line(title: str, coarse: npt.NDArray[np.int64], fine: npt.NDArray[np.int64]) -> None:
    """Number, least, median, 99th percentile and most, of both hashes."""
    if coarse.size:
        figures = (f"{b.min():4} {np.median(b):5.0f} {np.percentile(b, 99):5.0f} {b.max():5}" for b in (coarse, fine))
        both = np.mean((coarse <= BuildConfig().near_radius) & (fine <= FINE_RADIUS))
        print(f"{title:34} {coarse.size:8}  {'   '.join(figures)}   {both:.4f}")


def main() -> None:
    """Print a line for copies, for one person's pictures and for strangers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--aligned", type=Path, nargs="*", default=[])
    parser.add_argument("--labels", type=Path, nargs="*", default=[])
    parser.add_argument("--every", type=int, default=3)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    subjects: dict[str, str] = {}
    for table in args.labels:
        with table.open(newline="", encoding="utf-8") as file:
            subjects |= {row["file"]: row["subject_id"] for row in csv.DictReader(file)}
    names, bits, differing = measure(args)
    print(f"{'':34} {'pairs':>8}  least, median, 99 %, most of 64   … of 256   taken for copies")
    line("copies", differing[:, :64].sum(axis=1), differing[:, 64:].sum(axis=1))
    coarse, fine = apart(bits, bits)
    people = np.array([subjects.get(name, name) for name in names])
    upper, same = np.triu(np.ones_like(coarse, dtype=bool), 1), people[:, None] == people
    other = np.array(names)[:, None] != np.array(names)
    line("pictures of one person", coarse[upper & same & other], fine[upper & same & other])
    line("faces of different people", coarse[upper & ~same], fine[upper & ~same])


if __name__ == "__main__":
    main()
