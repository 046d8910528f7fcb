"""What a face detector is to the rest of the toolkit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from drfhq_tools.errors import UsageError
from drfhq_tools.records import Detection, Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """How small a face is looked for, and how much work a picture may cost.

    Attributes:
        min_face_px: faces whose box is narrower than this, in source pixels, need not be found.
        max_work_px: area of the copy the detector looks at, in pixels, whatever the picture's size and shape.
    """

    min_face_px: int = 80
    max_work_px: int = 1024 * 1024

    def __post_init__(self) -> None:
        if self.min_face_px < 1 or self.max_work_px < 1:
            raise UsageError("min_face_px and max_work_px must be positive")


class Detector(Protocol):
    """Finds faces. ``name`` is what the manifest records."""

    @property
    def name(self) -> str: ...

    def detect(self, pixels: Pixels) -> list[Detection]:
        """Every face of an upright (H, W, 3) uint8 RGB picture, ordered by its box's (x0, y0).

        Boxes and landmarks are in pixel-index coordinates of the whole picture (:mod:`drfhq_tools.geometry`).
        """
        ...
