"""`drfhq build --shard` and `drfhq merge`: the files of one build, whatever did the work and in what order."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from given_pictures import build, contents, run, write_face
from raw_pictures import noise

from drfhq_tools.manifest import open_manifest

COUNT = 4
BEST = ("--set", "duplicates=keep-best")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces, copies of files and of pictures, one that is taken out, files that fail, words that cannot be used."""
    folder = tmp_path_factory.mktemp("shards") / "raw"
    for number in range(8):
        write_face(folder / f"{number}.png", number, subject_id=f"person {number % 3}")
    for name in ("3.png", "5.png"):
        (folder / "sub" / "deep").mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, folder / "sub" / "deep" / f"copy of {name}")
    shutil.copy(folder / "3.json", folder / "sub" / "deep" / "copy of 3.json")
    (folder / "sub" / "deep" / "copy of 5.json").write_text('{"gender": "m", "landmarks": "many"}')
    write_face(folder / "rated.png", 11, content_rating="NSFW")
    noise().save(folder / "nobody.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no picture")
    (folder / "bad.gif").write_bytes(b"GIF89a")
    (folder / "labels.csv").write_text(
        "file,gender,race,age_years\n1.png,female,martian,3\ngone.png,male,,\n2.png,,,x\n"
    )
    return folder


@pytest.fixture(scope="module")
def whole(raw: Path) -> dict[str, str]:
    """One build's files."""
    out = raw.parent / "whole"
    assert build(raw, out).exit_code == 3
    assert len(open_manifest(out).faces) == 8
    return contents(out)


def shard(raw: Path, out: Path, index: int, *options: object, count: int = COUNT) -> Result:
    return build(raw, out, "--shard", f"{index}/{count}", *options)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_shards_in_any_order_are_one_build(
    order: tuple[int, ...], raw: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    pictures = 0
    for index in order:
        assert shard(raw, tmp_path, index).exit_code == 3
        folder = tmp_path / "shards" / f"{index}-of-{COUNT}"
        assert (folder / "done.json").exists()
        pictures += json.loads((folder / "stats.json").read_text())["pictures"]
    assert pictures == 12
    assert run("merge", tmp_path).exit_code == 3
    assert contents(tmp_path) == whole
    result = run("merge", tmp_path)
    assert (result.exit_code, "merged before" in result.stdout) == (0, True)
    assert contents(tmp_path) == whole


def test_a_missing_or_unfinished_shard_is_named(raw: Path, whole: dict[str, str], tmp_path: Path) -> None:
    assert "has no shards" in run("merge", tmp_path).stderr
    shard(raw, tmp_path, 0)
    shard(raw, tmp_path, 2)
    shard(raw, tmp_path, 3)
    (tmp_path / "shards" / "2-of-4" / "done.json").unlink()  # as when it was stopped
    result = run("merge", tmp_path)
    assert (result.exit_code, "lacks the shards 1/4, 2/4" in result.stderr) == (2, True), result.stderr
    shard(raw, tmp_path, 1)
    shard(raw, tmp_path, 2)
    next((tmp_path / "shards").glob("*/crops/*/*.png")).unlink()
    result = run("merge", tmp_path)
    assert (result.exit_code, "is damaged" in result.stderr) == (1, True), result.stderr
    for index in range(COUNT):
        shard(raw, tmp_path, index)
    assert run("merge", tmp_path).exit_code == 3
    assert contents(tmp_path) == whole


def test_shards_of_different_builds_are_told_apart(raw: Path, tmp_path: Path) -> None:
    pictures = Path(shutil.copytree(raw, tmp_path / "raw"))
    out = tmp_path / "out"
    shard(pictures, out, 0, count=2)
    shard(pictures, out, 1, "--val-fraction", 0.2, count=2)
    result = run("merge", out)
    assert (result.exit_code, "(val_fraction 0.05, not 0.2)" in result.stderr) == (2, True), result.stderr
    (pictures / "labels.csv").write_text("file,gender\n1.png,male\n")
    shard(pictures, out, 1, count=2)
    assert "--raw changed in between" in run("merge", out).stderr
    shard(pictures, out, 0, count=2)
    shard(pictures, out, 0, count=3)
    assert "shards of several builds" in run("merge", out).stderr
    shutil.rmtree(out / "shards" / "0-of-3")
    assert run("merge", out).exit_code == 3
    fresh = tmp_path / "fresh"
    build(pictures, fresh)
    assert contents(out) == contents(fresh)


@pytest.mark.parametrize("text", ["4/4", "-1/4", "1", "a/b", "0/0", "1/2/3"])
def test_there_is_no_such_shard(raw: Path, tmp_path: Path, text: str) -> None:
    result = build(raw, tmp_path / "out", "--shard", text)
    assert (result.exit_code, "shard" in result.stderr) == (2, True)
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_shards_on_top_of_a_finished_set_start_from_it(raw: Path, tmp_path: Path) -> None:
    pictures = Path(shutil.copytree(raw, tmp_path / "raw"))
    out = tmp_path / "out"
    build(pictures, out, *BEST)
    write_face(pictures / "new.png", 9)
    assert shard(pictures, out, 0, *BEST, count=2).exit_code == 3
    assert shard(pictures, out, 1, *BEST, count=2).exit_code == 3
    assert run("merge", out).exit_code == 3
    fresh = tmp_path / "fresh"
    build(pictures, fresh, *BEST)
    assert contents(out) == contents(fresh)
