"""Declared words reach the shared vocabulary only where they have one counterpart."""

import math
from pathlib import Path

import pytest

from drfhq_tools.labels.declared import declared_labels
from drfhq_tools.labels.vocabularies import TERMS, age_group_class, age_group_of, gender_class, race_class
from drfhq_tools.records import Declared
from drfhq_tools.records.labels import RACES


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
        ("White", "UTKFace", "White"),
        ("Indian", "utkface", "Indian"),
        ("Asian", "UTKFace", None),
        ("Others", "UTKFace", None),
        ("African", "RFW", "Black"),
        ("Caucasian", "RFW", "White"),
        ("Asian", "RFW", None),
        ("Black", "RFW", None),
        ("X_Black", "VALID", None),
        ("White", "Fitzpatrick", None),
        (None, "FairFace", None),
    ],
)
def test_race(word: str | None, vocabulary: str | None, expected: str | None) -> None:
    assert race_class(word, vocabulary) == expected


def test_fairface_words_map_to_themselves() -> None:
    assert [race_class(name, "FairFace") for name in RACES] == list(RACES)


def test_each_term_means_a_class_of_the_vocabulary_or_says_why_not() -> None:
    assert len({(term.vocabulary, term.word) for term in TERMS}) == len(TERMS)
    assert {term.means for term in TERMS} == {*RACES, None}
    assert all(term.why for term in TERMS)


@pytest.mark.parametrize(
    ("word", "group"),
    [
        *(("0-2", "0-2"), ("3-6", "3-9"), ("7-9", "3-9"), ("10-14", "10-19"), ("15-19", "10-19"), ("20-29", "20-29")),
        *(("30-39", "30-39"), ("40-49", "40-49"), ("50-69", None), ("70-120", "70+")),  # FFHQ-Aging's
        *(("more than 70", "70+"), ("over 60", None), ("over 69", "70+"), ("70+", "70+"), ("60+", None)),
        *(("80 and over", "70+"), ("34", "30-39"), ("34 years old", "30-39"), ("31 to 35", "30-39"), ("18-25", None)),
        *(("30s", "30-39"), ("in her 30s", "30-39"), ("Teenager", "10-19"), ("adult", None), ("child", None)),
        *(("35-31", None), ("200", None), ("-3", None), ("3-", None), ("", None), ("99999", None), (None, None)),
    ],
)
def test_ages_lie_in_one_group_or_in_none(word: str | None, group: str | None) -> None:
    assert age_group_class(word) == group


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


def test_the_documented_table_is_the_map() -> None:
    rows = [f"| {t.vocabulary} | {t.word} | {t.means or '—'} | {t.why} |" for t in TERMS if t.vocabulary != "FairFace"]
    document = (Path(__file__).parents[3] / "docs" / "labels.md").read_text(encoding="utf-8")
    table = document.partition("| vocabulary | word | class | why |\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == rows, "docs/labels.md must have these rows:\n" + "\n".join(rows)
