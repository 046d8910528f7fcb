"""dlib's CNN alone: slower than the chain on faces HOG finds, and one answer's origin for a whole data set.

The max-margin CNN (King 2015, "Max-Margin Object Detection") also finds turned and half-covered faces. It looks at the
same bounded copy as the last stage of :mod:`drfhq_tools.detect.dlib_chain`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from drfhq_tools.detect.base import DetectorSettings
from drfhq_tools.detect.dlib_chain import find_by_cnn, work_factor
from drfhq_tools.detect.hits import faces_of
from drfhq_tools.records import Detection, Pixels
from drfhq_tools.warp import shrink


@dataclass(frozen=True, slots=True)
class DlibCnn:
    """The CNN, whatever HOG would say."""

    settings: DetectorSettings = field(default_factory=DetectorSettings)
    name: str = "dlib-cnn"

    def detect(self, pixels: Pixels) -> list[Detection]:
        """See :class:`drfhq_tools.detect.base.Detector`."""
        factor = work_factor(pixels.shape[1], pixels.shape[0], self.settings)
        return faces_of(pixels, find_by_cnn(shrink(pixels, factor), factor))
