"""Small copies of the crops, made when they are asked for and kept in memory up to a limit, the longest unused going
first. None is written anywhere, and browsers are told to keep none."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Final

import cv2

from drfhq_tools.imageio import read_picture

SIDE_PX: Final = 256
_QUALITY: Final = 88
_KEPT_BYTES: Final = 96 * 1024 * 1024  # some 10,000 of them


class Thumbnails:
    """JPEG bytes by the crop's sha256."""

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self.kept_bytes = kept_bytes
        self.bytes_now = 0
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def of(self, sha256: str, picture: Path) -> bytes:
        """A JPEG of at most :data:`SIDE_PX` a side.

        Raises:
            DecodeError: ``picture`` is damaged.
        """
        with self._lock:
            if sha256 in self._made:
                self._made.move_to_end(sha256)
                return self._made[sha256]
        made = _thumbnail(picture)
        with self._lock:
            if sha256 not in self._made:
                self.bytes_now += len(made)
            self._made[sha256] = made
            while self.bytes_now > self.kept_bytes:
                self.bytes_now -= len(self._made.popitem(last=False)[1])
        return made


def _thumbnail(picture: Path) -> bytes:
    pixels = read_picture(picture)
    scale = SIDE_PX / max(pixels.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    else:
        small = pixels
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(jpeg.tobytes())
