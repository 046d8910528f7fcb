"""Which of several sources counts, what is left unknown, and who may be a minor."""

from __future__ import annotations

import pytest

from drfhq_tools.labels.declared import declared_labels
from drfhq_tools.labels.settle import columns, may_be_minor, settle
from drfhq_tools.records import Declared, LabelScores
from drfhq_tools.records.labels import VOCABULARY


def guess(attribute: str, value: str, probability: float, labeler: str = "faceapi") -> LabelScores:
    """A vector with this peak, the rest of it evenly spread."""
    classes = VOCABULARY[attribute]
    rest = (1 - probability) / (len(classes) - 1)
    return LabelScores(
        attribute=attribute,
        value=value,
        status="predicted",
        labeler=labeler,
        classes=classes,
        probabilities=tuple(probability if name == value else rest for name in classes),
        weights_sha256="00",
    )


def settled(
    *predicted: LabelScores, declared: Declared | None = None, reviewed: dict[str, str | None] | None = None
) -> tuple[LabelScores, ...]:
    return settle(
        reviewed=reviewed or {},
        declared=declared_labels(declared or Declared()),
        predicted=predicted,
        min_probability=0.6,
    )


def said(attribute: str, labels: tuple[LabelScores, ...]) -> tuple[object, ...]:
    """The five columns of an attribute."""
    named = columns(labels)
    return tuple(named[f"{attribute}{suffix}"] for suffix in ("", "_status", "_labeler", "_probability", "_declared"))


WOMAN = Declared(gender="woman")
MALE = guess("gender", "male", 0.9)


def test_nobody_said_anything() -> None:
    assert set(columns(())) == {
        f"{name}{suffix}" for name in VOCABULARY for suffix in ("", "_status", "_probability", "_labeler", "_declared")
    }
    assert said("race", ()) == (None, "unknown", None, None, None)


def test_reviewed_beats_declared_beats_predicted() -> None:
    assert said("gender", settled(MALE)) == ("male", "predicted", "faceapi", 0.9, None)
    assert said("gender", settled(MALE, declared=WOMAN)) == ("female", "declared", "declared", None, "woman")
    reviewed = settled(MALE, declared=WOMAN, reviewed={"gender": "male"})
    assert said("gender", reviewed) == ("male", "reviewed", "review", None, "woman")


def test_a_source_is_believed_in_what_it_leaves_open() -> None:
    unclear = settled(MALE, declared=WOMAN, reviewed={"gender": None})
    assert said("gender", unclear) == (None, "unknown", "review", None, "woman")
    race = guess("race", "Latino_Hispanic", 0.99)
    aian = settled(race, declared=Declared(race="AIAN", race_vocabulary="VALID"))
    assert said("race", aian) == (None, "unknown", "declared", None, "AIAN")
    assert said("race", settled(race)) == ("Latino_Hispanic", "predicted", "faceapi", 0.99, None)


def test_the_first_labeler_that_is_sure_enough_counts() -> None:
    unsure, other = guess("gender", "female", 0.59, "dlib-gender"), guess("gender", "male", 0.6)
    assert said("gender", settled(unsure, other)) == ("male", "predicted", "faceapi", 0.6, None)
    assert said("gender", settled(MALE, guess("gender", "female", 0.99, "fairface")))[0] == "male"
    assert said("gender", settled(unsure)) == (None, "unknown", "dlib-gender", 0.59, None)


def test_a_vector_stays_where_its_class_is_not_sure_enough_and_gives_it_back() -> None:
    (unsure,) = settled(guess("gender", "female", 0.59))
    assert (unsure.value, unsure.status, max(unsure.probabilities)) == (None, "unknown", 0.59)
    (sure,) = settle(reviewed={}, declared=(), predicted=[unsure], min_probability=0.5)
    assert (sure.value, sure.status) == ("female", "predicted")


def test_rows_are_in_one_order_whatever_order_they_come_in() -> None:
    sources = (guess("race", "Black", 0.9), MALE, guess("gender", "male", 0.9, "fairface"))
    labels = settled(*sources, declared=Declared(race="x", gender="f"), reviewed={"race": None, "age_group": "70+"})
    assert [(label.attribute, label.labeler) for label in labels] == [
        ("gender", "declared"),
        ("gender", "faceapi"),
        ("gender", "fairface"),
        ("age_group", "review"),
        ("race", "review"),
        ("race", "declared"),
        ("race", "faceapi"),
    ]


CHILD, ADULT = guess("age_group", "10-19", 0.3), guess("age_group", "40-49", 0.9, "fairface")


@pytest.mark.parametrize(
    ("labels", "years", "minor"),
    [
        (settled(), None, None),
        (settled(), 17.9, True),
        (settled(), 18.0, False),
        (settled(declared=Declared(age_group="10-19")), None, True),
        (settled(declared=Declared(age_group="10-19")), 19.0, False),
        (settled(declared=Declared(age_group="young")), None, None),
        (settled(ADULT), None, False),
        (settled(CHILD), None, True),
        (settled(ADULT, CHILD), None, True),
        (settled(CHILD, declared=Declared(age_years=33)), 33.0, True),
        (settled(CHILD, reviewed={"age_group": "20-29"}), None, False),
        (settled(CHILD, reviewed={"age_group": None}), None, True),
        (settled(ADULT, reviewed={"age_group": "3-9"}), 40.0, True),
        (settled(reviewed={"age_group": "20-29"}, declared=Declared(age_group="3-9")), None, True),
        (settled(reviewed={"age_group": "20-29"}), 12.0, True),
    ],
)
def test_a_minor_is_who_any_source_takes_for_one(
    labels: tuple[LabelScores, ...], years: float | None, minor: bool | None
) -> None:
    assert may_be_minor(years, labels) is minor
