"""Which weights a data set was made with, and under which licences they stand."""

from __future__ import annotations

from typing import Final, NamedTuple

from drfhq_tools.config import BuildConfig
from drfhq_tools.labels import LABELER_WEIGHTS
from drfhq_tools.models import REGISTRY

_LANDMARKS: Final = "dlib-landmarks-68"
_DETECTORS: Final = {
    "dlib": ("dlib-cnn", _LANDMARKS),
    "dlib-cnn": ("dlib-cnn", _LANDMARKS),
    "yunet": ("yunet", _LANDMARKS),
    "precomputed": (),
}
_IDENTITY: Final = "dlib-resnet"


class Used(NamedTuple):
    """One file of weights, by its registry's words, with the sha256 used where it is known."""

    name: str
    purpose: str
    license: str
    caution: str
    sha256: str | None


def weights_used(config: BuildConfig) -> list[Used]:
    """Those of the detector, the labelers and the identity network that these settings call for."""
    recorded = {LABELER_WEIGHTS[name]: sha256 for name, sha256 in config.labeler_hashes.items()}
    names = [*_DETECTORS[config.detector], *recorded]
    if config.identity_distance:
        names.append(_IDENTITY)
    if config.detector_weights:
        recorded[config.detector] = config.detector_weights
    return [_used(name, recorded.get(name)) for name in names]


def _used(name: str, sha256: str | None) -> Used:
    entry = REGISTRY[name]
    known = entry.content.sha256 if entry.content else None
    return Used(name, entry.purpose, entry.license, entry.caution, sha256 or known)
