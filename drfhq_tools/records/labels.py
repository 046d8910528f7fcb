"""What one source says of one attribute of a face, and the classes there are.

Classes are FairFace's (Kärkkäinen and Joo 2021), stored by name: releases of one data set number them differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

GENDERS: Final = ("female", "male")
AGE_GROUPS: Final = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
RACES: Final = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")
VOCABULARY: Final = {"gender": GENDERS, "age_group": AGE_GROUPS, "race": RACES}

LabelStatus = Literal["declared", "predicted", "reviewed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """One attribute of one face from one source; classes are stored by name, never by index.

    ``value`` is the class it names, None for unknown. ``declared`` is the word as a sidecar wrote it. A network alone
    has a probability vector: else ``classes`` and ``probabilities`` are empty.
    """

    attribute: str
    value: str | None
    status: LabelStatus
    labeler: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    weights_sha256: str | None = None
    declared: str | None = None
