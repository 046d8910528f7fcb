"""Counting who is there."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.distance import jensenshannon

from drfhq_tools.cli import main
from drfhq_tools.errors import UsageError
from drfhq_tools.manifest.writer import manifest_bytes
from drfhq_tools.records import FaceRecord
from drfhq_tools.stats import (
    ATTRIBUTES,
    Stats,
    count,
    evenness,
    jensen_shannon,
    min_max_ratio,
    read_stats,
    read_target,
    total_variation,
)
from drfhq_tools.stats.classes import COLUMNS
from drfhq_tools.stats.plots import write_plots

Make = Callable[..., FaceRecord]


@pytest.fixture
def stats(tmp_path: Path, face: Make) -> Stats:
    faces = [
        face(gender="female", race="White", age_group="20-29"),
        face(gender="female", race="Black", age_group="20-29", race_declared="Black", race_vocabulary="VALID"),
        face(gender="male", race=None, race_declared="AIAN", race_vocabulary="VALID"),
        face(gender=None, race="White", race_declared="White"),
    ]
    (tmp_path / "manifest.parquet").write_bytes(manifest_bytes(faces, size_px=64, landmark_scheme="ibug68"))
    return read_stats(tmp_path)


def test_each_alone_with_unknown_as_itself(stats: Stats) -> None:
    assert stats.to_json()["faces"] == 4
    assert stats.to_json()["gender"] == {"female": 2, "male": 1, "unknown": 1}
    assert stats.to_json()["race"] == {"White": 2, "Black": 1, "unknown": 1}
    assert stats.to_json()["age_group"] == {"20-29": 2, "unknown": 2}


def test_crossed(stats: Stats) -> None:
    assert stats.crossed["gender", "race"] == {
        "female": {"White": 1, "Black": 1},
        "male": {"unknown": 1},
        "unknown": {"White": 1},
    }
    for table in stats.crossed.values():
        assert sum(number for row in table.values() for number in row.values()) == 4


def test_declared_words_keep_their_vocabulary(stats: Stats) -> None:
    assert stats.declared["race"] == {"VALID: AIAN": 1, "VALID: Black": 1, "no vocabulary: White": 1}


def test_json_is_plain(stats: Stats) -> None:
    text = json.dumps(stats.to_json(), allow_nan=False)
    assert json.loads(text)["evenness"]["age_group"] == 0


def test_evenness_against_cases_by_hand() -> None:
    assert evenness([5, 5]) == 1
    assert evenness([7, 0]) == 0
    assert evenness([0, 0, 0]) is None
    assert evenness([1, 1, 0, 0]) == pytest.approx(0.5)
    assert evenness([3, 1]) == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))


def test_nobody() -> None:
    empty = count({name: [] for name in COLUMNS})
    assert empty.to_json()["faces"] == 0
    for figure in ("evenness", "min_max_ratio", "jensen_shannon_bits", "total_variation"):
        assert empty.to_json()[figure] == dict.fromkeys(ATTRIBUTES)
    assert len(empty.empty_cells) == 2 * 9 * 7


def test_plots_are_pictures(stats: Stats, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    files = write_plots(stats, tmp_path / "plots")
    assert {file.name for file in files} == {
        "gender.png",
        "age_group.png",
        "race.png",
        "gender-age_group.png",
        "gender-race.png",
        "age_group-race.png",
    }
    for file in files:
        with Image.open(file) as image:
            assert len(image.convert("RGB").getcolors(maxcolors=1 << 24) or ()) > 10


def write(data: Path, *faces: FaceRecord) -> Path:
    (data / "manifest.parquet").write_bytes(manifest_bytes(faces, size_px=64, landmark_scheme="ibug68"))
    return data


def test_declared_words_are_counted_as_they_stand(tmp_path: Path, face: Make) -> None:
    """Predictions are not, and an age in years counts as its group."""
    valid = {"race_vocabulary": "VALID", "gender": "female", "gender_status": "predicted"}
    write(
        tmp_path,
        face(race_declared="AIAN", subject_id="a", age_group="30-39", age_group_status="declared", **valid),
        face(race_declared="AIAN", subject_id="a", age_group="20-29", age_group_status="predicted", **valid),
        face(gender_declared="woman", duplicate_group="g"),
    )
    stats = read_stats(tmp_path, vocabulary="declared")
    assert stats.counts == {
        "gender": {"woman": 1, "unknown": 2},
        "age_group": {"30-39": 1, "unknown": 2},
        "race": {"VALID: AIAN": 2, "unknown": 1},
    }
    assert stats.people == 2
    assert stats.status["gender"] == {"predicted": 2, "unknown": 1}
    assert stats.empty_cells == [("woman", "30-39", "VALID: AIAN")]


def test_cells_count_faces_and_people_and_the_others_are_listed(tmp_path: Path, face: Make) -> None:
    known = {"gender": "male", "age_group": "20-29", "race": "Black"}
    write(tmp_path, *(face(subject_id=who, **known) for who in "aab"), face(**known | {"race": None}))
    stats = read_stats(tmp_path)
    assert stats.cells == {("male", "20-29", "Black"): (3, 2)}
    assert len(stats.empty_cells) == 2 * 9 * 7 - 1
    assert ("male", "20-29", "Black") not in stats.empty_cells
    assert stats.empty_cells[0] == ("female", "0-2", "White")


def test_min_max_ratio_by_hand() -> None:
    assert min_max_ratio([2, 8]) == 0.25
    assert min_max_ratio([0, 8]) == 0
    assert min_max_ratio([0, 0]) is None


shares = st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(lambda values: [v / sum(values) for v in values])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(shares, shares)
def test_divergences_against_others_and_bounds(one: list[float], other: list[float]) -> None:
    """scipy gives the square root of the Jensen-Shannon divergence."""
    assert jensen_shannon(one, other) == pytest.approx(jensenshannon(one, other, base=2) ** 2, abs=1e-9)
    assert jensen_shannon(one, other) == pytest.approx(jensen_shannon(other, one), abs=1e-12)
    assert 0 <= total_variation(one, other) <= 1


def test_divergences_by_hand() -> None:
    assert jensen_shannon([1, 0], [0, 1]) == total_variation([1, 0], [0, 1]) == 1
    assert jensen_shannon([0.5, 0.5], [0.5, 0.5]) == total_variation([0.5, 0.5], [0.5, 0.5]) == 0
    assert total_variation([0.7, 0.3], [0.5, 0.5]) == pytest.approx(0.2)


TARGETS = {
    "a.toml": "[gender]\nfemale = 3\nmale = 1\n",
    "a.json": '{"gender": {"female": 0.75, "male": 0.25}}',
    "a.csv": "attribute,class,share\ngender,female,75\ngender,male,25\n",
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_from_a_file_is_what_shares_are_held_to(name: str, tmp_path: Path, face: Make) -> None:
    (tmp_path / name).write_text(TARGETS[name], encoding="utf-8")
    write(tmp_path, face(gender="female"), face(gender="male"), face(gender=None))
    stats = read_stats(tmp_path, target=read_target(str(tmp_path / name)))
    assert stats.total_variation("gender") == pytest.approx(0.25)
    assert stats.target.shares("race", ["a", "b"]) == [0.5, 0.5]
    assert stats.target.shares("gender", ["male", "female", "other"]) == [0.25, 0.75, 0]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "[sex]\nmale = 1\n", "no attribute 'sex'"),
        ("a.toml", "[gender]\nmale = -1\n", "must be a number from 0"),
        ("a.toml", "[gender]\nmale = 0\n", "must be above 0"),
        ("a.toml", "gender = 3\n", "must be a table"),
        ("a.toml", "gender\n", "cannot be read"),
        ("a.json", '{"gender": {"male": NaN}}', "must be a number from 0"),
        ("a.json", '{"gender": {"male": true}}', "must be a number from 0"),
        ("a.json", "[]", "must hold a table"),
        ("a.json", "[" * 100_000, "cannot be read"),
        ("a.csv", "gender,male,1\n", "the first line must be attribute,class,share"),
        ("a.csv", "attribute,class,share\ngender,male\n", "line 2 has 2 fields"),
        ("a.csv", "attribute,class,share\ngender,male,1\ngender,male,2\n", "line 3 names gender male again"),
        ("a.csv", "attribute,class,share\ngender,male,many\n", "could not convert"),
        ("a.txt", "", "write it as .toml, .json or .csv"),
    ],
)
def test_targets_refused_with_advice(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_target(str(tmp_path / name))


def test_a_class_that_is_none_is_refused_but_a_declared_word_may_be_missing(tmp_path: Path, face: Make) -> None:
    write(tmp_path, face())
    (tmp_path / "t.toml").write_text('[race]\n"Midle Eastern" = 1\n', encoding="utf-8")
    target = read_target(str(tmp_path / "t.toml"))
    with pytest.raises(UsageError, match="did you mean Middle Eastern"):
        read_stats(tmp_path, target=target)
    assert read_stats(tmp_path, vocabulary="declared", target=target).classes["race"] == ("Midle Eastern",)
    with pytest.raises(UsageError, match="no file, and not the word uniform"):
        read_target(str(tmp_path / "nowhere.toml"))


def test_the_command_tells_figures_and_empty_cells(stats: Stats, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["stats", str(tmp_path)])
    assert result.exit_code == 0, result.output
    for words in (
        "Pielou's evenness",
        "Jensen-Shannon",
        "2 cells with faces, 124 empty",
        "nobody: male, Indian: every",
    ):
        assert words in result.stdout
    result = CliRunner().invoke(main, ["stats", str(tmp_path), "--vocabulary", "declared", "--json"])
    assert json.loads(result.stdout)["race"] == {
        "VALID: AIAN": 1,
        "VALID: Black": 1,
        "no vocabulary: White": 1,
        "unknown": 1,
    }
