"""Files → upright sRGB pixels, decoded once; crops → PNG bytes.

Conventions: what a file holds is told by its content, never by its name. The EXIF orientation is applied. Colours are
brought to sRGB by the embedded ICC profile (relative colorimetric, black point compensated); a file without a profile,
or with a broken one, is taken as sRGB, CMYK without a profile by the plain formula. 16 bits keep their upper 8.
Transparent pixels are laid over mid-grey, which both dark and light hair stand out from. Floating-point and 32-bit
pictures, whose white is not known, animations and files of several pages are refused; of a phone's multi-picture JPEG
the first picture is the picture. The header's size is held against a limit before any pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import warnings
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from threading import Lock
from typing import IO, Final

import cv2
import deflate
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from drfhq_tools import png
from drfhq_tools.errors import DecodeError
from drfhq_tools.records import Pixels, RejectReason

READ_FORMATS: Final = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP")
SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp"})
UNREAD_SUFFIXES: Final = frozenset({".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".exr", ".hdr", ".psd", ".tga"})
MAX_PIXELS: Final = 200_000_000
HEAD_BYTES: Final = 16
_MAGIC: Final = (png.SIGNATURE, b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"BM")
_BACKGROUND: Final = (128, 128, 128, 255)
_SRGB: Final = ImageCms.createProfile("sRGB")
_PNG_FILTER_UP: Final = 2
_QUICKEST: Final = 1
_EIGHT_BIT: Final = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB"})


class TooLargeError(DecodeError):
    """A picture of more ``pixels`` than allowed, by its header."""

    def __init__(self, width: int, height: int, max_pixels: int) -> None:
        limit = f"the limit of {max_pixels / 1e6:g} megapixels"
        super().__init__(RejectReason.TOO_LARGE, f"{width}×{height} pixels are more than {limit}")
        self.pixels = width * height


def looks_like_picture(head: bytes) -> bool:
    """Whether a file that starts with ``head`` (16 bytes suffice) is a picture of a common format."""
    if head.startswith(b"BM"):  # two letters are little to go by: a bitmap's reserved field is zero as well
        return head[6:10] == bytes(4)
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture in ``path``: (H, W, 3) uint8, RGB, sRGB, upright; not to be written to.

    Raises:
        DecodeError: it is no picture we read; ``reason`` is a :class:`RejectReason`.
    """
    try:
        with path.open("rb") as file:
            return _decode(file, max_pixels)
    except OSError as error:
        raise DecodeError(RejectReason.UNREADABLE, f"cannot be read: {error.strerror or error}") from error


def decode_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """As :func:`read_picture`, of a file's bytes."""
    return _decode(io.BytesIO(data), max_pixels)


def encode_png(pixels: Pixels) -> bytes:
    """(H, W, 3) RGB uint8 → an 8-bit PNG (W3C PNG, third edition), the same bytes each time.

    One filter for all rows, "up", and libdeflate at its quickest: of what was measured on faces (``benchmarks/png.py``)
    the quickest by two fifths, and within 1 % of the smallest of Pillow's and OpenCV's quick settings.
    """
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), dtype=np.uint8)
    filtered[:, 0] = _PNG_FILTER_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, *png.EIGHT_BIT_RGB)
    data = deflate.zlib_compress(filtered, _QUICKEST)
    return png.joined((b"IHDR", [header]), (b"IDAT", [data]), (b"IEND", []))


def _decode(file: IO[bytes], max_pixels: int) -> Pixels:
    with LENIENT:
        try:
            image = Image.open(file)
        except UnidentifiedImageError as error:
            raise _unidentified(file) from error
        except Exception as error:  # a damaged header raises nearly anything
            raise _corrupt(error) from error
        try:
            _check_header(image, max_pixels)  # counting a TIFF's pages reads all their headers
            return _pixels(image, file)
        except DecodeError:
            raise
        except Exception as error:
            raise _corrupt(error) from error


