"""Hashes that name things: of bytes, of files, of a face, of settings, and how a picture looks.

The perceptual hash is the DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
(2010): which of the 64 lowest frequencies of a small grey copy lie above their median. Faces aligned alike share much
of what these say, so a finer one of the same transform tells them apart: the signs of 256 frequencies. Both see luma
alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

_HEX: Final = frozenset("0123456789abcdef")
_CHUNK_BYTES: Final = 1 << 20
_PHASH_PX: Final = 32
_DCT: Final = np.cos(np.pi / _PHASH_PX * np.outer(np.arange(_PHASH_PX), np.arange(_PHASH_PX) + 0.5))
_DCT[0] /= np.sqrt(2)  # orthonormal but for a common factor
_SQUARES: Final = np.add.outer(np.arange(_PHASH_PX) ** 2, np.arange(_PHASH_PX) ** 2)
_FINE: Final = np.argsort(_SQUARES, axis=None, kind="stable")[1:257]  # nearest to the constant one, which is left out


def is_sha256(text: str) -> bool:
    """Whether ``text`` is a sha256 as it is written here: 64 hexadecimal digits in small letters."""
    return len(text) == 64 and _HEX.issuperset(text)


def is_face_id(text: str) -> bool:
    """Whether ``text`` is one of :func:`face_id`: 32 hexadecimal digits in small letters."""
    return len(text) == 32 and _HEX.issuperset(text)


def sha256_bytes(data: bytes) -> str:
    """Hex sha256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def face_id(source_sha256: str, face_index: int) -> str:
    """The face's name for good, 32 hex digits: the picture's bytes and the face's place among its faces decide it."""
    return sha256_bytes(f"{source_sha256}/{face_index}".encode())[:32]


def settings_digest(settings: Mapping[str, object]) -> str:
    """16 hex digits of settings of plain JSON values, whatever their order."""
    return sha256_bytes(json.dumps(settings, sort_keys=True).encode())[:16]


def unit_interval(key: str) -> float:
    """A number in [0, 1) that depends on ``key`` alone, spread evenly over keys."""
    return int(sha256_bytes(key.encode())[:13], 16) / 16**13


def pixels_sha256(pixels: npt.NDArray[np.uint8]) -> str:
    """Hex sha256 of (H, W, 3) RGB uint8 and its shape, whatever file holds it."""
    return sha256_bytes(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())


def phash(pixels: npt.NDArray[np.uint8]) -> str:
    """Perceptual hash, 16 hex digits, of (H, W, 3) RGB uint8: near pictures differ in few bits."""
    return perceptual_hashes(pixels)[0]


def perceptual_hashes(pixels: npt.NDArray[np.uint8]) -> tuple[str, str]:
    """:func:`phash` and the finer one, 64 hex digits, of (H, W, 3) RGB uint8."""
    grey = (
        Image.fromarray(pixels).convert("L").resize((_PHASH_PX, _PHASH_PX), Image.Resampling.LANCZOS, reducing_gap=3.0)
    )
    frequencies = _DCT @ np.asarray(grey, dtype=np.float64) @ _DCT.T
    low = frequencies[:8, :8]
    bits = (low > np.median(low), frequencies.ravel()[_FINE] > 0)
    coarse, fine = (np.packbits(some).tobytes().hex() for some in bits)
    return coarse, fine
