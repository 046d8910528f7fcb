"""Pictures to build from: NASA's portrait of Eileen Collins (public domain, comes with scikit-image) in many guises."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image

FACE = np.ascontiguousarray(skimage.data.astronaut())
NEAR = FACE[0:256, 96:352]


def five_faces() -> Image.Image:
    """Five different crops of the face beside each other."""
    sheet = Image.new("RGB", (3 * 240, 2 * 240), (90, 110, 130))
    for number in range(5):
        tile = FACE[2 * number : 240 + 2 * number, 100 + 3 * number : 340 + 3 * number]
        sheet.paste(Image.fromarray(tile), (240 * (number % 3), 240 * (number // 3)))
    return sheet


def noise() -> Image.Image:
    """A picture with no face in it."""
    small = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((200, 200), Image.Resampling.BICUBIC)


def huge_header() -> bytes:
    """A PNG that claims 30,000 × 30,000 pixels and holds none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def shifted(pixels: int) -> Image.Image:
    """The face, cut a little elsewhere: another picture of the same person."""
    return Image.fromarray(FACE[pixels : pixels + 300, 80 + pixels : 380 + pixels])


def write_mixture(root: Path) -> None:
    """A folder with several faces in one picture, a person twice, a copy, a face at the rim and a picture without."""
    root.mkdir(parents=True)
    five_faces().save(root / "five.png")
    shifted(3).resize((360, 360)).save(root / "best.png")
    shifted(3).resize((240, 240)).save(root / "copy.jpg", quality=90)
    shifted(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "mirror.png")
    Image.fromarray(FACE[60:190, 160:290]).resize((390, 390)).save(root / "rim.png")
    noise().save(root / "nobody.png")


def write_hostile(root: Path) -> None:
    """A folder with all that real folders contain."""
    root.mkdir(parents=True)
    image = Image.fromarray(NEAR)
    (root / "empty.png").write_bytes(b"")
    (root / "text.png").write_text("I am no picture")
    image.save(root / "whole.JPG", quality=95)
    (root / "truncated.jpg").write_bytes((root / "whole.JPG").read_bytes()[:6000])
    (root / "huge.png").write_bytes(huge_header())
    cv2.imwrite(str(root / "deep.png"), (NEAR[..., ::-1].astype(np.uint16) << 8) | 0x33)
    image.convert("CMYK").save(root / "cmyk.jpg", quality=96)
    image.convert("L").save(root / "grey.png")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 40, 256))
    image.copy().save(root / "opaque.webp", lossless=True)
    image.putalpha(alpha)
    image.save(root / "alpha.png")
    image = image.convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(root / "rotated.jpg", exif=exif, quality=97)
    frames = [Image.fromarray(NEAR), Image.fromarray(NEAR[:, ::-1].copy())]
    for name in ("animated.gif", "animated.png"):
        frames[0].save(root / name, "GIF", save_all=True, append_images=frames[1:])
    (root / "folder.png" / "Deep Er").mkdir(parents=True)
    shifted(3).save(root / "folder.png" / "Deep Er" / "inside.TIFF")
    shifted(5).save(root / "spaces and ü 日本.png")
    shifted(7).save(root / "same.png")
    shifted(9).save(root / "same.bmp")
    shifted(9).save(root / "folder.png" / "copy of same.bmp")
    noise().save(root / "no_face.png")
    five_faces().save(root / "five.png")
    (root / "labels.csv").write_text("file,gender,license\nsame.png,female,PD\nfive.png,female,PD\ngone.png,male,\n")
    (root / "same.json").write_text("{broken")
