"""Exports: same bytes again, whole or not at all, and of nothing but what the manifest says."""

import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from faces_made import make_faces
from hypothesis import given
from hypothesis import strategies as st

from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.export import Exported, export_imagefolder, export_parquet, export_stylegan, features
from drfhq_tools.export.chosen import choose, consecutive
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS

Export = Callable[[Path, Path], Exported]
FORMATS: dict[str, Export] = {
    "parquet": lambda data, out: export_parquet(data, out, shard_bytes=40_000, row_group_bytes=20_000),
    "imagefolder": export_imagefolder,
    "zip": lambda data, out: export_stylegan(data, out.with_suffix(".zip"), label="race"),
}
each_format = pytest.mark.parametrize("export", list(FORMATS.values()), ids=list(FORMATS))


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


@each_format
def test_same_bytes_elsewhere_and_later(tmp_path: Path, export: Export) -> None:
    make_faces(tmp_path / "data", 9)
    one = export(tmp_path / "data", tmp_path / "one" / "out")
    other = export(tmp_path / "data", tmp_path / "other" / "out")
    assert one.fresh
    assert other.fresh
    assert contents(tmp_path / "one") == contents(tmp_path / "other")
    assert one.files == other.files


@each_format
def test_once_more_writes_nothing(tmp_path: Path, export: Export) -> None:
    make_faces(tmp_path / "data", 5)
    first = export(tmp_path / "data", tmp_path / "ex" / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "ex").rglob("*")}
    again = export(tmp_path / "data", tmp_path / "ex" / "out")
    assert (first.fresh, again.fresh, again.files) == (True, False, first.files)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "ex").rglob("*")} == before


@each_format
def test_an_export_that_was_damaged_or_is_of_other_data_is_written_anew(tmp_path: Path, export: Export) -> None:
    make_faces(tmp_path / "data", 5)
    whole = export(tmp_path / "data", tmp_path / "ex" / "out")
    expected = contents(tmp_path / "ex")
    root = whole.out if whole.out.is_dir() else whole.out.parent
    victim = root / whole.files[0].path
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.unlink()  # it may be a second name of a crop
    victim.write_bytes(content)
    assert export(tmp_path / "data", tmp_path / "ex" / "out").fresh
    assert contents(tmp_path / "ex") == expected
    make_faces(tmp_path / "data", 4)
    assert export(tmp_path / "data", tmp_path / "ex" / "out").faces == 4
    assert contents(tmp_path / "ex") != expected


@each_format
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_crop_is_named_and_nothing_is_left(tmp_path: Path, export: Export, damage: str) -> None:
    face = make_faces(tmp_path / "data", 5)[3]
    crop = tmp_path / "data" / face.image_path
    content = crop.read_bytes()
    crop.unlink()
    if damage == "changed":
        crop.write_bytes(content + b"\0")
    with pytest.raises(DrfhqError, match=r"00003\.png.*verify"):
        export(tmp_path / "data", tmp_path / "ex" / "out")
    assert not list((tmp_path / "ex").rglob("*")) if (tmp_path / "ex").exists() else True


@each_format
def test_a_failed_export_leaves_the_earlier_one(tmp_path: Path, export: Export) -> None:
    make_faces(tmp_path / "data", 3)
    export(tmp_path / "data", tmp_path / "ex" / "out")
    before = contents(tmp_path / "ex")
    face = make_faces(tmp_path / "data", 4)[3]
    (tmp_path / "data" / face.image_path).write_bytes(b"no picture")
    with pytest.raises(DrfhqError):
        export(tmp_path / "data", tmp_path / "ex" / "out")
    assert contents(tmp_path / "ex") == before


@each_format
def test_what_is_no_export_is_never_replaced(tmp_path: Path, export: Export) -> None:
    make_faces(tmp_path / "data", 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("thesis.txt", "years of work")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="choose another --out"):
        export(tmp_path / "data", tmp_path / "out")
    assert contents(tmp_path) == before


def test_a_data_set_is_no_place_for_its_export(tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 3)
    with pytest.raises(UsageError, match="holds something else"):
        export_parquet(tmp_path / "data", tmp_path / "data")


@each_format
def test_an_empty_choice_is_refused(tmp_path: Path, export: Export) -> None:
    make_faces(tmp_path / "data", 0)
    with pytest.raises(UsageError, match="no faces"):
        export(tmp_path / "data", tmp_path / "out")


