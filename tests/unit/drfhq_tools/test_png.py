"""PNGs whose pixels are inflated for the decoder: the same picture, or none where more must be known."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from drfhq_tools import png
from drfhq_tools.records import Pixels


def picture(width: int, height: int) -> Pixels:
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8) // 8 * 8


def saved(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (28, 771), (300, 200), (28, 772)])
def test_the_picture_stays_and_nothing_is_compressed(width: int, height: int) -> None:
    """28 × 771 pixels fill one stored block to the byte; 300 × 200 need three."""
    pixels = picture(width, height)
    data = png.inflated(saved(Image.fromarray(pixels)))
    assert data is not None
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert len(data) > pixels.size


def test_a_file_is_what_the_format_asks_for() -> None:
    assert png.joined((b"IHDR", [b"ab", b"c"]), (b"IEND", [])) == (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 3) + b"IHDRabc" + struct.pack(">I", zlib.crc32(b"IHDRabc"))
    ) + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_other_kinds_of_pixels_are_left_alone(mode: str) -> None:
    grey = Image.fromarray(picture(9, 5)).convert("L")
    image = Image.fromarray(np.asarray(grey, dtype=np.uint16) * 256) if mode == "I;16" else grey.convert(mode)
    assert png.inflated(saved(image)) is None


@pytest.mark.parametrize("key", ["XML:com.adobe.xmp", "Raw profile type exif"])
def test_what_may_turn_the_picture_is_left_alone(key: str) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt(key, "6") if key.startswith("XML") else notes.add_text(key, "6")
    assert png.inflated(saved(Image.fromarray(picture(9, 5)), pnginfo=notes)) is None
    exif = Image.Exif()
    exif[274] = 6
    assert png.inflated(saved(Image.fromarray(picture(9, 5)), exif=exif)) is None


def test_other_notes_do_no_harm() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Software", "Cycles")
    assert png.inflated(saved(Image.fromarray(picture(9, 5)), pnginfo=notes)) is not None


def test_what_is_damaged_or_cut_short_is_left_alone() -> None:
    data = saved(Image.fromarray(picture(40, 30)))
    for length in range(len(data)):
        assert png.inflated(data[:length]) is None
    for place in range(8, len(data)):
        assert png.inflated(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]) is None


def test_pixels_too_few_or_too_many_are_left_alone() -> None:
    header = struct.pack(">IIBBBBB", 4, 4, *png.EIGHT_BIT_RGB)
    for size in (0, 4 * 13 - 1, 4 * 13 + 1):
        content = zlib.compress(bytes(size))
        assert png.inflated(png.joined((b"IHDR", [header]), (b"IDAT", [content]), (b"IEND", []))) is None


def test_what_is_too_large_to_hold_twice_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(Image.fromarray(picture(40, 30)))
    monkeypatch.setattr(png, "MOST_BYTES", 30 * 121 - 1)
    assert png.inflated(data) is None
    monkeypatch.setattr(png, "MOST_BYTES", 30 * 121)
    assert png.inflated(data) is not None
