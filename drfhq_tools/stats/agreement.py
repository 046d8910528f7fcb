"""How often a labeler is right, of whom, and how well it knows: pure functions of its answers beside the truth.

Intervals are Wilson's (1927, "Probable inference, the law of succession, and statistical inference") at 95 %, over
*people*: pictures of one person are no independent trials, so each person counts once, with the share of right answers
among theirs. The group's accuracy is the mean of these shares, and the interval takes it as a proportion of that many
people, as if a person's pictures told no more than one.

Calibration error is the expected one (Naeini et al. 2015) over bins of equal mass (Nguyen and O'Connor 2015): the mean,
weighted by faces, of the distance between mean confidence and accuracy of a bin. Small samples make it look larger than
it is. Brier's score (1950) is the squared distance of the probability vector from the truth, 0 to 2.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from drfhq_tools.stats.classes import UNKNOWN

ABSTAINED: Final = "abstained"
FEWEST_PEOPLE: Final = 5
"""A group of fewer people is no worst group: its accuracy says too little."""

_Z95: Final = 1.959963984540054
_BIN_FACES, _MOST_BINS = 20, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a labeler said of one face: ``said`` is None where it abstained, ``groups`` the face's class by grouping.

    ``probabilities`` by class name, empty where the labeler gives none.
    """

    person: str
    truth: str
    said: str | None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interval:
    """From ``low`` to ``high``, in [0, 1]."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAccuracy:
    """``accuracy`` is the mean over ``people`` of the share of right answers; both leave out abstentions, which
    ``abstained`` counts. None where nothing was answered."""

    faces: int
    abstained: int
    people: int
    accuracy: float | None
    interval: Interval | None

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "faces": self.faces,
            "abstained": self.abstained,
            "people": self.people,
            "accuracy": self.accuracy,
            "wilson_95": [self.interval.low, self.interval.high] if self.interval else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Of the likeliest class, abstentions included: a labeler abstains on what it is unsure of."""

    faces: int
    bins: int
    confidence: float
    accuracy: float
    expected_error: float
    brier: float

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The worst and the best group of a grouping, of those of :data:`FEWEST_PEOPLE` people or more."""

    worst: str
    best: str
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One labeler on one attribute. ``matrix`` counts faces by true class, then by class said or :data:`ABSTAINED`;
    ``groups`` by grouping, then by group."""

    labeler: str
    attribute: str
    weights_sha256: str | None
    matrix: Mapping[str, Mapping[str, int]]
    overall: GroupAccuracy
    groups: Mapping[str, Mapping[str, GroupAccuracy]]
    calibration: Calibration | None

    def gap(self, grouping: str) -> Gap | None:
        """How far groups lie apart; None with fewer than two that have people enough."""
        return worst_gap(self.groups[grouping])

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        gaps = {name: self.gap(name) for name in self.groups}
        return {
            "labeler": self.labeler,
            "attribute": self.attribute,
            "weights_sha256": self.weights_sha256,
            "matrix": {truth: dict(row) for truth, row in self.matrix.items()},
            "overall": self.overall.to_json(),
            "groups": {
                grouping: {name: group.to_json() for name, group in groups.items()}
                for grouping, groups in self.groups.items()
            },
            "gaps": {
                name: gap and {"worst": gap.worst, "best": gap.best, "difference": gap.difference}
                for name, gap in gaps.items()
            },
            "calibration": self.calibration.to_json() if self.calibration else None,
        }


def confusion(answers: Iterable[Answer]) -> dict[str, dict[str, int]]:
    """Faces by true class, then by class said; :data:`ABSTAINED` where none was. Only what occurs, unordered."""
    matrix: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for answer in answers:
        matrix[answer.truth][answer.said or ABSTAINED] += 1
    return {truth: dict(row) for truth, row in matrix.items()}


def accuracy(answers: Sequence[Answer]) -> GroupAccuracy:
    """Of a group: the mean over its people, with its interval."""
    right: defaultdict[str, list[bool]] = defaultdict(list)
    for answer in answers:
        if answer.said is not None:
            right[answer.person].append(answer.said == answer.truth)
    mean = math.fsum(sum(theirs) / len(theirs) for theirs in right.values()) / len(right) if right else None
    return GroupAccuracy(
        faces=len(answers),
        abstained=sum(answer.said is None for answer in answers),
        people=len(right),
        accuracy=mean,
        interval=None if mean is None else wilson(mean, len(right)),
    )


def by_group(answers: Iterable[Answer], grouping: str) -> dict[str, GroupAccuracy]:
    """:func:`accuracy` of each group of a grouping; groups in the order they are met."""
    groups: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[answer.groups[grouping]].append(answer)
    return {name: accuracy(theirs) for name, theirs in groups.items()}


def wilson(proportion: float, trials: float) -> Interval:
    """Wilson's 95 % interval of a proportion in [0, 1] seen in ``trials`` > 0 independent trials."""
    slack = _Z95**2 / trials
    centre = (proportion + slack / 2) / (1 + slack)
    half = math.sqrt(proportion * (1 - proportion) * slack + slack**2 / 4) / (1 + slack)
    return Interval(max(centre - half, 0.0), min(centre + half, 1.0))


def worst_gap(groups: Mapping[str, GroupAccuracy]) -> Gap | None:
    """The groups of lowest and highest accuracy; None with fewer than two of :data:`FEWEST_PEOPLE` people or more.

    Those of whom the class is unknown are no group.
    """
    figures = {
        name: group.accuracy
        for name, group in groups.items()
        if group.people >= FEWEST_PEOPLE and group.accuracy is not None and UNKNOWN not in name.split(", ")
    }
    if len(figures) < 2:
        return None
    worst, best = min(figures, key=figures.__getitem__), max(figures, key=figures.__getitem__)
    return Gap(worst=worst, best=best, difference=figures[best] - figures[worst])


def calibration(answers: Iterable[Answer]) -> Calibration | None:
    """Of the answers that come with probabilities; None where none does."""
    scored = [answer for answer in answers if answer.probabilities]
    if not scored:
        return None
    top = [max(answer.probabilities, key=answer.probabilities.__getitem__) for answer in scored]
    sure = [answer.probabilities[name] for answer, name in zip(scored, top, strict=True)]
    right = [answer.truth == name for answer, name in zip(scored, top, strict=True)]
    bins = min(max(len(scored) // _BIN_FACES, 1), _MOST_BINS)
    return Calibration(
        faces=len(scored),
        bins=bins,
        confidence=math.fsum(sure) / len(sure),
        accuracy=sum(right) / len(right),
        expected_error=expected_calibration_error(sure, right, bins),
        brier=math.fsum(_brier(answer) for answer in scored) / len(scored),
    )


def expected_calibration_error(confidences: Sequence[float], right: Sequence[bool], bins: int) -> float:
    """Over ``bins`` bins of as many answers each; answers as sure as one another share a bin. In [0, 1]."""
    sure, hits = np.asarray(confidences, dtype=np.float64), np.asarray(right, dtype=np.float64)
    edges = np.unique(np.quantile(sure, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    place = np.searchsorted(edges, sure, side="right")
    return float(sum(abs((hits - sure)[place == one].sum()) for one in np.unique(place)) / len(sure))


def _brier(answer: Answer) -> float:
    names = {answer.truth, *answer.probabilities}
    return math.fsum((answer.probabilities.get(name, 0.0) - (name == answer.truth)) ** 2 for name in sorted(names))
