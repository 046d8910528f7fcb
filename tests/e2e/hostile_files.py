"""Two hundred files nobody would wish for, the same ones each time: damaged, lying, oversized, oddly named."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageCms
from raw_pictures import FACE, huge_header

SEED = 20_261_123
BOMB_BYTES = 60_000_000
SMALL = np.ascontiguousarray(FACE[40:200:2, 140:300:2])
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, *, extra: bytes = b"", data: bytes | None = None, kind: int = 2) -> bytes:
    """A PNG made by hand: header, ``extra`` chunks, pixels (grey where not given)."""
    rows = (b"\x00" + b"\x80" * (width * (3 if kind == 2 else 1))) * height if data is None else b""
    pixels = zlib.compress(rows) if data is None else data
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    return _SIGNATURE + header + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def encoded(kind: str, pixels: np.ndarray = SMALL, **options: object) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert("CMYK") if kind == "CMYK" else image).save(file, "JPEG" if kind == "CMYK" else kind, **options)
    return file.getvalue()


def whole() -> dict[str, bytes]:
    """The same face in every format that is read, by suffix."""
    deep = cv2.imencode(".png", SMALL[..., ::-1].astype(np.uint16) << 8)[1].tobytes()
    return {
        ".png": encoded("PNG"),
        ".jpg": encoded("JPEG", quality=90),
        ".progressive.jpg": encoded("JPEG", quality=90, progressive=True),
        ".cmyk.jpg": encoded("CMYK", quality=90),
        ".webp": encoded("WEBP", quality=90),
        ".tif": encoded("TIFF", compression="tiff_lzw"),
        ".bmp": encoded("BMP"),
        ".deep.png": deep,
        ".palette.png": encoded("PNG", np.asarray(Image.fromarray(SMALL).quantize(16))),
    }


def damaged(random: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Cut short, and with bits flipped, at random places: 72."""
    for suffix, data in whole().items():
        for number in range(4):
            yield f"cut{number}{suffix}", data[: int(random.integers(1, len(data)))]
            flipped = bytearray(data)
            for place in random.integers(0, len(data), 1 + 4 * number):
                flipped[place] ^= 1 << int(random.integers(8))
            yield f"flipped{number}{suffix}", bytes(flipped)


