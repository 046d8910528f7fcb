"""dlib's CNN alone: slower than the chain on faces HOG finds, and one answer's origin for a whole data set.

The max-margin CNN (King 2015, "Max-Margin Object Detection") also finds turned and half-covered faces. It looks at the
same bounded copy as the last stage of :mod:`drfhq_tools.detect.dlib_chain`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from drfhq_tools.detect.base import DetectorSettings
from drfhq_tools.detect.dlib_chain import find_by_cnn
from drfhq_tools.detect.hits import faces_of
from drfhq_tools.records import Detection, Pixels


@dataclass(frozen=True, slots=True)
class DlibCnn:
    """The CNN, whatever HOG would say."""

    settings: DetectorSettings = field(default_factory=DetectorSettings)
    name: str = "dlib-cnn"

    def detect(self, pixels: Pixels) -> list[Detection]:
        """See :class:`drfhq_tools.detect.base.Detector`."""
        return faces_of(pixels, find_by_cnn(pixels))
