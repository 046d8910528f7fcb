"""All that is said of one face → what counts, in the columns of the manifest. Pure.

What a person reviewed beats what was declared, and that beats what a network predicted. A source is believed in what it
leaves open, too: a reviewer's "cannot be told", or a declared word that has no class, stays unknown, and no prediction
takes its place; a person declared AIAN is none of FairFace's classes, whatever a network makes of the face. Predictions
speak where nobody said anything, and then the first labeler counts that is sure enough to name a class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from drfhq_tools.labels.declared import NAME as DECLARED
from drfhq_tools.ratings import is_minor
from drfhq_tools.records import LabelScores, LabelStatus
from drfhq_tools.records.labels import VOCABULARY

REVIEW: Final = "review"
"""The labeler of what a person reviewed."""

_ATTRIBUTES: Final = tuple(VOCABULARY)
_RANKS: Final = {REVIEW: 0, DECLARED: 1}
_PREDICTED: Final = 2


def settle(
    *,
    reviewed: Mapping[str, str | None],
    declared: Iterable[LabelScores],
    predicted: Iterable[LabelScores],
    min_probability: float,
) -> tuple[LabelScores, ...]:
    """The rows of one face, by attribute in the vocabulary's order and then from the source that counts most to the one
    that counts least.

    ``reviewed`` has a class by attribute, None for one that cannot be told. ``predicted`` are in the order their
    labelers count; the vector decides their value, None below ``min_probability``.
    """
    rows = [
        *(_reviewed(attribute, value) for attribute, value in reviewed.items()),
        *declared,
        *(_abstaining(label, min_probability) for label in predicted),
    ]
    return tuple(sorted(rows, key=lambda label: (_ATTRIBUTES.index(label.attribute), _rank(label))))


def columns(labels: Sequence[LabelScores]) -> dict[str, object]:
    """The five columns of each attribute, from rows in the order of :func:`settle`."""
    said: dict[str, object] = {}
    for attribute in _ATTRIBUTES:
        rows = [label for label in labels if label.attribute == attribute]
        winner = _winner(rows)
        said |= {
            attribute: winner and winner.value,
            f"{attribute}_status": winner.status if winner else "unknown",
            f"{attribute}_probability": max(winner.probabilities, default=None) if winner else None,
            f"{attribute}_labeler": winner and winner.labeler,
            f"{attribute}_declared": next((label.declared for label in rows if label.labeler == DECLARED), None),
        }
    return said


def may_be_minor(age_years: float | None, labels: Sequence[LabelScores]) -> bool | None:
    """Whether the face may be of someone under 18: where any source says so; None where none knows an age.

    A declared age in years goes before a declared group. A prediction counts by its likeliest class, however unsure,
    and against a declared adult, but not against a person who looked and named a group.
    """
    ages = [label for label in labels if label.attribute == "age_group"]
    declared = next((label.value for label in ages if label.labeler == DECLARED), None)
    reviewed = next((label.value for label in ages if label.labeler == REVIEW), None)
    guesses = [_likeliest(label) for label in ages if is_prediction(label)] if reviewed is None else []
    answers = {is_minor(age_years, declared), *(is_minor(None, group) for group in (reviewed, *guesses))}
    return True if True in answers else (False if False in answers else None)


def is_prediction(label: LabelScores) -> bool:
    """Whether a network said so; it alone has a probability vector."""
    return bool(label.probabilities)


def _winner(rows: Sequence[LabelScores]) -> LabelScores | None:
    """Of the rows of one attribute."""
    if not rows or not is_prediction(rows[0]):
        return rows[0] if rows else None
    return next((label for label in rows if label.value is not None), rows[0])


def _rank(label: LabelScores) -> int:
    return _RANKS.get(label.labeler, _PREDICTED)


def _reviewed(attribute: str, value: str | None) -> LabelScores:
    status: LabelStatus = "unknown" if value is None else "reviewed"
    return LabelScores(attribute=attribute, value=value, status=status, labeler=REVIEW)


def _abstaining(label: LabelScores, min_probability: float) -> LabelScores:
    if max(label.probabilities) < min_probability:
        return replace(label, value=None, status="unknown")
    return replace(label, value=_likeliest(label), status="predicted")


def _likeliest(label: LabelScores) -> str:
    """The first of the most probable classes."""
    return label.classes[label.probabilities.index(max(label.probabilities))]
