"""Small pictures as data URIs: of crops, and of what was left out, cut anew from the raw pictures.

A picture is shown only where its bytes are those that the tables name: a path that leads elsewhere shows nothing, and
neither does a crop that was damaged or a raw picture that was changed. Thumbnails are WebP of :data:`SIDE_PX`².
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from PIL import Image

from drfhq_tools.align import align
from drfhq_tools.errors import DecodeError
from drfhq_tools.geometry import Quad
from drfhq_tools.hashing import sha256_bytes
from drfhq_tools.imageio import decode_picture
from drfhq_tools.records import FaceRecord, Pixels, Reject

SIDE_PX: Final = 128
_QUALITY: Final = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnails:
    """Data URIs by face_id, of faces kept and left out, and by sha256 of pictures without a face; ``missing`` could not
    be shown though they should be."""

    faces: Mapping[str, str]
    pictures: Mapping[str, str]
    missing: int


def crop_thumbnails(faces: Iterable[FaceRecord], data: Path) -> Thumbnails:
    """Those of kept faces, from their crops in the data set ``data``."""
    wanted = {face.face_id: face for face in faces}
    found: dict[str, str] = {}
    for name, face in wanted.items():
        pixels = _pixels(data, face.image_path, face.image_sha256, face.size_px**2)
        if pixels is not None:
            found[name] = data_uri(pixels)
    return Thumbnails(faces=found, pictures={}, missing=len(wanted) - len(found))


def raw_thumbnails(rejects: Iterable[Reject], raw: Path, max_pixels: int) -> Thumbnails:
    """Those of what was left out, from the pictures in ``raw``, each opened once: a face at its quad, or all of it."""
    faces: dict[str, str] = {}
    pictures: dict[str, str] = {}
    by_picture: dict[tuple[str, str], list[Reject]] = {}
    for reject in rejects:
        sha256 = reject.found.source_sha256 if reject.found else reject.source_sha256
        by_picture.setdefault((reject.source_path, sha256 or ""), []).append(reject)
    missing = 0
    for (path, sha256), rows in sorted(by_picture.items()):
        pixels = _pixels(raw, path, sha256, max_pixels)
        for reject in rows:
            uri = None if pixels is None else _cut(pixels, reject)
            if uri is None:
                missing += 1
            elif reject.candidate:
                faces[reject.candidate.face_id] = uri
            else:
                pictures[sha256] = uri
    return Thumbnails(faces=faces, pictures=pictures, missing=missing)


def data_uri(pixels: Pixels) -> str:
    """(H, W, 3) RGB uint8 as a WebP of at most :data:`SIDE_PX` a side."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=_QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _cut(pixels: Pixels, reject: Reject) -> str | None:
    if reject.found is None:
        return data_uri(pixels)
    try:
        return data_uri(align(pixels, Quad.from_row(list(reject.found.quad)), SIDE_PX).pixels)
    except ValueError:  # a quad that no build would have written
        return None


def _pixels(root: Path, relative: str, sha256: str, max_pixels: int) -> Pixels | None:
    """The picture at a path below ``root``; None where there is none of these bytes."""
    below = PurePath(relative)
    if below.is_absolute() or below.drive or ".." in below.parts or not (root / below).is_file():
        return None
    try:
        data = (root / below).read_bytes()
        return decode_picture(data, max_pixels) if sha256_bytes(data) == sha256 else None
    except (OSError, DecodeError):
        return None
