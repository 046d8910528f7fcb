"""Samples → a PNG (W3C PNG, third edition) with what a picture said besides, written a band of rows at a time."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from drfhq_tools.atomic import replacing
from drfhq_tools.png import SIGNATURE
from transfer.scenes.samples import Metadata, SampleArray

_COLOUR_TYPE: Final = {1: 0, 2: 4, 3: 2, 4: 6}
_FILTER_UP: Final = 2
_BAND_BYTES: Final = 1 << 22
_LEVEL: Final = 1


def write_png(path: Path, samples: SampleArray, metadata: Metadata) -> None:
    """Write (H, W, C) uint8 or uint16, C from 1 to 4, to ``path``, which appears whole.

    Raises:
        OSError: the folder is full or not ours to write.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(SIGNATURE)
        for kind, body in _file_chunks(samples, metadata):
            file.write(struct.pack(">I", len(body)) + kind + body)
            file.write(struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))))


def _file_chunks(samples: SampleArray, metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    height, width, channels = samples.shape
    depth = 8 * samples.dtype.itemsize
    yield b"IHDR", struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPE[channels], 0, 0, 0)
    yield from metadata.chunks
    if metadata.xmp is not None:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp.encode()
    for body in _packed(samples):
        yield b"IDAT", body
    yield b"IEND", b""


def _packed(samples: SampleArray) -> Iterator[bytes]:
    """The zlib stream of the filtered rows, in pieces."""
    packer = zlib.compressobj(_LEVEL)
    row_bytes = samples.shape[1] * samples.shape[2] * samples.dtype.itemsize
    rows = max(1, _BAND_BYTES // row_bytes)
    above = np.zeros(row_bytes, dtype=np.uint8)
    for start in range(0, len(samples), rows):
        band = samples[start : start + rows]
        raw = np.ascontiguousarray(band, dtype=band.dtype.newbyteorder(">")).reshape(len(band), -1).view(np.uint8)
        filtered = np.empty((len(raw), row_bytes + 1), dtype=np.uint8)
        filtered[:, 0] = _FILTER_UP
        np.subtract(raw[0], above, out=filtered[0, 1:])
        np.subtract(raw[1:], raw[:-1], out=filtered[1:, 1:])
        above = raw[-1].copy()
        if body := packer.compress(filtered.data):
            yield body
    yield packer.flush()
