"""sRGB → a picture's own colours, by its embedded profile.

LittleCMS, as Pillow has it, converts 8 bits. So that a 16-bit picture gets no steps, it is asked for the corners of a
coarse lattice alone, and colours between are interpolated.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms
from scipy.ndimage import map_coordinates

FloatPixels = npt.NDArray[np.float32]
Converter = Callable[[FloatPixels], FloatPixels]
"""(H, W, 3) sRGB in [0, 1] → (H, W, 1 or 3) in [0, 1]."""

_NODES: Final = 33
_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def from_srgb(profile: bytes | None, *, grey: bool) -> Converter | None:
    """How sRGB becomes the colours of a picture with this ICC ``profile``; None where they are sRGB's.

    A profile that cannot be read, or is of another kind than the picture, counts as none, as it does on reading.
    """
    parsed = _foreign(profile) if profile else None
    space = parsed.profile.xcolor_space.strip() if parsed is not None else ""
    if grey:
        return _lattice(parsed, "L") if parsed is not None and space == "GRAY" else _luma
    return _lattice(parsed, "RGB") if parsed is not None and space == "RGB" else None


def _foreign(data: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        return None if "sRGB" in ImageCms.getProfileDescription(profile) else profile
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _luma(rgb: FloatPixels) -> FloatPixels:
    return np.asarray((rgb @ _LUMA)[..., None], dtype=np.float32)


def _lattice(profile: ImageCms.ImageCmsProfile, mode: str) -> Converter | None:
    axis = np.rint(np.linspace(0, 255, _NODES)).astype(np.uint8)
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(_NODES, -1, 3)
    try:
        converted = ImageCms.profileToProfile(
            Image.fromarray(nodes),
            ImageCms.createProfile("sRGB"),
            profile,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode=mode,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    table = np.asarray(converted, dtype=np.float32).reshape(_NODES, _NODES, _NODES, -1) / 255

    def convert(rgb: FloatPixels) -> FloatPixels:
        at = np.moveaxis(rgb.clip(0, 1) * (_NODES - 1), -1, 0)
        channels = [map_coordinates(table[..., k], at, order=1) for k in range(table.shape[-1])]
        return np.asarray(np.stack(channels, axis=-1), dtype=np.float32)

    return convert
