"""How right labelers are: intervals, people, calibration, and the way there from the tables."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binomtest

from drfhq_tools.cli import main
from drfhq_tools.errors import UsageError
from drfhq_tools.manifest.writer import labels_bytes, manifest_bytes
from drfhq_tools.records import FaceRecord, LabelScores
from drfhq_tools.stats import read_agreements
from drfhq_tools.stats.agreement import (
    Answer,
    GroupAccuracy,
    accuracy,
    calibration,
    expected_calibration_error,
    wilson,
    worst_gap,
)

Make = Callable[..., FaceRecord]


@pytest.mark.parametrize(("right", "trials"), [(0, 10), (8, 10), (10, 10), (1, 3), (71, 100), (1, 1)])
def test_wilson_against_another_program(right: int, trials: int) -> None:
    expected = binomtest(right, trials).proportion_ci(confidence_level=0.95, method="wilson")
    found = wilson(right / trials, trials)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_against_a_printed_table() -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    for right, trials, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        found = wilson(right / trials, trials)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def answer(person: str, truth: str, said: str | None, **probabilities: float) -> Answer:
    return Answer(person=person, truth=truth, said=said, probabilities=probabilities)


def test_a_person_counts_once_however_many_pictures() -> None:
    """Nine right pictures of one person and a wrong one of another are a half, of two."""
    group = accuracy([*[answer("a", "f", "f")] * 9, answer("b", "f", "m"), answer("c", "m", None)])
    assert (group.faces, group.abstained, group.people, group.accuracy) == (11, 1, 2, 0.5)
    assert group.interval == wilson(0.5, 2)
    some = accuracy([answer("a", "f", "f"), answer("a", "f", "m"), answer("b", "m", "m")])
    assert some.accuracy == pytest.approx(0.75)


def test_nobody_answered() -> None:
    group = accuracy([answer("a", "f", None)])
    assert (group.people, group.accuracy, group.interval) == (0, None, None)


def test_the_worst_group_is_one_of_enough_people() -> None:
    def group(people: int, share: float) -> GroupAccuracy:
        return GroupAccuracy(faces=people, abstained=0, people=people, accuracy=share, interval=wilson(share, people))

    others = {"few": group(4, 0.0), "unknown": group(9, 0.1), "male, unknown": group(9, 1.0)}
    gap = worst_gap(others | {"bad": group(5, 0.4), "good": group(9, 0.9)})
    assert gap is not None
    assert (gap.worst, gap.best, gap.difference) == ("bad", "good", pytest.approx(0.5))
    assert worst_gap({"few": group(4, 0.0), "good": group(9, 0.9)}) is None


def test_calibration_of_cases_by_hand() -> None:
    assert expected_calibration_error([1.0, 1.0, 0.5, 0.5], [True, True, True, False], 2) == 0
    assert expected_calibration_error([0.9] * 10, [True] * 4 + [False] * 6, 5) == pytest.approx(0.5)
    assert expected_calibration_error([0.6, 0.9], [True, False], 2) == pytest.approx((0.4 + 0.9) / 2)
    assert expected_calibration_error([0.6, 0.9], [True, False], 1) == pytest.approx(0.25)


def test_a_sure_and_right_labeler_has_no_error_and_a_sure_and_wrong_one_the_largest() -> None:
    right = calibration([answer("a", "f", "f", f=1.0, m=0.0)])
    wrong = calibration([answer("a", "f", "m", f=0.0, m=1.0)])
    assert right is not None
    assert wrong is not None
    assert (right.expected_error, right.brier) == (0, 0)
    assert (wrong.expected_error, wrong.brier) == (1, 2)
    assert calibration([answer("a", "f", "f")]) is None


def test_abstentions_count_in_calibration_by_their_likeliest_class() -> None:
    found = calibration([answer("a", "f", None, f=0.55, m=0.45)])
    assert found is not None
    assert (found.accuracy, found.confidence, found.faces) == (1, 0.55, 1)


def test_a_calibrated_labeler_comes_out_so() -> None:
    random = np.random.default_rng(0)
    sure = random.uniform(0.5, 1, 20_000)
    assert expected_calibration_error(list(sure), list(random.random(20_000) < sure), 10) < 0.015
    assert expected_calibration_error(list(sure), list(random.random(20_000) < sure - 0.2), 10) == pytest.approx(
        0.2, abs=0.015
    )


def predicted(attribute: str, value: str | None, probability: float, *, labeler: str = "guess") -> LabelScores:
    other = {"gender": ("female", "male"), "age_group": ("20-29", "30-39")}[attribute]
    named = value or other[0]
    return LabelScores(
        attribute=attribute,
        value=value,
        status="predicted" if value else "unknown",
        labeler=labeler,
        classes=other,
        probabilities=tuple(probability if name == named else 1 - probability for name in other),
        weights_sha256="ab" * 32,
    )


def declared(attribute: str, value: str | None, word: str | None = None) -> LabelScores:
    status = "declared" if value else "unknown"
    return LabelScores(attribute=attribute, value=value, status=status, labeler="declared", declared=word)  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path, face: Make) -> Path:
    """Six faces: three pictures of one, a word that maps to nothing, an abstention, one of whom nothing is declared."""
    faces = [
        *(face(face_id=f"a{n}", subject_id="a", race_declared="AIAN", race_vocabulary="VALID") for n in range(3)),
        face(face_id="b", subject_id="b", race_declared="Black", race_vocabulary="VALID"),
        face(face_id="c", duplicate_group="c"),
        face(face_id="d", duplicate_group="d"),
    ]
    labels = [(f"a{n}", declared("gender", "female", "F")) for n in range(3)]
    labels += [(f"a{n}", declared("race", None, "AIAN")) for n in range(3)]
    labels += [("b", declared("gender", "male")), ("b", declared("race", "Black", "Black"))]
    labels += [("c", declared("gender", "male")), ("c", declared("age_group", "20-29"))]
    labels += [("a0", predicted("gender", "female", 0.9)), ("a1", predicted("gender", "male", 0.6))]
    labels += [("a2", predicted("gender", "female", 0.8)), ("b", predicted("gender", "male", 0.9))]
    labels += [("c", predicted("gender", None, 0.55)), ("d", predicted("gender", "male", 0.9))]
    labels += [("c", predicted("age_group", "30-39", 0.7, labeler="other"))]
    labels += [("b", replace(predicted("gender", "female", 0.9, labeler="person"), status="reviewed"))]
    (tmp_path / "manifest.parquet").write_bytes(manifest_bytes(faces, size_px=64, landmark_scheme="ibug68"))
    (tmp_path / "labels.parquet").write_bytes(labels_bytes(labels))
    return tmp_path


def test_from_the_tables_to_the_figures(data: Path) -> None:
    gender, age = read_agreements(data)
    assert (gender.labeler, gender.attribute, age.labeler, age.attribute) == ("guess", "gender", "other", "age_group")
    assert gender.matrix == {
        "female": {"female": 2, "male": 1, "abstained": 0},
        "male": {"female": 0, "male": 1, "abstained": 1},
    }
    assert gender.overall.accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert (gender.overall.people, gender.overall.abstained) == (2, 1)
    words = gender.groups["race as declared"]
    assert list(words) == ["VALID: AIAN", "VALID: Black", "unknown"]
    assert words["VALID: AIAN"].accuracy == pytest.approx(2 / 3)
    assert gender.groups["race"]["unknown"].faces == 4
    assert gender.calibration is not None
    assert gender.calibration.faces == 5
    assert age.matrix == {"20-29": {"20-29": 0, "30-39": 1, "abstained": 0}}


def test_one_labeler_alone(data: Path) -> None:
    assert [agreement.labeler for agreement in read_agreements(data, "other")] == ["other"]
    with pytest.raises(UsageError, match="there are guess, other"):
        read_agreements(data, "nobody")


def test_nothing_to_compare_is_said(data: Path) -> None:
    (data / "labels.parquet").write_bytes(labels_bytes([("d", predicted("gender", "male", 0.9))]))
    with pytest.raises(UsageError, match="nothing to compare"):
        read_agreements(data)


def test_the_command(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = CliRunner().invoke(main, ["stats", str(data), "--confusion", "--plots", str(tmp_path / "plots")])
    assert result.exit_code == 0, result.output
    for words in ("guess, gender", "abstained", "race as declared: VALID: AIAN", "expected calibration error"):
        assert words in result.stdout
    assert (tmp_path / "plots" / "guess-gender-confusion.png").stat().st_size > 1000
    assert (tmp_path / "plots" / "other-age_group-groups.png").stat().st_size > 1000
    result = CliRunner().invoke(main, ["stats", str(data), "--confusion", "--json", "--labeler", "guess"])
    (found,) = json.loads(result.stdout)["confusion"]
    assert found["overall"]["people"] == 2
    assert CliRunner().invoke(main, ["stats", str(data), "--labeler", "guess"]).exit_code == 2
