"""`drfhq build` stopped, and run again: whatever stopped it, nothing finished is lost or redone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from given_pictures import arguments, build, contents, run, write_face
from raw_pictures import noise

from drfhq_tools.build.ledger import Ledger
from drfhq_tools.build.look import Hands
from drfhq_tools.build.run import build as build_set
from drfhq_tools.config import config_from, parse_settings
from drfhq_tools.hashing import face_id, sha256_file
from drfhq_tools.manifest import open_manifest

Task = TypeVar("Task")
Result = TypeVar("Result")
POSIX = sys.platform != "win32"
DRFHQ = "from drfhq_tools.cli import main\nif __name__ == '__main__': main()"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Ten faces, a copy, and nobody."""
    folder = tmp_path / "raw"
    for number in range(10):
        write_face(folder / f"{number}.png", number, subject_id=f"person {number % 6}")
    (folder / "sub").mkdir()
    for name in ("3.png", "3.json"):
        (folder / "sub" / name).write_bytes((folder / name).read_bytes())
    noise().save(folder / "nobody.png")
    (folder / "empty.png").write_bytes(b"")
    return folder


def looked_at(raw: Path, out: Path, *settings: str) -> int:
    """Build in this process, and count the pictures that were worked on."""
    count = 0

    def serial(
        function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, prepare: Callable[[], None], /
    ) -> Iterator[tuple[Task, Result | None]]:
        nonlocal count
        for task in tasks:
            count += 1
            yield task, function(task)

    config = config_from({"size": 48, "detector": "precomputed"} | parse_settings(settings))
    build_set(raw, out, config, hands=Hands(workers=1, progress=lambda *_: None, engine=serial))
    return count


def fresh(raw: Path, *settings: str) -> dict[str, str]:
    """What an uninterrupted build of this gives."""
    out = raw.parent / f"fresh {random.random()}"
    looked_at(raw, out, *settings)
    return contents(out)


