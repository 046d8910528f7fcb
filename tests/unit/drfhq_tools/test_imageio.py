"""Decoding: every kind of file ends as upright sRGB or as an error with a reason."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from drfhq_tools.errors import DecodeError
from drfhq_tools.imageio import TooLargeError, decode_picture, encode_png, looks_like_picture, read_picture
from drfhq_tools.records import RejectReason

RGB = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
SMOOTH = np.stack([*np.meshgrid(np.linspace(20, 230, 40), np.linspace(40, 200, 24)), np.full((24, 40), 90.0)], -1)
SMOOTH = SMOOTH.astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def reason(data: bytes, **options: int) -> str:
    with pytest.raises(DecodeError) as caught:
        decode_picture(data, **options)
    return caught.value.reason


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_lzw"})],
)
def test_lossless_formats_keep_every_value(kind: str, options: dict[str, object]) -> None:
    assert (decode_picture(saved(Image.fromarray(RGB), kind, **options)) == RGB).all()


def test_our_png_keeps_every_value_and_its_bytes() -> None:
    assert (decode_picture(encode_png(RGB)) == RGB).all()
    assert encode_png(RGB) == encode_png(RGB.copy())


def test_jpeg_is_near() -> None:
    decoded = decode_picture(saved(Image.fromarray(SMOOTH), "JPEG", quality=95))
    assert np.abs(decoded.astype(int) - SMOOTH).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied_once(orientation: int, kind: str) -> None:
    stored_as = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(np.ascontiguousarray(stored_as[orientation](SMOOTH))), kind, exif=exif, **options)
    decoded = decode_picture(data)
    assert decoded.shape == SMOOTH.shape
    assert np.abs(decoded.astype(int) - SMOOTH).max() <= 4


def test_grey_palette_and_bilevel_become_rgb() -> None:
    grey = RGB[..., 0]
    assert (decode_picture(saved(Image.fromarray(grey), "PNG")) == grey[..., None]).all()
    palette = Image.fromarray(SMOOTH).quantize(64)
    assert (decode_picture(saved(palette, "PNG")) == np.asarray(palette.convert("RGB"))).all()
    bilevel = Image.fromarray(grey).convert("1")
    assert set(np.unique(decode_picture(saved(bilevel, "PNG")))) == {0, 255}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_upper_bits(kind: str) -> None:
    deep = (RGB[..., 0].astype(np.uint16) << 8) | RGB[..., 1]
    assert (decode_picture(saved(Image.fromarray(deep), kind)) == RGB[..., :1]).all()


def test_sixteen_bit_rgb_png_keeps_its_upper_bits() -> None:
    import cv2

    deep = (RGB.astype(np.uint16) << 8) | 0x5A
    assert (decode_picture(cv2.imencode(".png", deep[..., ::-1])[1].tobytes()) == RGB).all()


def test_alpha_is_laid_over_mid_grey() -> None:
    alpha = np.zeros((24, 40), np.uint8)
    alpha[:, 20:] = 255
    decoded = decode_picture(saved(Image.fromarray(np.dstack([RGB, alpha])), "PNG"))
    assert (decoded[:, :20] == 128).all()
    assert (decoded[:, 20:] == RGB[:, 20:]).all()


def test_grey_alpha_and_transparent_palette() -> None:
    grey_alpha = Image.merge("LA", [Image.new("L", (8, 8), 10), Image.new("L", (8, 8), 0)])
    assert (decode_picture(saved(grey_alpha, "PNG")) == 128).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([200, 10, 10])
    assert (decode_picture(saved(palette, "PNG", transparency=0)) == 128).all()


def test_cmyk_jpeg_becomes_rgb() -> None:
    data = saved(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG", quality=98)
    assert np.abs(decode_picture(data).astype(int) - SMOOTH).mean() < 6


def linear_rgb_profile() -> bytes:
    """A display profile with sRGB's primaries and a gamma of 1, made by hand from the ICC specification."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    text = b"desc\0\0\0\0" + struct.pack(">I", 7) + b"linear\0" + bytes(78)
    tags = {
        b"desc": text,
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.43607, 0.22249, 0.01392),
        b"gXYZ": xyz(0.38515, 0.71687, 0.09708),
        b"bXYZ": xyz(0.14307, 0.06061, 0.71410),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    rest = struct.pack(">I", len(tags)) + table + body
    header = struct.pack(">I4sI4s4s4s", 128 + len(rest), b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + b"\0\0\xf6\xd6\0\x01\0\0\0\0\xd3-"
    return header.ljust(128, b"\0") + rest


def test_icc_profile_is_converted_to_srgb() -> None:
    """Linear light 0.2140 is 127.5 of 255 in sRGB (IEC 61966-2-1)."""
    image = Image.new("RGB", (8, 8), (55, 55, 55))
    profile = linear_rgb_profile()
    for picture, kind in ((image, "PNG"), (image.convert("RGBA"), "PNG"), (image, "JPEG")):
        decoded = decode_picture(saved(picture, kind, icc_profile=profile))
        assert np.abs(decoded.astype(int) - 128).max() <= 2


def test_srgb_profile_and_broken_profile_change_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile at all"):
        assert (decode_picture(saved(Image.fromarray(RGB), "PNG", icc_profile=profile)) == RGB).all()


def test_huge_header_is_refused_before_decoding() -> None:
    with pytest.raises(TooLargeError, match="30000×30000") as caught:
        decode_picture(png_header(30_000, 30_000))
    assert caught.value.pixels == 900_000_000
    assert reason(saved(Image.fromarray(RGB), "PNG"), max_pixels=RGB.shape[0] * RGB.shape[1] - 1) == "too_large"
    assert decode_picture(saved(Image.fromarray(RGB), "PNG"), max_pixels=RGB.shape[0] * RGB.shape[1]).shape == RGB.shape


def test_pillows_own_limit_is_left_as_it_was() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(DecodeError):
        decode_picture(png_header(30_000, 30_000))
    assert before == Image.MAX_IMAGE_PIXELS


def test_what_is_no_picture_says_so() -> None:
    jpeg = saved(Image.fromarray(RGB), "JPEG")
    assert reason(b"") == RejectReason.EMPTY_FILE
    assert reason(b"hello, I am text\n") == RejectReason.NOT_A_PICTURE
    assert reason(jpeg[: len(jpeg) // 2]) == RejectReason.CORRUPT
    assert reason(jpeg[:5]) == RejectReason.CORRUPT
    assert reason(png_header(40, 40)) == RejectReason.CORRUPT


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_animations_and_pages_are_refused(kind: str) -> None:
    frames = [Image.fromarray(RGB), Image.fromarray(RGB[::-1].copy())]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert reason(data) == RejectReason.SEVERAL_FRAMES


def test_gif_and_float_are_refused() -> None:
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    assert reason(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])) == RejectReason.UNSUPPORTED_FORMAT
    assert reason(saved(Image.fromarray(RGB[..., 0].astype(np.float32)), "TIFF")) == RejectReason.UNSUPPORTED_FORMAT


def test_multi_picture_jpeg_is_its_first_picture() -> None:
    frames = [Image.fromarray(SMOOTH), Image.new("RGB", (40, 24))]
    decoded = decode_picture(saved(frames[0], "MPO", save_all=True, append_images=frames[1:]))
    assert np.abs(decoded.astype(int) - SMOOTH).mean() < 6


def test_a_second_page_without_a_size_is_damage() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "TIFF")
    data = bytearray(file.getvalue())
    (pages,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, pages)
    struct.pack_into("<I", data, pages + 2 + 12 * entries, len(data))  # the next page: no entries, the last
    assert reason(bytes(data) + bytes(6)) == RejectReason.CORRUPT


