"""What one source says of one attribute of a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LabelStatus = Literal["declared", "predicted", "reviewed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """One attribute of one face from one source; classes are stored by name, never by index.

    ``value`` is the class it names, None for unknown. ``declared`` is the word as a sidecar wrote it. A network alone
    has a probability vector: else ``classes`` and ``probabilities`` are empty.
    """

    attribute: str
    value: str | None
    status: LabelStatus
    labeler: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    weights_sha256: str | None = None
    declared: str | None = None
