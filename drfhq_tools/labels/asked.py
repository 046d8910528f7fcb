"""Which predictions the settings ask for, and which of them are still to be made."""

from __future__ import annotations

from collections.abc import Iterable

from drfhq_tools.config import BuildConfig
from drfhq_tools.labels import LABELERS
from drfhq_tools.records import LabelScores

_RACE = "race"


def asked(config: BuildConfig) -> dict[str, tuple[str, ...]]:
    """The attributes that each labeler is asked for, in the order they count; race only where it is wanted."""
    return {
        name: tuple(attribute for attribute in LABELERS[name] if attribute != _RACE or config.predict_race)
        for name in config.labeler_hashes
    }


def answers(predictions: Iterable[LabelScores], config: BuildConfig) -> tuple[LabelScores, ...]:
    """Of these predictions those asked for, by the same weights, in the order their labelers count."""
    said = list(predictions)
    wanted = asked(config)
    return tuple(
        label
        for name, weights_sha256 in config.labeler_hashes.items()
        for label in said
        if (label.labeler, label.weights_sha256) == (name, weights_sha256) and label.attribute in wanted[name]
    )


def unanswered(predictions: Iterable[LabelScores], config: BuildConfig) -> list[str]:
    """The labelers that have not said all they are asked for."""
    given = {(label.labeler, label.attribute) for label in answers(predictions, config)}
    return [name for name, attributes in asked(config).items() if not given.issuperset((name, a) for a in attributes)]
