"""Labels as sidecars declare them, brought to the shared vocabulary by :mod:`drfhq_tools.labels.vocabularies`.

A declaration is made of a picture. With several faces in it, it cannot be ascribed to one of them, so none gets it.
"""

from __future__ import annotations

from typing import Final

from drfhq_tools.labels.vocabularies import age_group_class, age_group_of, gender_class, race_class
from drfhq_tools.records import Declared, LabelScores

NAME: Final = "declared"


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
