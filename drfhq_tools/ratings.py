"""Which pictures are rated mature, and which faces may be a minor's: words and numbers alone, nothing is looked at.

Galleries of renders hold nudes, and faces drawn young. What a publisher's rating says is all that is known here of what
a picture shows, and ages are declared or guessed: this is a filter, not a guarantee.
"""

from __future__ import annotations

import re
from typing import Final

MATURE_WORDS: Final = frozenset(
    (
        "18",
        "adult",
        "adultonly",
        "adults",
        "ao",
        "erotic",
        "erotica",
        "explicit",
        "hentai",
        "lewd",
        "mature",
        "nc17",
        "nsfw",
        "nude",
        "nudes",
        "nudity",
        "porn",
        "pornographic",
        "r18",
        "r18g",
        "restricted",
        "sexual",
        "x",
        "xrated",
        "xxx",
    )
)
"""The closed list: a rating that is one of these, or has one among its words, is mature; case, hyphens and a trailing
plus don't matter."""

ADULT_YEARS: Final = 18
MINOR_AGE_GROUPS: Final = ("0-2", "3-9", "10-19")
"""FairFace's groups that begin below :data:`ADULT_YEARS`; the last reaches beyond, and counts as a whole."""


def is_mature(rating: str | None) -> bool:
    """Whether a publisher's rating says so; a word that is not known is no sign, nor is no rating.

    A word is enough, whatever stands around it: ``not mature`` is taken for mature, which errs on the side of leaving
    out.
    """
    parts = re.findall(r"[\w-]+", (rating or "").casefold().replace("_", " "))
    return not MATURE_WORDS.isdisjoint(word for part in parts for word in (part.replace("-", ""), *part.split("-")))


def is_minor(age_years: float | None, age_group: str | None) -> bool | None:
    """Whether someone is under 18 by a declared age in years, else by FairFace's group; None where neither is known."""
    if age_years is not None:
        return age_years < ADULT_YEARS
    return None if age_group is None else age_group in MINOR_AGE_GROUPS
