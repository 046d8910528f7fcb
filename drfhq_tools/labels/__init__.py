"""What is said of a face: its gender, age group and race, by whom, and how surely.

Words declared of a picture are brought to the vocabulary in ``declared``; the other modules are networks that look at
the aligned crop. ``make_labeler`` gives one of these by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from drfhq_tools.errors import UsageError
from drfhq_tools.labels.base import Labeler
from drfhq_tools.labels.dlib_gender import DlibGender
from drfhq_tools.labels.faceapi import FaceApi
from drfhq_tools.labels.fairface import FairFace
from drfhq_tools.models import ModelFile, resolve

__all__ = ["LABELERS", "LABELER_WEIGHTS", "Labeler", "labeler_weights", "make_labeler"]

LABELERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {labeler.name: labeler.attributes for labeler in (DlibGender, FaceApi, FairFace)}
)
"""The attributes each labeler speaks of."""

_MAKERS: Final[Mapping[str, Callable[[ModelFile], Labeler]]] = {
    labeler.name: labeler for labeler in (DlibGender, FaceApi, FairFace)
}
LABELER_WEIGHTS: Final[Mapping[str, str]] = {
    DlibGender.name: "dlib-gender",
    FaceApi.name: "faceapi-age-gender",
    FairFace.name: "fairface",
}
"""What the registry calls them."""


def labeler_weights(name: str, weights: Path | None = None) -> ModelFile:
    """The file of the labeler called ``name``, with its sha256: ``weights``, or the registry's; nothing is loaded.

    Raises:
        UsageError: no labeler has this name.
        ModelFileError: the file is missing or damaged; the message says how to get it.
    """
    return resolve(LABELER_WEIGHTS[_known(name)], override=weights)


def make_labeler(name: str, weights: Path | None = None) -> Labeler:
    """The labeler called ``name``, its network loaded.

    Raises:
        UsageError: no labeler has this name.
        ModelFileError: the file is missing, damaged or holds another network.
    """
    return _MAKERS[_known(name)](labeler_weights(name, weights))


def _known(name: str) -> str:
    if name not in LABELERS:
        raise UsageError(f"unknown labeler {name!r}; choose one of: {', '.join(LABELERS)}")
    return name