class _Lenience(AbstractContextManager[None]):
    """While any thread decodes, Pillow's own limit, whose error hides the size, is lifted, since ours is in force, and
    its warnings of odd metadata are silent: what matters is decided here. Both settings are the whole process's, so
    the first thread changes them and the last one puts them back."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._before = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before.enter_context(warnings.catch_warnings())
                self._before.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
                warnings.simplefilter("ignore")
                Image.MAX_IMAGE_PIXELS = None
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before.close()


LENIENT: Final = _Lenience()
"""To open a picture in, wherever Pillow is asked directly."""


def _unidentified(file: IO[bytes]) -> DecodeError:
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        return DecodeError(RejectReason.EMPTY_FILE, "the file is empty")
    if looks_like_picture(head):
        return DecodeError(RejectReason.CORRUPT, "starts as a picture, but its header is damaged")
    return DecodeError(RejectReason.NOT_A_PICTURE, "the content is no picture")


def _corrupt(error: Exception) -> DecodeError:
    return DecodeError(RejectReason.CORRUPT, f"the picture is damaged or incomplete ({type(error).__name__}: {error})")


def _check_header(image: Image.Image, max_pixels: int) -> None:
    if image.format not in READ_FORMATS:
        raise DecodeError(RejectReason.UNSUPPORTED_FORMAT, f"{image.format} is not read; save it as PNG")
    if image.width * image.height > max_pixels:
        raise TooLargeError(image.width, image.height, max_pixels)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        raise DecodeError(
            RejectReason.SEVERAL_FRAMES, f"an animated or many-page {image.format}; save the frame you mean"
        )
    if image.mode not in _EIGHT_BIT and not image.mode.startswith("I;16"):
        raise DecodeError(
            RejectReason.UNSUPPORTED_FORMAT, f"pixels of kind {image.mode} are not read; save it as 8 bits"
        )


def _plain_bytes(image: Image.Image, file: IO[bytes]) -> bytes | None:
    """A file OpenCV makes the same pixels of, where this one is plain: 8-bit RGB, upright, sRGB, opaque; else None.

    Pillow would decode a PNG to look for EXIF behind its pixels, and calls 16 bits RGB as well: its chunks say more.
    """
    if image.format not in {"JPEG", "PNG"} or image.mode != "RGB" or "transparency" in image.info:
        return None
    if _foreign_profile(image) is not None:
        return None
    if image.format == "JPEG" and image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        return None
    file.seek(0)
    return file.read() if image.format == "JPEG" else png.inflated(file.read())


def _pixels(image: Image.Image, file: IO[bytes]) -> Pixels:
    """By OpenCV where the file is plain: the same pixels as Pillow's in less time. What it refuses Pillow may judge."""
    data = _plain_bytes(image, file)
    plain = None
    if data is not None:
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        plain = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    return _upright_srgb(image) if plain is None else np.asarray(plain, dtype=np.uint8)


def _upright_srgb(image: Image.Image) -> Pixels:
    profile = _foreign_profile(image)
    ImageOps.exif_transpose(image, in_place=True)
    flat = _to_srgb(_eight_bit(image), profile)
    if flat.mode == "RGBA":
        flat = Image.alpha_composite(Image.new("RGBA", flat.size, _BACKGROUND), flat)
    rgb = flat if flat.mode == "RGB" else flat.convert("RGB")
    return np.asarray(rgb, dtype=np.uint8)


def _eight_bit(image: Image.Image) -> Image.Image:
    """The same picture as L, RGB, RGBA, CMYK or LAB: modes a profile may speak of."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in {"RGB", "CMYK", "L", "LAB"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _foreign_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The embedded profile, where there is one that can be read and is not sRGB's."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        return None if "sRGB" in ImageCms.getProfileDescription(profile) else profile
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None) -> Image.Image:
    """Through the profile; as it is where the profile is absent or unfit."""
    if profile is None or (profile.profile.xcolor_space.strip() == "GRAY" and image.mode != "L"):
        return image
    try:
        converted = ImageCms.profileToProfile(
            image,
            profile,
            _SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGBA" if image.mode == "RGBA" else "RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return image if converted is None else converted