def misnamed() -> Iterator[tuple[str, bytes]]:
    """Content of one kind under the name of another: 13."""
    formats = whole()
    for name, suffix in {"a.png": ".jpg", "b.jpg": ".webp", "c.tiff": ".png", "d.txt": ".png", "e": ".bmp"}.items():
        yield f"really {suffix[1:]} {name}", formats[suffix]
    yield "text.png", b"I am no picture\n" * 20
    yield "html.jpg", b"<html><body>404</body></html>"
    yield "zip.webp", b"PK\x03\x04" + bytes(60)
    yield "elf.bmp", b"\x7fELF" + bytes(60)
    yield "magic alone.png", _SIGNATURE
    yield "magic alone.webp", b"RIFF\x10\x00\x00\x00WEBP"
    yield "icon.heic", b"\x00\x00\x00\x18ftypheic" + bytes(40)
    yield "nothing.tif", b""


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that ask for much: 14."""
    zeros = zlib.compress(bytes(BOMB_BYTES), 9)
    yield "huge header.png", huge_header()
    yield "pixels without end.png", png(8, 8, data=zeros)
    yield "text.png", png(8, 8, extra=chunk(b"zTXt", b"Comment\x00\x00" + zeros))
    yield "international text.png", png(8, 8, extra=chunk(b"iTXt", b"Comment\x00\x01\x00\x00\x00" + zeros))
    yield "profile.png", png(8, 8, extra=chunk(b"iCCP", b"profile\x00\x00" + zeros))
    yield "widest.png", png(2**31 - 1, 1, data=b"")
    yield "nowhere.png", png(0, 0, data=b"")
    yield "animation.png", png(8, 8, extra=chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))
    yield "huge.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
    yield (
        "upside down.bmp",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 9, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield "huge.webp", b"RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff"
    yield "sixty megapixels.png", png(10_000, 6_000, kind=0)
    yield "sixty megapixels of nothing.png", png(10_000, 6_000, data=zlib.compress(b"few"))
    jpeg = bytearray(encoded("JPEG"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 6_000, 10_000)
    yield "sixty megapixels.jpg", bytes(jpeg)


def tiny() -> Iterator[tuple[str, bytes]]:
    """A pixel, a line: 15."""
    for kind, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif"), ("BMP", "bmp")):
        for width, height in ((1, 1), (1, 5000), (3000, 1)):
            yield f"{width} by {height}.{suffix}", encoded(kind, np.full((height, width, 3), 90, dtype=np.uint8))


def odd_colours(random: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Profiles, gammas and orientations that make no sense: 24."""
    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    renamed = bytearray(good)
    profiles = {"lab": lab, "short": good[:90], "none": b"\x00", "noise": random.bytes(500)}
    for space in (b"GRAY", b"CMYK", b"\x00\x00\x00\x00"):
        renamed[16:20] = space
        profiles[f"claims {space.hex()}"] = bytes(renamed)
    for name, profile in profiles.items():
        yield f"profile {name}.png", encoded("PNG", icc_profile=profile)
        yield f"profile {name}.jpg", encoded("JPEG", icc_profile=profile)
    for name, extra in {
        "gamma zero": chunk(b"gAMA", bytes(4)),
        "gamma huge": chunk(b"gAMA", b"\xff\xff\xff\xff"),
        "gamma short": chunk(b"gAMA", b"\x01"),
        "chromaticities": chunk(b"cHRM", b"\xff" * 32),
        "two profiles": chunk(b"sRGB", b"\x09") * 2,
        "transparency": chunk(b"tRNS", b"\x01"),
    }.items():
        yield f"{name}.png", png(40, 40, extra=extra)
    for number, turned in enumerate((0, 9, 65_535)):
        exif = Image.Exif()
        exif[0x0112] = turned
        yield f"turned {number}.jpg", encoded("JPEG", exif=exif)
    yield "exif.jpg", encoded("JPEG", exif=b"Exif\x00\x00" + random.bytes(200))


NAMES = (
    '=HYPERLINK("http:⁄⁄x","y").png',
    "+1-1.png",
    "@SUM(A1).png",
    "-rf.png",
    "line\nbreak.png",
    "tab\tand bell\x07.png",
    "\x1b[31mred\x1b[0m.png",
    "right\u202etfel.png",
    "e\u0301 decomposed.png",
    "\u00e9 composed.png",
    "zero\u200bwidth.png",
    "'; DROP TABLE faces; --.png",
    "$(touch pwned).png",
    "%2e%2e%2fx.png",
    "..png",
    "x" * 240 + ".png",
    "🙂.png",
    "con.png",
    "a#b?c=d&e.png",
    "~.png",
    "[0-9]*.png",
    "ends in a space .png ",
)
"""Names of files: 22."""

JSON_TEXTS = (
    '{"gender": NaN, "age_years": NaN}',
    '{"age_years": Infinity, "license": -Infinity}',
    '{"age_years": 1e999}',
    '{"age_years": ' + "9" * 5000 + "}",
    '{"age_years": true, "gender": 3}',
    '{"gender": ["female"], "race": {"a": 1}}',
    '{"author": "=cmd|\' /C calc\'!A0", "license": "@SUM(1)", "title": "+1", "gender": "female"}',
    '{"author": "\\ud800", "title": "\\u0000\\u202e"}',
    "[" * 100_000,
    "[1, 2]",
    '"text"',
    "null",
    "",
    '{"landmarks": [[NaN, 1]]}',
    '{"faces": {"landmarks": 1}}',
    '{"faces": [{"landmarks": [[1e300, 0]], "box": [0, 0, NaN, 1]}]}',
    '{"content_rating": 18, "age_years": "9"}',
    '{"source_url": "javascript:alert(1)", "subject_id": "' + "s" * 100_000 + '"}',
)
"""What lies beside pictures: 18."""

