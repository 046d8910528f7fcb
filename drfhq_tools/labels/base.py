"""What a source of labels is to the rest of the toolkit, and the vocabularies all of them share.

Classes are FairFace's (Kärkkäinen and Joo 2021), stored by name: releases of one data set number them differently.
"""

from __future__ import annotations

from typing import Final, Protocol

from drfhq_tools.records import LabelScores, Pixels, SourceImage

GENDERS: Final = ("female", "male")
AGE_GROUPS: Final = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+")
RACES: Final = ("White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern")
VOCABULARY: Final = {"gender": GENDERS, "age_group": AGE_GROUPS, "race": RACES}


class Labeler(Protocol):
    """Labels one face. ``name`` is what the tables record."""

    @property
    def name(self) -> str: ...

    def label(self, source: SourceImage, num_faces: int, crop: Pixels) -> tuple[LabelScores, ...]:
        """What it has to say of one of the ``num_faces`` faces of ``source``, shown in ``crop`` (S, S, 3).

        At most one entry an attribute; an attribute it knows nothing of is left out.
        """
        ...
