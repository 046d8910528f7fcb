"""Find faces and their 68 landmarks. ``make_detector`` gives a backend by name; each is one module of this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from drfhq_tools.detect.base import Detector, DetectorSettings
from drfhq_tools.detect.dlib_chain import DlibChain
from drfhq_tools.errors import UsageError

__all__ = ["DETECTORS", "Detector", "DetectorSettings", "make_detector"]

DETECTORS: Final[Mapping[str, Callable[[DetectorSettings], Detector]]] = MappingProxyType({"dlib": DlibChain})


def make_detector(name: str = "dlib", settings: DetectorSettings | None = None) -> Detector:
    """The detector called ``name``; cheap, since weights are loaded by the first picture, once per process.

    Raises:
        UsageError: no detector has this name.
    """
    if name not in DETECTORS:
        raise UsageError(f"unknown detector {name!r}; choose one of: {', '.join(sorted(DETECTORS))}")
    return DETECTORS[name](settings or DetectorSettings())
