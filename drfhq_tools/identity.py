"""Who a crop looks like: the embedding of dlib's face recognition ResNet (D. King, 2017)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, Protocol, cast

import dlib
import numpy as np
from PIL import Image

from drfhq_tools.models import resolve
from drfhq_tools.records import Pixels

_CHIP_PX: Final = 150
_CHIP_BOX: Final = (0.163, 0.260, 0.841, 0.938)
"""What dlib's own chip shows of an FFHQ square, as shares of its side: left, top, right, bottom."""


class _Network(Protocol):
    """dlib.face_recognition_model_v1."""

    def compute_face_descriptor(self, chip: Pixels) -> Sequence[float]: ...


def embed(crop: Pixels) -> tuple[float, ...]:
    """128 numbers, each a float32, of a face aligned as (S, S, 3): near for one person by Euclidean distance.

    Raises:
        ModelFileError: the weights are missing or damaged.
    """
    side = crop.shape[0]
    left, top, right, bottom = (share * side for share in _CHIP_BOX)
    chip = Image.fromarray(crop).resize(
        (_CHIP_PX, _CHIP_PX), Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=3.0
    )
    descriptor = _network().compute_face_descriptor(np.ascontiguousarray(chip, dtype=np.uint8))
    return tuple(np.array(descriptor, dtype=np.float32).tolist())


@functools.cache
def _network() -> _Network:
    return cast(_Network, dlib.face_recognition_model_v1(str(resolve("dlib-resnet").path)))
