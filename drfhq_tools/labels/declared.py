"""Labels as sidecars declare them, brought to the shared vocabulary only where a word has one counterpart.

A declaration is made of a picture. With several faces in it, it cannot be ascribed to one of them, so none gets it.
Of VALID's words (Do et al. 2023) AIAN, NHPI and Asian have no single counterpart in FairFace: the word is kept as
declared and the class stays unknown. So is a race word whose vocabulary is not named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from drfhq_tools.labels.base import AGE_GROUPS, RACES
from drfhq_tools.records import MAX_AGE_YEARS, Declared, LabelScores, Pixels, SourceImage

NAME: Final = "declared"


def _key(word: str) -> str:
    return " ".join(word.replace("_", " ").split()).casefold()


_GENDERS: Final = {
    word: name for name, words in {"female": "female f woman", "male": "male m man"}.items() for word in words.split()
}
_AGE_GROUPS: Final = {**{_key(name): name for name in AGE_GROUPS}, "more than 70": "70+", "70-120": "70+"}
_RACES: Final[Mapping[str, Mapping[str, str]]] = {
    "fairface": {_key(name): name for name in RACES},
    "valid": {"black": "Black", "white": "White", "mena": "Middle Eastern", "hispanic": "Latino_Hispanic"},
}
_AGE_STARTS: Final = tuple(int(name.split("-")[0].rstrip("+")) for name in AGE_GROUPS)


class DeclaredLabeler:
    """The :class:`~drfhq_tools.labels.base.Labeler` of what sidecars declare."""

    name = NAME

    def label(self, source: SourceImage, num_faces: int, crop: Pixels) -> tuple[LabelScores, ...]:  # noqa: ARG002
        """See :class:`~drfhq_tools.labels.base.Labeler`."""
        return declared_labels(source.declared) if num_faces == 1 else ()


def declared_labels(declared: Declared) -> tuple[LabelScores, ...]:
    """One entry for each attribute something was declared of."""
    age = age_group_class(declared.age_group)
    if age is None and declared.age_years is not None:
        age = age_group_of(declared.age_years)
    said = (
        ("gender", declared.gender, gender_class(declared.gender)),
        ("age_group", declared.age_group, age),
        ("race", declared.race, race_class(declared.race, declared.race_vocabulary)),
    )
    return tuple(
        LabelScores(
            attribute=attribute,
            value=value,
            status="declared" if value else "unknown",
            labeler=NAME,
            declared=word,
        )
        for attribute, word, value in said
        if word or value
    )


def gender_class(word: str | None) -> str | None:
    """female, male, or None for another word."""
    return _GENDERS.get(_key(word)) if word else None


def age_group_class(word: str | None) -> str | None:
    """FairFace's age group of this name, or None for another word."""
    return _AGE_GROUPS.get(_key(word)) if word else None


def age_group_of(years: float) -> str | None:
    """FairFace's age group of an age in full years; None for an impossible age."""
    if not (math.isfinite(years) and 0 <= years <= MAX_AGE_YEARS):
        return None
    return AGE_GROUPS[sum(start <= int(years) for start in _AGE_STARTS) - 1]


def race_class(word: str | None, vocabulary: str | None) -> str | None:
    """FairFace's class of a word of ``vocabulary`` where exactly one corresponds, else None."""
    if not word or not vocabulary:
        return None
    return _RACES.get(_key(vocabulary), {}).get(_key(word))
