"""Faces given beside the picture: whoever knows the landmarks, such as the program that rendered it, need not guess.

The sidecar is read by :mod:`drfhq_tools.sources.sidecar`, which refuses what is no face at all; whether the face is
one of this picture shows only here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from drfhq_tools.detect.base import DetectorSettings
from drfhq_tools.errors import SidecarError
from drfhq_tools.geometry import IBUG68
from drfhq_tools.records import Detection, GivenFace, Pixels

LEAST_INSIDE: Final = 0.5  # of the landmarks


@dataclass(frozen=True, slots=True)
class Precomputed:
    """The faces of ``settings.given``, and no others. Their repeatability is unknown."""

    settings: DetectorSettings = field(default_factory=DetectorSettings)
    name: str = "precomputed"

    def detect(self, pixels: Pixels) -> list[Detection]:
        """See :class:`drfhq_tools.detect.base.Detector`."""
        height, width = pixels.shape[:2]
        faces = [self._detection(face, width, height) for face in self.settings.given]
        return sorted(faces, key=lambda face: face.box_xyxy[:2])

    def _detection(self, face: GivenFace, width: int, height: int) -> Detection:
        points = face.landmarks_xy
        inside = ((points >= -0.5) & (points <= (width - 0.5, height - 0.5))).all(axis=1)
        if inside.mean() < LEAST_INSIDE:
            raise SidecarError(
                f"the landmarks given lie outside the picture of {width} x {height} pixels; they must be in pixels of "
                "the upright picture"
            )
        return Detection(
            box_xyxy=face.box or (*points.min(axis=0).tolist(), *points.max(axis=0).tolist()),
            landmarks=points,
            scheme=IBUG68,
            score=1.0,
            detector=self.name,
        )
