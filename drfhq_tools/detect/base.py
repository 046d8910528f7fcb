"""What a face detector is to the rest of the toolkit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drfhq_tools.errors import UsageError
from drfhq_tools.records import Detection, GivenFace, Pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """What a detector is told before it sees a picture; each takes of it what it needs.

    Attributes:
        min_face_px: faces whose box is narrower than this, in source pixels, need not be found.
        max_work_px: area of the copy the detector looks at, in pixels, whatever the picture's size and shape.
        weights: the model file of a detector that brings none.
        given: the faces a sidecar names in the picture, for the detector that looks no further.
    """

    min_face_px: int = 80
    max_work_px: int = 640 * 1024
    weights: Path | None = None
    given: tuple[GivenFace, ...] = ()

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

        Raises:
            ModelFileError: weights are missing or unfit.
            SidecarError: the faces given cannot be those of this picture.
        """
        ...
