"""Declared words reach the shared vocabulary only where they have one counterpart."""

import math

import numpy as np
import pytest

from drfhq_tools.labels.base import RACES
from drfhq_tools.labels.declared import (
    DeclaredLabeler,
    age_group_class,
    age_group_of,
    declared_labels,
    gender_class,
    race_class,
)
from drfhq_tools.records import Declared, SourceImage


@pytest.mark.parametrize(
    ("word", "vocabulary", "expected"),
    [
        ("Black", "VALID", "Black"),
        ("White", "VALID", "White"),
        ("MENA", "VALID", "Middle Eastern"),
        ("Hispanic", "VALID", "Latino_Hispanic"),
        ("AIAN", "VALID", None),
        ("NHPI", "VALID", None),
        ("Asian", "VALID", None),
        ("East Asian", "VALID", None),
        ("latino hispanic", "fairface", "Latino_Hispanic"),
        (" east_asian ", "FairFace", "East Asian"),
        ("Asian", "FairFace", None),
        ("White", None, None),
        ("White", "UTKFace", None),
        (None, "FairFace", None),
    ],
)
def test_race(word: str | None, vocabulary: str | None, expected: str | None) -> None:
    assert race_class(word, vocabulary) == expected


def test_fairface_words_map_to_themselves() -> None:
    assert [race_class(name, "FairFace") for name in RACES] == list(RACES)


@pytest.mark.parametrize(
    ("years", "group"),
    [(0, "0-2"), (2.9, "0-2"), (3, "3-9"), (9.99, "3-9"), (10, "10-19"), (69, "60-69"), (70, "70+"), (112, "70+")],
)
def test_age_groups_by_full_years(years: float, group: str) -> None:
    assert age_group_of(years) == group


@pytest.mark.parametrize("years", [-1.0, 131.0, math.nan, math.inf])
def test_impossible_ages_have_no_group(years: float) -> None:
    assert age_group_of(years) is None


def test_other_words() -> None:
    assert [gender_class(word) for word in ("Female", "M", " woman ", "man", "diverse", None)] == [
        "female",
        "male",
        "female",
        "male",
        None,
        None,
    ]
    assert [age_group_class(word) for word in ("20-29", "more than 70", "young", "50-69")] == [
        "20-29",
        "70+",
        None,
        None,
    ]


def by_attribute(declared: Declared) -> dict[str, tuple[str | None, str, str | None]]:
    return {label.attribute: (label.value, label.status, label.declared) for label in declared_labels(declared)}


def test_a_word_without_class_is_kept_and_unknown() -> None:
    said = by_attribute(Declared(gender="female", race="AIAN", race_vocabulary="VALID"))
    assert said == {"gender": ("female", "declared", "female"), "race": (None, "unknown", "AIAN")}


def test_years_give_the_group_where_none_is_declared() -> None:
    assert by_attribute(Declared(age_years=34))["age_group"] == ("30-39", "declared", None)
    assert by_attribute(Declared(age_years=34, age_group="40-49"))["age_group"] == ("40-49", "declared", "40-49")
    assert by_attribute(Declared(age_years=34, age_group="young"))["age_group"] == ("30-39", "declared", "young")
    assert by_attribute(Declared()) == {}


def test_a_picture_of_several_faces_declares_nothing_of_one() -> None:
    source = SourceImage(path="a", paths=("a",), sha256="0", size_bytes=1, declared=Declared(gender="male"))
    crop = np.zeros((4, 4, 3), np.uint8)
    assert len(DeclaredLabeler().label(source, 1, crop)) == 1
    assert DeclaredLabeler().label(source, 2, crop) == ()
