"""The crops on disk: a PNG's first and last bytes in passing, or all of it; and files that no row names."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from drfhq_tools.errors import DecodeError
from drfhq_tools.hashing import perceptual_hashes, pixels_sha256, sha256_bytes
from drfhq_tools.imageio import decode_picture
from drfhq_tools.manifest.built import image_path
from drfhq_tools.records import FaceRecord

_HEAD: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_HEAD_BYTES: Final = len(_HEAD) + 10
_TAIL: Final = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_EIGHT_BIT_RGB: Final = (8, 2)


def glance(path: Path, size_px: int) -> str | None:
    """What is wrong with a crop by its first 26 and last 12 bytes; None where nothing is."""
    try:
        if path.is_symlink():
            return "is a link, must be a file of its own"
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(max(0, os.fstat(file.fileno()).st_size - len(_TAIL)))
            tail = file.read()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return _read_off(head, tail, size_px)


def _read_off(head: bytes, tail: bytes, size_px: int) -> str | None:
    if len(head) < _HEAD_BYTES or not head.startswith(_HEAD):
        return "is no PNG"
    width, height, *kind = struct.unpack(">IIBB", head[len(_HEAD) :])
    if (width, height) != (size_px, size_px):
        return f"is {width}×{height}, must be {size_px}×{size_px}"
    if tuple(kind) != _EIGHT_BIT_RGB:
        return "is not of 8 bits RGB"
    return None if tail == _TAIL else "is truncated, or something is appended to it"


def study(path: Path, face: FaceRecord) -> Iterator[str]:
    """What is wrong with a crop by all its bytes, against its row."""
    try:
        data = path.read_bytes()
        if sha256_bytes(data) != face.image_sha256:
            yield "its bytes are not those of image_sha256"
        pixels = decode_picture(data, face.size_px**2)
    except (OSError, DecodeError) as error:
        yield str(error)
        return
    if pixels.shape != (face.size_px, face.size_px, 3):
        yield f"decodes to {pixels.shape}"
        return
    if pixels_sha256(pixels) != face.pixels_sha256:
        yield "its pixels are not those of pixels_sha256"
    if perceptual_hashes(pixels) != (face.phash, face.phash_fine):
        yield "phash or phash_fine is not the one of its pixels"


def strays(folder: Path, faces: int) -> Iterator[str]:
    """Files below ``folder``, POSIX and beginning with its name, that are no crop of ``faces`` ones by their name."""
    for where, folders, files in os.walk(folder):
        base = Path(where).relative_to(folder.parent).as_posix()
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        for name in sorted([*files, *links]):
            number = name.removesuffix(".png")
            known = number.isascii() and number.isdecimal() and int(number) < faces
            if not (known and image_path(int(number)) == f"{base}/{name}"):
                yield f"{base}/{name}"
