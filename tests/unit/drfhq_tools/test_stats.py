"""Counting who is there."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from drfhq_tools.manifest.writer import manifest_bytes
from drfhq_tools.plots import write_plots
from drfhq_tools.records import FaceRecord
from drfhq_tools.stats import ATTRIBUTES, Stats, count, evenness, read_stats
from drfhq_tools.stats.classes import COLUMNS

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
