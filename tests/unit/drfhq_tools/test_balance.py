"""Weights and subsets: cases by hand, and the command."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from drfhq_tools.balance import Balance, BalanceConfig, cap_weights, draw, effective_size, read_balance
from drfhq_tools.cli import main
from drfhq_tools.errors import ManifestError, UsageError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest.weights import SamplingWeights, WeightedFace, read_weights, weights_bytes
from drfhq_tools.manifest.writer import manifest_bytes
from drfhq_tools.records import FaceRecord
from drfhq_tools.stats import Target

Make = Callable[..., FaceRecord]
GENDER = BalanceConfig(by=("gender",))


@pytest.fixture
def data(tmp_path: Path, face: Make) -> Path:
    """Of the train split: two pictures of Ann and one of Eve, one of Bob, one of unknown gender; a man in val."""
    who = [("ann", "female"), ("ann", "female"), ("eve", "female"), ("bob", "male"), (None, None), ("tom", "male")]
    faces = [
        face(face_id=f"f{n}", subject_id=subject, gender=gender, duplicate_group=f"f{n}", race="White")
        for n, (subject, gender) in enumerate(who)
    ]
    faces[5] = face(face_id="f5", subject_id="tom", gender="male", duplicate_group="f5", split="val")
    (tmp_path / "manifest.parquet").write_bytes(manifest_bytes(faces, size_px=64, landmark_scheme="ibug68"))
    return tmp_path


def weights(balance: Balance) -> dict[str, float]:
    return {face.face_id: face.weight for face in balance.weights.faces}


def test_cells_share_by_target_and_people_within_a_cell_alike(data: Path) -> None:
    """Four faces weigh 4 in all: 2 for each gender, 1 for each woman, 0.5 for each picture of Ann."""
    balance = read_balance(data, GENDER)
    assert weights(balance) == pytest.approx({"f0": 0.5, "f1": 0.5, "f2": 1, "f3": 2, "f4": 0})
    assert balance.unknown == 1
    assert balance.used == 4
    assert balance.effective_faces == pytest.approx(16 / 5.5)
    assert balance.effective_people == pytest.approx(16 / 6)
    assert [(cell.cell, cell.faces, cell.people, cell.missing) for cell in balance.cells] == [
        (("female",), 3, 2, 0),
        (("male",), 1, 1, 2),
    ]


def test_unknown_faces_may_stay_at_the_mean(data: Path) -> None:
    kept = read_balance(data, BalanceConfig(by=("gender",), unknown="keep"))
    assert weights(kept)["f4"] == 1
    assert np.mean(list(weights(kept).values())) == pytest.approx(1)
    assert [cell.reached for cell in kept.cells] == pytest.approx([0.5, 0.5])


def test_a_cap_cuts_the_largest_and_says_so(data: Path) -> None:
    balance = read_balance(data, BalanceConfig(by=("gender",), max_weight=1.6))
    assert weights(balance) == pytest.approx({"f0": 0.6, "f1": 0.6, "f2": 1.2, "f3": 1.6, "f4": 0})
    assert balance.capped == 1
    assert [cell.reached for cell in balance.cells] == pytest.approx([0.6, 0.4])


def test_other_splits(data: Path) -> None:
    assert "f5" not in weights(read_balance(data, GENDER))
    assert weights(read_balance(data, BalanceConfig(by=("gender",), split="all")))["f5"] == pytest.approx(1.25)


def test_a_subset_has_equal_cells_and_new_people_first(data: Path) -> None:
    balance = read_balance(data, BalanceConfig(by=("gender",), subset=True))
    drawn = {face for face, weight in weights(balance).items() if weight}
    assert len(drawn) == 2
    assert "f3" in drawn
    assert set(weights(balance).values()) == {0, 1}
    more = read_balance(data, BalanceConfig(by=("gender",), subset=True, faces=4))
    drawn = {face for face, weight in weights(more).items() if weight}
    assert "f2" in drawn
    assert len(drawn & {"f0", "f1"}) == 1
    assert [(cell.cell, cell.missing) for cell in more.cells] == [(("female",), 0), (("male",), 1)]


def test_a_target_of_shares(data: Path) -> None:
    three_to_one = Target(name="t", proportions={"gender": {"male": 3, "female": 1}})
    balance = read_balance(data, BalanceConfig(by=("gender",), target=three_to_one))
    assert [cell.reached for cell in balance.cells] == pytest.approx([0.25, 0.75])
    assert [cell.missing for cell in balance.cells] == [0, 8]
    only_men = Target(name="t", proportions={"gender": {"male": 1}})
    assert weights(read_balance(data, BalanceConfig(by=("gender",), target=only_men)))["f0"] == 0


def test_empty_cells_give_their_share_to_the_others(data: Path) -> None:
    balance = read_balance(data, BalanceConfig(by=("race", "gender")))
    assert weights(balance) == pytest.approx({"f0": 0.5, "f1": 0.5, "f2": 1, "f3": 2, "f4": 0})
    missing = {cell.cell: cell.missing for cell in balance.cells}
    assert missing["Indian", "female"] == 3
    assert missing["White", "male"] == 2
    assert sum(cell.target for cell in balance.cells) == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"by": ()}, "name some of gender, age_group, race"),
        ({"by": ("gender", "gender")}, "each once"),
        ({"by": ("sex",)}, "name some of"),
        ({"max_weight": 0.5}, "from 1"),
        ({"max_weight": float("nan")}, "from 1"),
        ({"faces": 0}, "1 or more"),
        ({"split": "rest"}, "no split 'rest'"),
        ({"target": Target(name="t", proportions={"race": {"White": 1}})}, "name it in --by"),
    ],
)
def test_settings_refused_with_advice(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        BalanceConfig(**{"by": ("gender",)} | changes)  # type: ignore[arg-type]


def test_nobody_to_balance_is_said(data: Path) -> None:
    with pytest.raises(UsageError, match="no face of split 'train'"):
        read_balance(data, BalanceConfig(by=("age_group",)))
    with pytest.raises(UsageError, match="ask for more --faces"):
        read_balance(data, BalanceConfig(by=("race", "gender"), subset=True, faces=3))


def test_cap_weights_by_hand() -> None:
    assert cap_weights(np.array([1.0, 1.0, 2.0]), 5.0) == pytest.approx([0.75, 0.75, 1.5])
    assert cap_weights(np.array([1.0, 2.0, 9.0]), 1.5) == pytest.approx([0.5, 1.0, 1.5])
    assert cap_weights(np.array([1.0, 2.0, 9.0]), 1.0) == pytest.approx([1.0, 1.0, 1.0])


def test_effective_size_by_hand() -> None:
    assert effective_size(np.ones(7)) == pytest.approx(7)
    assert effective_size(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(1.6)


def test_drawing_prefers_people_then_pictures_then_copies() -> None:
    faces = [("a1", "a", "g1"), ("a2", "a", "g1"), ("a3", "a", "g2"), ("b1", "b", "g3")]
    two = draw(2, faces)
    assert "b1" in two
    assert "a3" in draw(3, faces)
    assert len(draw(3, faces) & {"a1", "a2"}) == 1
    assert draw(9, faces) == {face for face, _, _ in faces}


def test_a_drawing_hardly_changes_as_data_come() -> None:
    faces = [(f"f{n}", f"p{n}", f"g{n}") for n in range(200)]
    before, after = draw(50, faces), draw(50, [*faces, *((f"n{n}", f"q{n}", f"h{n}") for n in range(20))])
    assert len(before & after) >= 40
    assert after & {face for face, _, _ in faces} <= before


def test_the_command_writes_what_transfer_reads(data: Path) -> None:
    result = CliRunner().invoke(main, ["balance", str(data), "--by", "gender"])
    assert result.exit_code == 0, result.output
    for words in ("Missing, 2 faces in all", "2 more: male (now 1 of 1 people)", "Effective sample size (Kish)"):
        assert words in result.stdout
    written = read_weights(data / "weights.parquet")
    assert written.manifest_sha256 == sha256_file(data / "manifest.parquet")
    assert written.balance["by"] == ["gender"]
    assert [face.cell for face in written.faces] == ["female", "female", "female", "male", None]
    before = (data / "weights.parquet").read_bytes()
    arguments = ["balance", str(data), "--by", "gender", "--json", "--out", str(data / "again.parquet")]
    found = json.loads(CliRunner().invoke(main, arguments).stdout)
    assert (data / "again.parquet").read_bytes() == before
    assert (found["used"], found["unknown"], found["cells"][1]["missing"]) == (4, 1, 2)
    assert found["cells"][1]["gender"] == "male"


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    with pytest.raises(ManifestError, match="no file of weights"):
        read_weights(path)
    pq.write_table(pa.table({"face_id": ["a"], "cell": ["c"], "weight": [1.0]}), path)
    with pytest.raises(ManifestError, match="no file of weights"):
        read_weights(path)
    for faces, said in [
        ([WeightedFace("a", None, -1.0)], "must be a number from 0"),
        ([WeightedFace("a", None, float("nan"))], "must be a number from 0"),
        ([WeightedFace("a", None, 1.0)] * 2, "names a face twice"),
    ]:
        path.write_bytes(weights_bytes(SamplingWeights(manifest_sha256="m", balance={}, faces=faces)))
        with pytest.raises(ManifestError, match=said):
            read_weights(path)
