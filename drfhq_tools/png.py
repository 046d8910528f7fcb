"""PNG's chunks (W3C PNG, third edition), as far as they let others read and write pixels faster.

A decoder spends two thirds of its time in zlib, whose work libdeflate does at three times the speed. So a plain file's
pixels are inflated here and handed on in blocks of zlib's that are merely stored (RFC 1950, RFC 1951): the decoder then
has no more to do than check them and undo the filters.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

import deflate

Buffer = bytes | bytearray | memoryview

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
EIGHT_BIT_RGB: Final = (8, 2, 0, 0, 0)  # depth, colour type, compression, filter and interlace method of a header
MOST_BYTES: Final = 1 << 27  # of pixels inflated at once; what is larger is left to the decoder, which goes by rows
_BLOCK: Final = 0xFFFF  # the largest stored block


def joined(*chunks: tuple[bytes, Iterable[Buffer]]) -> bytes:
    """The file of these chunks, each its kind and the pieces of its content."""
    parts: list[Buffer] = [SIGNATURE]
    for kind, content in chunks:
        pieces = list(content)
        check = deflate.crc32(kind)
        for piece in pieces:
            check = deflate.crc32(piece, check)
        length = sum(len(piece) for piece in pieces)
        parts += (struct.pack(">I", length), kind, *pieces, struct.pack(">I", check))
    return b"".join(parts)


def inflated(data: bytes) -> bytes | None:
    """The same 8-bit RGB PNG, its pixels stored and only they; None where it is of another kind, is turned (EXIF), is
    very large or is damaged."""
    try:
        chunks = list(_chunks(data))
        width, height, *method = struct.unpack(">IIBBBBB", chunks[0][1])
        size = height * (1 + 3 * width)
        if tuple(method) != EIGHT_BIT_RGB or size > MOST_BYTES or any(_turns(*item) for item in chunks):
            return None
        packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
        pixels = deflate.zlib_decompress(packed, size)
    except (struct.error, ValueError, IndexError, deflate.DeflateError):
        return None
    if len(pixels) != size:
        return None
    return joined((b"IHDR", [chunks[0][1]]), (b"IDAT", _stored(memoryview(pixels), packed[-4:])), (b"IEND", []))


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each chunk.

    Raises:
        ValueError, struct.error: the file is cut short or damaged.
    """
    view, at, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        (crc,) = struct.unpack_from(">I", data, end)
        kind = bytes(view[at + 4 : at + 8])
        if deflate.crc32(view[at + 4 : end]) != crc:
            raise ValueError(f"the chunk {kind!r} is damaged")
        yield kind, view[at + 8 : end]
        at = end + 4


def _turns(kind: bytes, body: memoryview) -> bool:
    """Whether a chunk may say which way is up."""
    return kind == b"eXIf" or (kind in {b"iTXt", b"tEXt", b"zTXt"} and bytes(body[:32]).startswith(_NOTES))


_NOTES: Final = (b"XML:com.adobe.xmp\0", b"Raw profile type ")


def _stored(content: memoryview, check: bytes) -> Iterator[Buffer]:
    """Pieces of a zlib stream that holds ``content`` as it is; ``check`` is its Adler-32 sum."""
    yield b"\x78\x01"
    for start in range(0, len(content), _BLOCK):
        block = content[start : start + _BLOCK]
        yield struct.pack("<BHH", start + _BLOCK >= len(content), len(block), len(block) ^ 0xFFFF)
        yield block
    yield check
