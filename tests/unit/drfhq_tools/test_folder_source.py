"""Walking a tree: everything found once, in one order, whatever lies in it."""

import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from drfhq_tools.imageio import encode_png
from drfhq_tools.records import RejectReason
from drfhq_tools.sources.base import Scan
from drfhq_tools.sources.folder import FolderSource


def put(root: Path, path: str, shade: int = 0) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(np.full((4, 4, 3), shade, np.uint8)))
    return file


def scan(root: Path) -> Scan:
    return FolderSource(root=root).scan()


def paths(root: Path) -> list[tuple[str, ...]]:
    return [found.source.paths for found in scan(root).found]


def test_any_depth_case_and_name(tmp_path: Path) -> None:
    for shade, path in enumerate(["b.PNG", "a/x.png", "a/b/c/d e/ü.Png", "no_suffix", "disguised.txt"]):
        put(tmp_path, path, shade)
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "text.png").write_text("no picture, but named one")
    expected = ["a/b/c/d e/ü.Png", "a/x.png", "b.PNG", "disguised.txt", "no_suffix", "text.png"]
    assert [one[0] for one in paths(tmp_path)] == expected


def test_identical_files_are_one_source(tmp_path: Path) -> None:
    for path in ("z.png", "a/copy.png", "m.jpg"):
        put(tmp_path, path, 5)
    put(tmp_path, "other.png", 6)
    assert paths(tmp_path) == [("a/copy.png", "m.jpg", "z.png"), ("other.png",)]


def test_hidden_folders_and_resource_forks_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, ".thumbnails/a.png")
    put(tmp_path, "._b.png", 1)
    put(tmp_path, ".c.png", 2)
    assert paths(tmp_path) == [(".c.png",)]


def test_folder_named_as_a_picture(tmp_path: Path) -> None:
    put(tmp_path, "x.png/inside.png")
    assert paths(tmp_path) == [("x.png/inside.png",)]


def test_formats_that_are_not_read_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.exr").write_bytes(b"v/1\x01 and so on")
    put(tmp_path, "png_named.gif")
    result = scan(tmp_path)
    assert [found.source.path for found in result.found] == ["png_named.gif"]
    assert [(r.source_path, r.reason) for r in result.rejects] == [("a.exr", RejectReason.UNSUPPORTED_FORMAT)]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links(tmp_path: Path) -> None:
    put(tmp_path, "real/a.png")
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "aaa").symlink_to(tmp_path / "real")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself.png").symlink_to(tmp_path / "itself.png")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    put(elsewhere, "b.png", 1)
    (tmp_path / "linked").symlink_to(elsewhere)
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    result = scan(tmp_path)
    assert [found.source.paths for found in result.found] == [("link.png", "real/a.png"), ("linked/b.png",)]
    assert [(r.source_path, r.reason) for r in result.rejects] == [
        ("dangling.png", RejectReason.UNREADABLE),
        ("itself.png", RejectReason.UNREADABLE),
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang_the_walk(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    assert [r.source_path for r in scan(tmp_path).rejects] == ["pipe.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read all")
def test_unreadable_file_and_folder(tmp_path: Path) -> None:
    put(tmp_path, "locked.png").chmod(0)
    put(tmp_path, "shut/a.png")
    (tmp_path / "shut").chmod(0)
    try:
        found = {(r.source_path, r.reason) for r in scan(tmp_path).rejects}
    finally:
        (tmp_path / "shut").chmod(0o700)
    assert found == {("locked.png", RejectReason.UNREADABLE), ("shut", RejectReason.UNREADABLE)}


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="file names are text here")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    put(tmp_path, "a.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    (found,) = scan(tmp_path).found
    assert found.source.path == "\\xff.png"
    assert found.file.read_bytes()


def test_sidecars_nearer_words_win(tmp_path: Path) -> None:
    put(tmp_path, "sub/a.png", 1)
    put(tmp_path, "sub/b.png", 2)
    (tmp_path / "labels.csv").write_text("file,gender,license,author\nsub/a.png,male,MIT,X\nsub/b.png,male,MIT,X\n")
    (tmp_path / "sub" / "labels.csv").write_text("file,gender,author\na.png,female,\n")
    (tmp_path / "sub" / "a.json").write_text('{"license": "CC0-1.0", "age_years": 30}')
    a, b = (found.source for found in scan(tmp_path).found)
    assert (a.declared.gender, a.declared.age_years) == ("female", 30.0)
    assert (a.provenance.license, a.provenance.author) == ("CC0-1.0", "X")
    assert (b.declared.gender, b.provenance.license) == ("male", "MIT")


def test_same_stem_shares_its_json_and_names_are_composed(tmp_path: Path) -> None:
    put(tmp_path, "x.png", 1)
    put(tmp_path, "x.bmp", 2)
    (tmp_path / "x.json").write_text('{"gender": "female", "age_years": "?"}')
    put(tmp_path, unicodedata.normalize("NFD", "é.png"), 3)
    (tmp_path / "labels.csv").write_text("file,gender\né.png,male\n", encoding="utf-8")
    result = scan(tmp_path)
    assert [found.source.declared.gender for found in result.found] == ["male", "female", "female"]
    assert [r.source_path for r in result.rejects] == ["x.json"]


def test_rows_without_a_picture_and_disputed_copies_are_noted(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "b.png")
    (tmp_path / "labels.csv").write_text("file,gender\na.png,male\nb.png,female\ngone.png,male\n")
    result = scan(tmp_path)
    assert result.found[0].source.declared.gender is None
    assert [(r.source_path, r.reason) for r in result.rejects] == [
        ("a.png", RejectReason.LABEL_NOTE),
        ("labels.csv", RejectReason.LABEL_NOTE),
    ]
    assert "1 rows name files that are not pictures here, such as gone.png" in result.rejects[1].message


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "b.png", 1)
    calls: list[tuple[int, int]] = []
    FolderSource(root=tmp_path, on_file=lambda done, total: calls.append((done, total))).scan()
    assert calls == [(1, 2), (2, 2)]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_shares_are_all_there_is_and_copies_stay_together(tmp_path: Path, count: int) -> None:
    for number in range(20):
        name = f"{number}.png"
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([number]) * 9000)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "copy.png").write_bytes((tmp_path / "4.png").read_bytes())
    (tmp_path / "labels.csv").write_text("file,gender\n4.png,f\ncopy.png,m\nnone.png,f\n")
    whole = FolderSource(root=tmp_path).scan()
    shares = [FolderSource(root=tmp_path, share=(index, count)).scan() for index in range(count)]
    found = sorted((one for share in shares for one in share.found), key=lambda one: one.source.path)
    assert tuple(found) == whole.found
    assert {reject for share in shares for reject in share.rejects} == set(whole.rejects)
    assert len({share.listing for share in shares}) == 1
    (tmp_path / "labels.csv").write_text("file,gender\n4.png,m\n")
    assert FolderSource(root=tmp_path, share=(0, count)).scan().listing != shares[0].listing
