"""Declared words → the classes of the shared vocabulary (FairFace's), only where a word means one class and no other.

Everything else stays unknown, and the word is kept as declared. Race words mean what their vocabulary says, so each
vocabulary has its map, and a word without one has no class. Ages are numbers in every vocabulary: a range belongs to
the group it lies in as a whole, which maps FFHQ-Aging's groups (Or-El et al. 2020) as well as a hand-written "in her
30s", and leaves a range that straddles two groups unknown.

``docs/labels.md`` shows :data:`TERMS` with their reasons.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from drfhq_tools.records import MAX_AGE_YEARS
from drfhq_tools.records.labels import AGE_GROUPS, RACES


class Term(NamedTuple):
    """A word of a vocabulary of race words, the class it means, None where that is not one alone, and why."""

    vocabulary: str
    word: str
    means: str | None
    why: str


TERMS: Final = (
    *(Term("FairFace", name, name, "the vocabulary itself (Kärkkäinen and Joo 2021)") for name in RACES),
    Term("VALID", "AIAN", None, "American Indian or Alaska Native: FairFace has no such class"),
    Term("VALID", "Asian", None, "East Asian, Southeast Asian or Indian"),
    Term("VALID", "Black", "Black", "the same people"),
    Term("VALID", "Hispanic", "Latino_Hispanic", "the same people"),
    Term("VALID", "MENA", "Middle Eastern", "Middle Eastern or North African, which FairFace counts to it"),
    Term("VALID", "NHPI", None, "Native Hawaiian or Pacific Islander: FairFace has no such class"),
    Term("VALID", "White", "White", "the same people: MENA and Hispanic have words of their own"),
    Term("UTKFace", "White", "White", "the same people: Hispanic, Latino and Middle Eastern are among its Others"),
    Term("UTKFace", "Black", "Black", "the same people"),
    Term("UTKFace", "Asian", None, "East Asian or Southeast Asian"),
    Term("UTKFace", "Indian", "Indian", "the same people"),
    Term("UTKFace", "Others", None, "Hispanic, Latino, Middle Eastern and more"),
    Term("RFW", "Caucasian", "White", "its only class of light skin; may hold some whom FairFace calls Middle Eastern"),
    Term("RFW", "Asian", None, "East Asian or Southeast Asian"),
    Term("RFW", "Indian", "Indian", "the same people"),
    Term("RFW", "African", "Black", "the same people"),
)
"""VALID: Do et al. 2023, whose X_ words, of avatars that raters did not agree on, are none of these. UTKFace: Zhang et
al. 2017. RFW: Wang et al. 2019."""


def _key(word: str) -> str:
    return " ".join(word.replace("_", " ").split()).casefold()


_RACES: Final = {(_key(term.vocabulary), _key(term.word)): term.means for term in TERMS}
_GENDERS: Final = {
    word: name
    for name, words in {"female": "female f woman girl", "male": "male m man boy"}.items()
    for word in words.split()
}
_AGE_STARTS: Final = tuple(int(name.split("-")[0].rstrip("+")) for name in AGE_GROUPS)
_OLDEST: Final = int(MAX_AGE_YEARS)
_AGES: Final[tuple[tuple[re.Pattern[str], Callable[..., tuple[int, int]]], ...]] = (
    (re.compile(r"(\d{1,3}) ?(?:-|–|to) ?(\d{1,3})"), lambda first, last: (first, last)),
    (re.compile(r"(\d{1,3})(?: years?(?: old)?)?"), lambda age: (age, age)),
    (re.compile(r"(?:in (?:her|his|their) )?(\d{1,2}0)'?s"), lambda first: (first, first + 9)),
    (re.compile(r"(\d{1,3}) ?(?:\+|and over|or older)"), lambda first: (first, _OLDEST)),
    (re.compile(r"(?:more than|over) (\d{1,3})"), lambda age: (age + 1, _OLDEST)),
    (re.compile(r"teen(?:ager)?"), lambda: (13, 19)),
)
"""Words for ages, and the youngest and the oldest of whom they speak, in full years."""


def gender_class(word: str | None) -> str | None:
    """female, male, or None for another word."""
    return _GENDERS.get(_key(word)) if word else None


def race_class(word: str | None, vocabulary: str | None) -> str | None:
    """FairFace's class of a word of ``vocabulary`` where exactly one corresponds, else None."""
    if not word or not vocabulary:
        return None
    return _RACES.get((_key(vocabulary), _key(word)))


def age_group_class(word: str | None) -> str | None:
    """FairFace's age group in which all ages lie that the word speaks of, such as 30-39 for ``34``, ``31-35`` or
    ``30s``; None where there is none, or the word is another."""
    key = _key(word or "")
    matches = ((pattern.fullmatch(key), ages) for pattern, ages in _AGES)
    youngest, oldest = next((ages(*map(int, match.groups())) for match, ages in matches if match), (1, 0))
    group = age_group_of(youngest)
    return group if youngest <= oldest and group == age_group_of(oldest) else None


def age_group_of(years: float) -> str | None:
    """FairFace's age group of an age in full years; None for an impossible age."""
    if not (math.isfinite(years) and 0 <= years <= MAX_AGE_YEARS):
        return None
    return AGE_GROUPS[sum(start <= int(years) for start in _AGE_STARTS) - 1]
