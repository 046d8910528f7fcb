"""A picture twice: upright sRGB as detector and aligner see it, and the samples its file holds, as they lie there.

What is composed goes into the samples, so that all else stays as it was: 16 bits, alpha, grey, the embedded profile's
colours, the turn that EXIF asks for. Files whose samples PNG cannot hold (CMYK, LAB, premultiplied alpha) are composed
in upright sRGB.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import cv2
import deflate
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from drfhq_tools.errors import DecodeError
from drfhq_tools.imageio import LENIENT, decode_picture
from drfhq_tools.png import SIGNATURE
from drfhq_tools.records import Pixels, RejectReason
from transfer.errors import ConfigError
from transfer.scenes.colour import Converter, from_srgb

SampleArray = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
ORIENTATION: Final = int(ExifTags.Base.Orientation)
SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})
"""Of the pictures that are looked for in a folder."""

_OWN_MODES: Final = frozenset({"L", "LA", "RGB", "RGBA"})
_ON_WHITE: Final = frozenset({"1", "P", "PA"})
_KEPT_CHUNKS: Final = frozenset(
    {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
)
_XMP: Final = b"XML:com.adobe.xmp\0"
# Tags of a TIFF that say how its pixels lie in that file, and not what the picture is.
_LAYOUT_TAGS: Final = (
    *(256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347),
    *(512, 513, 514, 530, 531, 532, 700, 34377, 34675),
)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What goes with the samples into a PNG: chunks as they are, and an XMP packet, which is apart to be added to."""

    chunks: tuple[tuple[bytes, bytes], ...] = ()
    xmp: str | None = None


@dataclass(frozen=True)
class Picture:
    """``pixels`` (H, W, 3) uint8 RGB, sRGB, upright; ``samples`` (H', W', C), uint8 or uint16, as the file holds them:
    C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. Neither is to be written to.

    ``orientation`` is EXIF's turn from ``samples`` to upright; ``convert`` brings sRGB to the samples' colours;
    ``sha256`` is the file's, or empty.
    """

    pixels: Pixels
    samples: SampleArray
    orientation: int = 1
    metadata: Metadata = field(default_factory=Metadata)
    convert: Converter | None = None
    sha256: str = ""

    @property
    def plain(self) -> bool:
        """Whether the samples are the pixels."""
        return self.samples is self.pixels

    def upright(self, samples: SampleArray) -> SampleArray:
        """A view of ``samples``, which lie as the file's, the right way up."""
        return turned(samples, self.orientation)


def pictures_below(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, by their names' endings, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def read(path: Path) -> Picture:
    """The picture in a file.

    Raises:
        DecodeError: it is no picture we read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DecodeError(RejectReason.UNREADABLE, f"cannot be read: {error.strerror or error}") from error
    return decode(data)


def decode(data: bytes) -> Picture:
    """As :func:`read`, of a file's bytes."""
    pixels = decode_picture(data)
    with LENIENT, Image.open(io.BytesIO(data)) as image:  # decode_picture has judged the size
        picture = _own(image, data, pixels)
    return replace(picture, sha256=hashlib.sha256(data).hexdigest())


def picture_of(given: Path | str | Picture | Pixels) -> Picture:
    """A picture from a file or from upright RGB pixels (H, W, 3) uint8.

    Raises:
        DecodeError: the file is no picture.
        ConfigError: the pixels are of another shape or type.
    """
    if isinstance(given, Picture):
        return given
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3:
            raise ConfigError(f"pixels are (H, W, 3) uint8, not {given.shape} {given.dtype}")
        return Picture(given, given)
    return read(Path(given))


def turned(samples: SampleArray, orientation: int) -> SampleArray:
    """A view of (H, W, C) the right way up, by EXIF's orientation 1 to 8."""
    if orientation in (5, 6, 7, 8):
        samples = samples.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return samples


def _own(image: Image.Image, data: bytes, pixels: Pixels) -> Picture:
    orientation = image.getexif().get(ORIENTATION, 1)
    orientation = orientation if orientation in range(2, 9) else 1
    samples = _deep(image, data)
    if samples is None:
        samples = _shallow(image)
    if samples is None:  # PNG has no such samples
        return Picture(pixels, pixels, 1, _metadata(image, data, upright_srgb=True))
    convert = from_srgb(image.info.get("icc_profile"), grey=samples.shape[2] < 3)
    plain = samples.dtype == np.uint8 and samples.shape[2] == 3 and orientation == 1 and convert is None
    own = pixels if plain else samples
    return Picture(pixels, own, orientation, _metadata(image, data, upright_srgb=False), convert)


def _deep(image: Image.Image, data: bytes) -> SampleArray | None:
    """(H, W, C) uint16 of a 16-bit file, which Pillow would give 8 bits of; else None."""
    depth = data[24] if data.startswith(SIGNATURE) else _tiff_depth(image)
    if depth != 16 or image.mode not in _OWN_MODES | {"I;16", "I;16B"}:
        return None
    read = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if read is None or read.dtype != np.uint16:
        return None
    if read.ndim == 2:
        return np.asarray(read[..., None], dtype=np.uint16)
    code = cv2.COLOR_BGRA2RGBA if read.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(read, code), dtype=np.uint16)


def _tiff_depth(image: Image.Image) -> int:
    tags = getattr(image, "tag_v2", None)
    depths = tags.get(258, (8,)) if tags is not None else (8,)
    return int(max(depths)) if isinstance(depths, tuple) else int(depths)


def _shallow(image: Image.Image) -> npt.NDArray[np.uint8] | None:
    """(H, W, C) uint8, or None where the mode is none of PNG's."""
    if image.mode not in _OWN_MODES | _ON_WHITE:
        return None
    if image.mode in _ON_WHITE or "transparency" in image.info:
        grey = image.mode == "1"
        image = image.convert("L" if grey else "RGBA" if image.has_transparency_data else "RGB")
    samples = np.asarray(image, dtype=np.uint8)
    return samples[..., None] if samples.ndim == 2 else samples


def _metadata(image: Image.Image, data: bytes, *, upright_srgb: bool) -> Metadata:
    """What the file says besides its pixels; of samples that were turned and converted, without turn and profile."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    packet = xmp.decode("utf-8", "replace").rstrip("\0") if isinstance(xmp, bytes) else xmp
    if data.startswith(SIGNATURE):
        chunks = tuple(
            (kind, body) for kind, body in _chunks(data) if kind in _KEPT_CHUNKS and not body.startswith(_XMP)
        )
        return Metadata(chunks, packet)
    profile = None if upright_srgb else image.info.get("icc_profile")
    named = [(b"iCCP", _profile_chunk(profile))] if profile else []
    exif = image.getexif()
    for tag in _LAYOUT_TAGS:
        exif.pop(tag, None)
    if upright_srgb:
        exif.pop(ORIENTATION, None)
    if len(exif):
        named.append((b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    return Metadata(tuple(named), packet)


def _profile_chunk(profile: bytes) -> bytes:
    return b"ICC profile\0\0" + deflate.zlib_compress(profile, 6)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of a PNG's chunks, as far as they are whole."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        if kind != b"IDAT":
            yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length