def test_damaged_files_never_raise_anything_else() -> None:
    random = np.random.default_rng(1)
    refused: list[str] = []
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
        data = np.frombuffer(saved(Image.fromarray(SMOOTH), kind), np.uint8)
        for _ in range(60):
            damaged = data.copy()
            damaged[random.integers(0, len(data), 6)] = random.integers(0, 256, 6)
            try:
                decode_picture(damaged.tobytes(), 10**6)
            except DecodeError as error:
                refused.append(error.reason)
    assert {RejectReason(name) for name in refused} >= {RejectReason.CORRUPT, RejectReason.NOT_A_PICTURE}


def test_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="cannot be read") as caught:
        read_picture(tmp_path / "none.png")
    assert caught.value.reason == RejectReason.UNREADABLE


def test_pictures_are_told_by_their_first_bytes() -> None:
    for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"):
        assert looks_like_picture(saved(Image.fromarray(RGB), kind)[:16]), kind
    for head in (b"", b"BMW is a car maker", b"file,gender\n", b'{"gender": "fem'):
        assert not looks_like_picture(head)


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "JPEG", "quality": 85},
        {"format": "JPEG", "progressive": True, "subsampling": 0},
        {"format": "PNG"},
        {"format": "PNG", "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()},
    ],
)
def test_the_quick_way_gives_the_pixels_of_the_plain_one(settings: dict[str, Any]) -> None:
    """Files OpenCV decodes, against Pillow."""
    texture = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(texture).resize((249, 183), Image.Resampling.BICUBIC).save(file, **settings)
    np.testing.assert_array_equal(decode_picture(file.getvalue()), np.asarray(Image.open(file)))


def test_an_orientation_behind_the_pixels_counts() -> None:
    """PNG allows EXIF after the image data."""
    picture = Image.fromarray(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    plain, tagged = io.BytesIO(), io.BytesIO()
    picture.save(plain, "PNG")
    picture.save(tagged, "PNG", exif=exif)
    data, marked = plain.getvalue(), tagged.getvalue()
    start = marked.index(b"eXIf") - 4
    chunk = marked[start : start + 12 + int.from_bytes(marked[start : start + 4], "big")]
    end = data.index(b"IEND") - 4
    assert decode_picture(data[:end] + chunk + data[end:]).shape == (6, 4, 3)