@given(st.lists(st.integers(1, 50)), st.integers(1, 100))
def test_consecutive_ranges_cover_all_rows_in_order_and_are_as_full_as_may_be(sizes: list[int], limit: int) -> None:
    ranges = consecutive(sizes, limit)
    assert [row for first, end in ranges for row in range(first, end)] == list(range(len(sizes)))
    sums = [sum(sizes[first:end]) for first, end in ranges]
    assert all(total <= limit or end - first == 1 for total, (first, end) in zip(sums, ranges, strict=True))
    follows = [sizes[first] for first, _ in ranges[1:]]
    assert all(total + size > limit for total, size in zip(sums[:-1], follows, strict=True))


@given(st.lists(st.integers(1, 50), min_size=1), st.lists(st.integers(1, 50)), st.integers(1, 100))
def test_rows_added_at_the_end_leave_all_but_the_last_range(sizes: list[int], more: list[int], limit: int) -> None:
    assert consecutive([*sizes, *more], limit)[: len(consecutive(sizes, limit)) - 1] == consecutive(sizes, limit)[:-1]


def test_shards_and_row_groups_keep_to_their_sizes(tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 30)
    exported = export_parquet(tmp_path / "data", tmp_path / "out", shard_bytes=60_000, row_group_bytes=26_000)
    names = [file.path for file in exported.files]
    train = [name for name in names if "train" in name]
    assert len(train) == 5
    assert train == [f"data/train-{number:05d}-of-00005.parquet" for number in range(5)]
    for name in names:
        with pq.ParquetFile(tmp_path / "out" / name) as file:
            groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
            crops = [group.column(0).total_uncompressed_size for group in groups]
            assert max(crops) < 26_000 + 1000
            assert sum(crops) < 60_000 + 1000
            column = groups[0].column(0)
            assert (column.path_in_schema, column.compression) == ("image.bytes", "UNCOMPRESSED")
            assert "DICTIONARY" not in "".join(column.encodings)
            assert file.schema_arrow.names == ["image", *(column.name for column in MANIFEST_COLUMNS)]
            told = json.loads(file.schema_arrow.metadata[b"huggingface"])
            assert told == {"info": {"features": features()}}


def test_shards_that_stay_full_stay_the_same_when_faces_are_added_at_the_end(tmp_path: Path) -> None:
    def shards(count: int) -> list[str]:
        make_faces(tmp_path / "data", count)
        exported = export_parquet(tmp_path / "data", tmp_path / "out", shard_bytes=60_000)
        return [file.sha256 for file in exported.files if "train" in file.path]

    assert shards(60)[:4] == shards(30)[:4]


def test_memory_holds_a_row_group_not_the_data_set(tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 48, size=256)
    choose(tmp_path / "data")  # what is loaded once
    peaks = []
    for limit in (400_000, 100_000_000):
        tracemalloc.start()
        export_parquet(tmp_path / "data", tmp_path / f"out{limit}", row_group_bytes=limit)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 2_500_000 < 5_000_000 < peaks[1]


def test_imagefolder_takes_no_room_where_links_are_known(tmp_path: Path) -> None:
    face = make_faces(tmp_path / "data", 2)[1]
    export_imagefolder(tmp_path / "data", tmp_path / "out")
    os.link(tmp_path / "data" / face.image_path, tmp_path / "probe")  # else this disk knows none
    assert (tmp_path / "out" / "train" / "00000" / "00001.png").samefile(tmp_path / "probe")


def test_stylegan_takes_powers_of_two_alone(tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 2, size=96)
    with pytest.raises(UsageError, match=r"96 pixels wide.*--size 64 or 128"):
        export_stylegan(tmp_path / "data", tmp_path / "out.zip")
    with pytest.raises(UsageError, match=r"\.zip"):
        export_stylegan(tmp_path / "data", tmp_path / "out")


def test_stylegan_classes_follow_the_vocabulary_and_unknown_comes_last_only_where_there_is_one(tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 2, age_group="70+")
    export_stylegan(tmp_path / "data", tmp_path / "out.zip", label="age_group")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        document = json.loads(archive.read("dataset.json"))
    assert document["labels"] == [["00000/img00000000.png", 8], ["00000/img00000001.png", 8]]
    assert document["classes"][0] == "0-2"
    assert document["classes"][-1] == "70+"


def test_progress_counts_every_byte_once(tmp_path: Path) -> None:
    faces = make_faces(tmp_path / "data", 7)
    total = sum((tmp_path / "data" / face.image_path).stat().st_size for face in faces)
    for export in (export_parquet, export_imagefolder):
        told: list[tuple[int, int]] = []
        export(tmp_path / "data", tmp_path / export.__name__, progress=lambda *now, told=told: told.append(now))
        assert told == sorted(told)
        assert told[-1] == (total, total)