def start(raw: Path, out: Path) -> subprocess.Popen[bytes]:
    """`drfhq build` in a process group of its own."""
    script = raw.parent / "drfhq.py"
    script.write_text(DRFHQ)
    command = [sys.executable, str(script), *map(str, arguments(raw, out))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def finished(out: Path) -> dict[str, int]:
    """When each finished picture's entry was written, and the inodes of its crops."""
    work, marks = out / ".drfhq-work", dict[str, int]()
    for path in work.glob("seen/*/*.json"):
        marks[path.name] = path.stat().st_mtime_ns
        source = path.stem
        count = len(json.loads(path.read_bytes())["faces"])
        crops = [Ledger(work).crop(face_id(source, index)) for index in range(count)]
        marks |= {crop.name: crop.stat().st_ino for crop in crops if crop.exists()}
    return marks


def kill_at_random(raw: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill builds at random moments, some in one folder again and again; each ends as an uninterrupted one."""
    rng = random.Random(seed)
    expected = fresh(raw)
    began = time.monotonic()
    start(raw, raw.parent / "timed").wait()
    span = time.monotonic() - began
    counts = {"killed": 0, "resumed with work done": 0, "redone": 0, "killed with no manifest": 0}
    number, known = 0, dict[str, int]()
    while counts["killed"] < kills:
        out = raw.parent / f"killed {number}"
        process = start(raw, out)
        try:
            process.wait(timeout=rng.uniform(0.2, 1.1) * span)
        except subprocess.TimeoutExpired:
            (os.killpg if rng.random() < 0.7 else os.kill)(process.pid, signal.SIGKILL)
            counts["killed"] += 1
            process.wait()
        after = finished(out)
        counts["redone"] += sum(after.get(name, was) != was for name, was in known.items())
        counts["resumed with work done"] += bool(known)
        counts["killed with no manifest"] += not (out / "manifest.parquet").exists()
        known = after
        if process.returncode == 0 or rng.random() < 0.4:
            counts["redone"] += finish(raw, out, known, expected)
            number, known = number + 1, {}
    finish(raw, raw.parent / f"killed {number}", known, expected)
    return counts


def finish(raw: Path, out: Path, known: dict[str, int], expected: dict[str, str]) -> int:
    """Run the same command to its end; how many crops known were made again."""
    assert start(raw, out).wait() == 3  # empty.png
    assert contents(out) == expected
    inodes = {face.face_id: (out / face.image_path).stat().st_ino for face in open_manifest(out).faces}
    return sum(known.get(f"{name}.png", inode) != inode for name, inode in inodes.items())


@pytest.mark.skipif(not POSIX, reason="no process groups to kill on Windows")
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(raw: Path) -> None:
    counts = kill_at_random(raw, kills=3, seed=1)
    assert counts["redone"] == 0
    assert counts["killed"] == 3


@pytest.mark.slow
@pytest.mark.skipif(not POSIX, reason="no process groups to kill on Windows")
def test_killed_fifty_times(raw: Path) -> None:
    counts = kill_at_random(raw, kills=50, seed=2)
    print(counts)
    assert (counts["killed"], counts["redone"]) == (50, 0)
    assert counts["resumed with work done"] > 5


def test_a_finished_set_is_brought_up_to_date_by_looking_at_what_is_new(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert looked_at(raw, out) == 12  # of 13 files two are one
    assert looked_at(raw, out) == 1  # empty.png, which may be whole by now
    (raw / "empty.png").unlink()
    write_face(raw / "new.png", 20)
    write_face(raw / "1.png", 21)
    (raw / "2.png").unlink()
    (raw / "4.png").rename(raw / "four.png")
    (raw / "4.json").rename(raw / "four.json")
    assert looked_at(raw, out) == 2
    assert contents(out) == fresh(raw)


def test_other_words_redo_nothing_but_given_landmarks_do(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (raw / "empty.png").unlink()
    looked_at(raw, out)
    (raw / "labels.csv").write_text("file,gender,license\n5.png,female,PD\n")
    assert looked_at(raw, out) == 0
    assert contents(out) == fresh(raw)
    said = json.loads((raw / "6.json").read_text())
    said["landmarks"] = [(x + 3, y) for x, y in said["landmarks"]]
    (raw / "6.json").write_text(json.dumps(said))
    assert looked_at(raw, out) == 1
    assert contents(out) == fresh(raw)


@pytest.mark.parametrize("policy", ["duplicates=keep-all", "duplicates=keep-best"])
def test_other_rules_cut_only_the_faces_that_are_gained(raw: Path, tmp_path: Path, policy: str) -> None:
    out = tmp_path / "out"
    (raw / "empty.png").unlink()
    looked_at(raw, out, "duplicates=keep-all")
    sharp = sorted(face.sharpness for face in open_manifest(out).faces)
    values = sorted(set(sharp))
    limit = (values[0] + values[1]) / 2
    tight = (policy, f"sharpness={limit}", "split_seed=3")
    assert looked_at(raw, out, *tight) == 0
    assert contents(out) == fresh(raw, *tight)
    everyone = ("duplicates=keep-all",)
    missing = len(sharp) - len(open_manifest(out).faces)
    assert looked_at(raw, out, *everyone) == missing > 0
    assert contents(out) == fresh(raw, *everyone)
    assert looked_at(raw, out, *everyone) == 0


def test_people_are_asked_for_later(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (raw / "empty.png").unlink()
    for number in range(2, 10):
        (raw / f"{number}.png").unlink()
    looked_at(raw, out)
    asked = "identity_distance=0.42"
    assert looked_at(raw, out, asked) == 3
    assert contents(out) == fresh(raw, asked)
    assert looked_at(raw, out, asked) == 0
    assert looked_at(raw, out) == 0
    assert contents(out) == fresh(raw)


def test_a_damaged_set_is_mended(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (raw / "empty.png").unlink()
    looked_at(raw, out)
    before = contents(out)
    (out / "images" / "00000" / "00002.png").write_bytes(b"tampered with")
    (out / "images" / "00000" / "00004.png").unlink()
    assert looked_at(raw, out) == 2
    assert contents(out) == before
    (out / "rejects.parquet").write_bytes(b"")
    assert looked_at(raw, out) == 11
    assert contents(out) == before


def test_unfinished_work_of_other_settings_is_not_mixed_in(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".drfhq-work").mkdir(parents=True)
    (out / ".drfhq-work" / "settings.json").write_text('{"entries": "x", "settings": {"size": 48}}')
    result = build(raw, out)
    assert (result.exit_code, "(detector dlib, not precomputed)" in result.stderr) == (2, True), result.stderr
    assert "Traceback" not in result.stderr
    (out / ".drfhq-work" / "settings.json").write_text("half of it")
    assert build(raw, out).exit_code == 3
    assert contents(out) == fresh(raw)


def test_one_at_a_time_in_a_folder_and_the_dead_hold_nothing(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert build(raw, out).exit_code == 3
    before = contents(out)
    code = (
        "import sys, time, pathlib, drfhq_tools.lock\n"
        "with drfhq_tools.lock.locked(pathlib.Path(sys.argv[1])): print(flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    for command in ([*arguments(raw, out)], ["filter", out, "--set", "yaw_deg=90"], ["merge", out]):
        result = run(*command)
        assert (result.exit_code, "at work in" in result.stderr) == (1, True), result.stderr
        assert "Traceback" not in result.stderr
    holder.kill()
    holder.communicate()
    assert build(raw, out).exit_code == 3
    assert contents(out) == before


@pytest.mark.skipif(not POSIX, reason="no limit on the size of files on Windows")
def test_a_full_disk_loses_nothing_finished(raw: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: entries fit, crops don't."""
    out = tmp_path / "out"
    script = tmp_path / "full.py"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3500, 3500))"
    script.write_text(DRFHQ.replace("main()", f"{limit}; main()"))
    result = subprocess.run(
        [sys.executable, script, *map(str, arguments(raw, out))], capture_output=True, text=True, check=False
    )
    assert (result.returncode, "nothing finished is lost" in result.stderr) == (1, True), result.stderr
    assert "Traceback" not in result.stderr
    assert not (out / "manifest.parquet").exists()
    assert build(raw, out).exit_code == 3
    assert contents(out) == fresh(raw)


def test_an_output_that_cannot_be_written_to(raw: Path, tmp_path: Path) -> None:
    out = Path("/proc/drfhq") if sys.platform == "linux" else tmp_path / "locked" / "out"
    if sys.platform != "linux":
        (tmp_path / "locked").mkdir(mode=0o500)
        if sys.platform == "win32" or os.geteuid() == 0:
            pytest.skip("nothing is locked against this user")
    result = build(raw, out)
    assert (result.exit_code, "cannot write to" in result.stderr) == (1, True), result.stderr


def test_crops_of_a_finished_set_keep_their_files(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    looked_at(raw, out)
    before = {face.face_id: (out / face.image_path).stat().st_ino for face in open_manifest(out).faces}
    write_face(raw / "0a.png", 30)
    looked_at(raw, out)
    faces = {face.face_id: face for face in open_manifest(out).faces}
    assert {name: (out / faces[name].image_path).stat().st_ino for name in before} == before
    assert all(sha256_file(out / face.image_path) == face.image_sha256 for face in faces.values())
