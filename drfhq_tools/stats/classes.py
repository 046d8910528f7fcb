"""Which class each face is of, and which person, as columns of the manifest say.

Two vocabularies: ``fairface``, the classes the manifest settled on whoever named them, and ``declared``, the words as
sidecars wrote them, a race word preceded by the vocabulary it is of. The first has all of FairFace's classes, present
or not; of the second only the words that occur are known. Predictions are no part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, get_args

from drfhq_tools.records.labels import VOCABULARY

Vocabulary = Literal["fairface", "declared"]
Columns = Mapping[str, Sequence[str | None]]
VOCABULARIES: Final[tuple[Vocabulary, ...]] = get_args(Vocabulary)
UNKNOWN: Final = "unknown"
ATTRIBUTES: Final = tuple(VOCABULARY)
COLUMNS: Final = (
    "face_id",
    "subject_id",
    "duplicate_group",
    "race_vocabulary",
    *(f"{attribute}{suffix}" for attribute in ATTRIBUTES for suffix in ("", "_status", "_declared")),
)
"""What the functions here, and the counts, read of the manifest."""


def class_words(columns: Columns, vocabulary: Vocabulary) -> dict[str, list[str]]:
    """By attribute, each face's class in ``vocabulary``; :data:`UNKNOWN` where it has none."""
    if vocabulary == "fairface":
        return {attribute: [value or UNKNOWN for value in columns[attribute]] for attribute in ATTRIBUTES}
    return {attribute: [word or UNKNOWN for word in declared_words(columns, attribute)] for attribute in ATTRIBUTES}


def declared_words(columns: Columns, attribute: str) -> list[str | None]:
    """Each face's word as declared; an age declared in years alone is the group it falls in."""
    words = columns[f"{attribute}_declared"]
    if attribute == "race":
        pairs = zip(columns["race_vocabulary"], words, strict=True)
        return [f"{vocabulary or 'no vocabulary'}: {word}" if word else None for vocabulary, word in pairs]
    settled = zip(words, columns[attribute], columns[f"{attribute}_status"], strict=True)
    return [word or (value if status == "declared" else None) for word, value, status in settled]


def all_classes(
    words: Mapping[str, Sequence[str]], vocabulary: Vocabulary, named: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """By attribute, the classes there are in ``vocabulary``, in its order, those nobody is of included.

    Of ``declared`` that is the words that occur and those ``named``. :data:`UNKNOWN` is none.
    """
    classes = {}
    for attribute in ATTRIBUTES:
        known = VOCABULARY[attribute] if vocabulary == "fairface" else ()
        more = () if vocabulary == "fairface" else named.get(attribute, ())
        classes[attribute] = (*known, *sorted({*words[attribute], *more} - {*known, UNKNOWN}))
    return classes


def people(columns: Columns) -> list[str]:
    """A name of whom each face is of: the subject declared; without one a face and its copies are a person."""
    pairs = zip(columns["subject_id"], columns["duplicate_group"], strict=True)
    return [f"subject {subject}" if subject else f"picture {group}" for subject, group in pairs]
