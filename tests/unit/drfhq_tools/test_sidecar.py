"""What people write beside pictures: read where it can be, recorded where it cannot."""

import datetime
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drfhq_tools.records import RejectReason
from drfhq_tools.sources.sidecar import combine, read_json, read_table, table_key


def table(tmp_path: Path, text: str | bytes) -> tuple[dict[str, dict[str, str | float]], list[str]]:
    file = tmp_path / "labels.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    read = read_table(file, "labels.csv")
    assert all(reject.reason == RejectReason.BAD_SIDECAR for reject in read.rejects)
    return read.rows, [reject.message for reject in read.rejects]


def test_known_columns_are_taken_and_others_passed_over(tmp_path: Path) -> None:
    rows, said = table(tmp_path, "\ufeffFile , gender,AGE_years,camera\r\nsub/a.png,female,34,f/8\r\n./b.png, ,,\r\n")
    assert rows == {"sub/a.png": {"gender": "female", "age_years": 34.0}, "b.png": {}}
    assert said == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'file'"),
        ("name,gender\na.png,male\n", "no column 'file'; its columns are name, gender"),
        ("file,gender\na.png,male,extra\n", "row 1 has more values"),
        ("file,gender\n,male\n", "row 1 names no file"),
        ("file,age_years\na.png,old\n", r"row 1 \(a.png\): age_years is 'old'"),
        ("file,age_years\na.png,-3\n", "age_years is '-3'"),
        ("file,age_years\na.png,inf\n", "age_years is 'inf'"),
        ("file,gender\na.png,male\na.png,female\n", "listed before"),
        (b"file,gender\na.png,m\xff\n", "not UTF-8"),
        (b"\xff\xfef\0i\0", "not UTF-8"),
        ("file,gender\na.png," + "x" * 200_000 + "\n", "field larger"),
    ],
)
def test_bad_tables_are_recorded(tmp_path: Path, text: str | bytes, message: str) -> None:
    _, said = table(tmp_path, text)
    assert len(said) == 1
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(said[0])


def test_good_rows_survive_bad_ones(tmp_path: Path) -> None:
    rows, said = table(tmp_path, "file,gender,age_years\na.png,male,x\nb.png,female,20\na.png,female,\n")
    assert rows == {"a.png": {"gender": "male"}, "b.png": {"gender": "female", "age_years": 20.0}}
    assert len(said) == 2


def test_parquet_with_nulls_numbers_and_dates(tmp_path: Path) -> None:
    rows = [
        {"file": "a.png", "subject_id": 7, "age_years": 30, "retrieved_at": datetime.date(2024, 5, 1), "blob": b"\0"},
        {"file": "b.png", "subject_id": None, "age_years": None, "retrieved_at": None, "blob": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    read = read_table(tmp_path / "labels.parquet", "labels.parquet")
    assert read.rows == {"a.png": {"subject_id": "7", "age_years": 30.0, "retrieved_at": "2024-05-01"}, "b.png": {}}
    assert read.rejects == []


def test_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "labels.parquet").write_bytes(b"PAR1 or so")
    (reject,) = read_table(tmp_path / "labels.parquet", "x/labels.parquet").rejects
    assert reject.source_path == "x/labels.parquet"
    assert "no valid Parquet" in reject.message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1, 2]",
        '"text"',
        "[" * 5000,
        '{"age_years": 1' + "0" * 6000 + "}",
        '{"gender": ["f"]}',
        '{"age_years": true}',
        '{"author": {}}',
    ],
)
def test_bad_json_is_recorded(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    found, rejects = read_json(tmp_path / "x.json", "x.json")
    assert found == {}
    assert [reject.reason for reject in rejects] == [RejectReason.BAD_SIDECAR]


def test_json_values(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(
        '{"gender": "male", "age_years": "41", "subject_id": 3, "race": null, "pose": [1]}'
    )
    assert read_json(tmp_path / "x.json", "x.json") == ({"gender": "male", "age_years": 41.0, "subject_id": "3"}, [])


def test_half_characters_are_made_fit_for_utf8(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"title": "\ud800!"}))
    found, _ = read_json(tmp_path / "x.json", "x.json")
    assert str(found["title"]).encode("utf-8") == b"\\ud800!"


def test_keys_agree_across_systems() -> None:
    assert table_key("a\\b.png") == table_key("./a//b.png") == "a/b.png"
    assert table_key("cafe\u0301.png") == table_key("caf\u00e9.png")


def test_copies_that_disagree_leave_the_person_unknown() -> None:
    said = combine(
        [{"gender": "male", "author": "A", "age_years": 20.0}, {"gender": "female", "author": "B", "race": "White"}]
    )
    assert (said.declared.gender, said.declared.age_years, said.declared.race) == (None, 20.0, "White")
    assert said.provenance.author == "A"
    assert said.disputed == ("gender",)
