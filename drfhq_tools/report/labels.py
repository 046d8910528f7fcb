"""What is said of the faces: by which words, with what status, how surely."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from drfhq_tools.labels.declared import NAME as DECLARED
from drfhq_tools.records import FaceRecord, LabelScores, LabelStatus
from drfhq_tools.report.measures import Histogram, histogram
from drfhq_tools.stats import ATTRIBUTES, UNKNOWN, Stats

STATUSES: Final[tuple[LabelStatus, ...]] = get_args(LabelStatus)
CONFIDENCE_BINS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """One attribute: ``rows`` gives, by class in the vocabulary's order and unknown last, the faces of each status."""

    attribute: str
    rows: Mapping[str, Mapping[LabelStatus, int]]

    @property
    def largest(self) -> int:
        """Faces of the most frequent class."""
        return max(sum(row.values()) for row in self.rows.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word as declared, of a ``vocabulary`` where one was named, the class it stands for in the data set, if any, and
    in how many faces."""

    attribute: str
    vocabulary: str | None
    word: str
    stands_for: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """What one labeler guessed of one attribute: ``histogram`` of the largest probability of each face; ``abstained``
    of ``faces`` it named no class of."""

    labeler: str
    attribute: str
    faces: int
    abstained: int
    histogram: Histogram


def compositions(faces: Sequence[FaceRecord], stats: Stats) -> tuple[Composition, ...]:
    """Who is there, attribute by attribute; classes nobody has are shown with nobody."""
    return tuple(_composition(attribute, stats.classes[attribute], faces) for attribute in ATTRIBUTES)


def words(faces: Iterable[FaceRecord], labels: Mapping[str, Sequence[LabelScores]]) -> tuple[Word, ...]:
    """The words as declared of faces, by what ``labels`` says of each, most frequent first within an attribute."""
    counts: Counter[tuple[str, str | None, str, str | None]] = Counter()
    for face in faces:
        for label in labels.get(face.face_id, ()):
            if label.labeler == DECLARED and label.declared:
                vocabulary = face.race_vocabulary if label.attribute == "race" else None
                counts[label.attribute, vocabulary, label.declared, label.value] += 1
    found = [Word(attribute=a, vocabulary=v, word=w, stands_for=s, count=n) for (a, v, w, s), n in counts.items()]
    return tuple(
        sorted(
            found,
            key=lambda one: (ATTRIBUTES.index(one.attribute), -one.count, one.vocabulary or "", one.word),
        )
    )


def confidences(labels: Iterable[LabelScores]) -> tuple[Confidence, ...]:
    """One entry for each labeler and attribute that probabilities are known of."""
    said: dict[tuple[str, str], list[LabelScores]] = {}
    for label in labels:
        if label.probabilities:
            said.setdefault((label.attribute, label.labeler), []).append(label)
    return tuple(_confidence(labeler, attribute, said[attribute, labeler]) for attribute, labeler in sorted(said))


def race_word(face: FaceRecord) -> str:
    """The class of race, else the word as declared with its vocabulary, else unknown."""
    if face.race:
        return face.race
    if face.race_declared:
        return f"{face.race_declared} ({face.race_vocabulary or 'no vocabulary'})"
    return UNKNOWN


def _composition(attribute: str, classes: Sequence[str], faces: Iterable[FaceRecord]) -> Composition:
    counts = Counter((getattr(face, attribute) or UNKNOWN, getattr(face, f"{attribute}_status")) for face in faces)
    rows = {name: {status: counts[name, status] for status in STATUSES} for name in (*classes, UNKNOWN)}
    return Composition(attribute=attribute, rows=rows)


def _confidence(labeler: str, attribute: str, labels: Sequence[LabelScores]) -> Confidence:
    surest = [max(label.probabilities) for label in labels]
    return Confidence(
        labeler=labeler,
        attribute=attribute,
        faces=len(labels),
        abstained=sum(label.value is None for label in labels),
        histogram=histogram([p for p in surest if math.isfinite(p)], (), low=0.0, high=1.0, bins=CONFIDENCE_BINS),
    )