CSV_BYTES = (
    b"file,gender\n../../../etc/passwd,female\n/etc/passwd,male\nC:\\windows\\x.png,male\n",
    b'file,author,age_years\nface.png,"=HYPERLINK(""http://x"")",nan\n',
    b"file,gender\nface.png,female,extra,values\n\x00,\x00\n",
    b"gender\nfemale\n",
    b"\xff\xfef\x00i\x00",
    b'file,gender\nface.png,"' + b"q" * 200_000 + b'"\n',
    b"",
    b'file,gender\n"unclosed',
)
"""labels.csv, each in a folder of its own beside a picture: 8."""


def parquet_tables() -> Iterator[tuple[str, pa.Table | bytes]]:
    """labels.parquet, each in a folder of its own beside a picture: 10."""
    far = pa.array([2**62], pa.timestamp("us"))
    yield "no parquet", b"PAR1 not quite PAR1"
    yield "no columns", pa.table({})
    yield "lists", pa.table({"file": [["face.png"]], "gender": [["female"]]})
    yield "numbers", pa.table({"file": [1], "gender": [2.5]})
    yield "nulls", pa.table({"file": pa.nulls(3), "gender": pa.nulls(3)})
    yield "bytes", pa.table({"file": [b"face.png"], "author": [b"\xff\xfe"]})
    yield "bad text", pa.table({"file": ["face.png"], "author": pa.array([b"\xff\xfe"]).view(pa.string())})
    yield "far dates", pa.table({"file": ["face.png"], "retrieved_at": far})
    yield "twice", pa.Table.from_arrays([pa.array(["face.png"]), pa.array(["face.png"])], ["file", "File"])
    yield (
        "wrong ages",
        pa.table({"file": ["face.png"], "age_years": [float("nan")], "landmarks": [[1.0, float("inf")]]}),
    )


def write_all(root: Path) -> set[str]:
    """Write them below ``root``; the paths of all pictures, POSIX, as they are to be recorded."""
    random = np.random.default_rng(SEED)
    face = encoded("PNG")
    expected: dict[str, bytes] = {}
    for folder, files in {
        "damaged": damaged(random),
        "misnamed": misnamed(),
        "bombs": bombs(),
        "tiny": tiny(),
        "colours": odd_colours(random),
    }.items():
        expected |= {f"{folder}/{name}": data for name, data in files}
    names = NAMES if sys.platform != "win32" else [name for name in NAMES if name.isalnum()]
    expected |= {f"names/{name}": face + name.encode() for name in names}
    expected |= {f"json/{number}.png": face + f"json {number}".encode() for number in range(len(JSON_TEXTS))}
    expected |= {f"csv{number}/face.png": face + f"csv {number}".encode() for number in range(len(CSV_BYTES))}
    tables = list(parquet_tables())
    expected |= {f"{name}/face.png": face + name.encode() for name, _ in tables}
    for path, data in expected.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    for number, text in enumerate(JSON_TEXTS):
        (root / "json" / f"{number}.json").write_text(text)
    for number, content in enumerate(CSV_BYTES):
        (root / f"csv{number}" / "labels.csv").write_bytes(content)
    for name, table in tables:
        path = root / name / "labels.parquet"
        if isinstance(table, bytes):
            path.write_bytes(table)
        else:
            pq.write_table(table, path)
    return set(expected) | _links(root)


def _links(root: Path) -> set[str]:
    """Links in circles and to nowhere, and a name that is no UTF-8."""
    if sys.platform == "win32":
        return set()
    folder = root / "links"
    folder.mkdir()
    (folder / "up").symlink_to(root)
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "one.jpg").symlink_to(folder / "other.jpg")
    (folder / "other.jpg").symlink_to(folder / "one.jpg")
    (folder / "nowhere.png").symlink_to(root / "nowhere")
    (folder / "out.png").symlink_to("/dev/null")
    found = {f"links/{name}" for name in ("itself.png", "one.jpg", "other.jpg", "nowhere.png", "out.png")}
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(folder) + b"/latin \xe9.png")).write_bytes(encoded("PNG") + b"latin")
        found.add("links/latin \\xe9.png")
    return found
