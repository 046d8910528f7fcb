"""Find faces and their 68 landmarks. ``make_detector`` gives a backend by name; each is one module of this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from drfhq_tools.detect.base import Detector, DetectorSettings
from drfhq_tools.detect.dlib_chain import DlibChain
from drfhq_tools.detect.dlib_cnn import DlibCnn
from drfhq_tools.detect.precomputed import Precomputed
from drfhq_tools.detect.yunet import YUNET, YuNet, load_network
from drfhq_tools.errors import UsageError
from drfhq_tools.models import ModelFile, resolve

__all__ = ["DETECTORS", "Detector", "DetectorSettings", "make_detector", "weights_for"]

DETECTORS: Final[Mapping[str, Callable[[DetectorSettings], Detector]]] = MappingProxyType(
    {"dlib": DlibChain, "dlib-cnn": DlibCnn, YUNET: YuNet, "precomputed": Precomputed}
)


def make_detector(name: str = "dlib", settings: DetectorSettings | None = None) -> Detector:
    """The detector called ``name``; cheap, since weights are loaded by the first picture, once per process.

    Raises:
        UsageError: no detector has this name.
    """
    return _known(name)(settings or DetectorSettings())


def weights_for(name: str, model: Path | None = None) -> ModelFile | None:
    """The model file of the detector called ``name``, known to be fit: ``model``, or the registry's; None for a
    detector that brings its own.

    Raises:
        UsageError: no detector has this name, or it takes no ``model``.
        ModelFileError: the file is missing or holds something else.
    """
    _known(name)
    if name != YUNET:
        if model is not None:
            raise UsageError(f"the detector {name} takes no model file; did you mean --detector {YUNET}?")
        return None
    file = resolve(YUNET, override=model)
    load_network(file.path)
    return file


def _known(name: str) -> Callable[[DetectorSettings], Detector]:
    if name not in DETECTORS:
        raise UsageError(f"unknown detector {name!r}; choose one of: {', '.join(sorted(DETECTORS))}")
    return DETECTORS[name]
