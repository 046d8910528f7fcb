"""Is our crop FFHQ's? Faces, by equal landmarks, against the slow reference: SSIM, PSNR, and a sheet of the worst ten.

    python benchmarks/equal_pictures.py FOLDER [FOLDER …] [--size 256 512 1024] [--sheet worst.png]

Of each picture the face is cropped where it is, and once more as if the picture ended in the face, so that padding is
judged as well. The sheet shows reference, ours, and sixteen times their difference.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw
from skimage.metrics import structural_similarity

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "drfhq_tools"))

from reference_ffhq import reference_crop  # noqa: E402

from drfhq_tools.align import align  # noqa: E402
from drfhq_tools.detect import make_detector  # noqa: E402
from drfhq_tools.geometry import Quad  # noqa: E402
from drfhq_tools.imageio import SUFFIXES, read_picture  # noqa: E402
from drfhq_tools.records import Pixels  # noqa: E402

SHOWN_PX = 384
WORST = 10


@dataclass
class Compared:
    """One crop by both ways."""

    name: str
    padded: bool
    ssim: float
    psnr: float
    pair: tuple[Pixels, Pixels]


def cases(folders: list[Path]) -> Iterator[tuple[str, bool, Pixels, Quad]]:
    """Name, whether the picture was cut short, picture and quad."""
    detector = make_detector()
    for path in (path for folder in folders for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES):
        pixels = read_picture(path)
        for face in detector.detect(pixels):
            yield path.stem, False, pixels, face.quad
            side = round(0.3 * face.quad.side_px)
            left, top = (max(0, round(float(value))) for value in face.quad.corners.min(axis=0))
            moved = Quad(face.quad.corners - (left + side, top + side // 2))
            yield f"{path.stem}, cut", True, np.ascontiguousarray(pixels[top + side // 2 :, left + side :]), moved


def compare(name: str, padded: bool, pixels: Pixels, quad: Quad, size: int) -> Compared:
    """Both crops and how near they are."""
    theirs, ours = reference_crop(pixels, quad.corners, size), align(pixels, quad, size).pixels
    error = float(((theirs.astype(np.float64) - ours) ** 2).mean())
    psnr = 10 * np.log10(255**2 / max(error, 1e-9))
    ssim = float(structural_similarity(theirs, ours, channel_axis=2))
    return Compared(f"{name}, {size} px", padded, ssim, float(psnr), (theirs, ours))


def sheet(worst: list[Compared]) -> Image.Image:
    """A row a crop: reference, ours, their difference."""
    canvas = Image.new("RGB", (3 * SHOWN_PX, len(worst) * SHOWN_PX))
    for row, one in enumerate(worst):
        theirs, ours = one.pair
        gap = np.clip(16 * np.abs(theirs.astype(int) - ours), 0, 255).astype(np.uint8)
        for column, pixels in enumerate((theirs, ours, gap)):
            shown = Image.fromarray(pixels).resize((SHOWN_PX, SHOWN_PX), Image.Resampling.LANCZOS)
            canvas.paste(shown, (column * SHOWN_PX, row * SHOWN_PX))
        label = f"{one.name}: SSIM {one.ssim:.4f}, {one.psnr:.1f} dB"
        ImageDraw.Draw(canvas).text((6, row * SHOWN_PX + 6), label, fill=(255, 255, 0))
    return canvas


def main() -> None:
    """Compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--size", nargs="+", type=int, default=[256, 512, 1024])
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    lines = [compare(*case, size) for case in cases(arguments.folders) for size in arguments.size]
    for word, chosen in (("inside", [o for o in lines if not o.padded]), ("padded", [o for o in lines if o.padded])):
        ssim, psnr = [one.ssim for one in chosen], [one.psnr for one in chosen]
        print(
            f"{word}: {len(chosen)} crops, SSIM mean {np.mean(ssim):.4f} min {min(ssim):.4f}, "
            f"PSNR mean {np.mean(psnr):.1f} min {min(psnr):.1f} dB"
        )
    worst = (
        sorted(lines, key=lambda one: one.ssim)[: WORST // 2] + sorted(lines, key=lambda one: one.psnr)[: WORST // 2]
    )
    for one in worst:
        print(f"  {one.name}: SSIM {one.ssim:.4f}, PSNR {one.psnr:.1f} dB")
    if arguments.sheet:
        sheet(worst).save(arguments.sheet)
        print(arguments.sheet)


if __name__ == "__main__":
    main()
