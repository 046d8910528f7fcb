"""`drfhq filter`: whatever rules a data set had, it becomes what a fresh build with the new ones would be."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from killed_runs import run_killed
from PIL import Image
from raw_pictures import FACE, five_faces, noise, shifted

from drfhq_tools.build.look import Hands
from drfhq_tools.build.refilter import refilter
from drfhq_tools.cli import main
from drfhq_tools.config import PRESETS, parse_settings
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import open_manifest

RULES = {
    "loose": "max_pad_fraction=1 min_native_ratio=0 yaw_deg=180 val_fraction=0.05 split_seed=0",
    "tight": "max_pad_fraction=0.1 min_native_ratio=0 yaw_deg=5 val_fraction=0.05 split_seed=0",
    "mixed": "max_pad_fraction=1 min_native_ratio=4 yaw_deg=180 val_fraction=0.5 split_seed=3",
}
FACES = {"loose": 9, "tight": 5, "mixed": 2}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def settings(rules: str) -> list[str]:
    return [word for setting in RULES[rules].split() for word in ("--set", setting)]


def recut(data: Path, rules: str, *options: str | Path) -> Result:
    return run("filter", data, *settings(rules), "--workers", "1", *options)


def contents(folder: Path) -> dict[str, str]:
    """Hashes of the data set's files, without staging and what it was before."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: sha256_file(path) for name, path in names.items() if not name.startswith((".", "history/"))}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five faces in one picture, some turned; one at the rim, twice; a label; two files that are no faces."""
    folder = tmp_path_factory.mktemp("filter") / "raw"
    (folder / "sub").mkdir(parents=True)
    five_faces().save(folder / "five.png")
    Image.fromarray(FACE[60:190, 160:290]).resize((390, 390)).save(folder / "rim.png")
    shutil.copy(folder / "rim.png", folder / "sub" / "a copy.png")
    Image.fromarray(FACE[0:256, 96:352]).resize((640, 640)).save(folder / "large.png")
    for number in (3, 7):
        shifted(number).save(folder / f"shifted{number}.jpg", quality=95)
    (folder / "labels.csv").write_text("file,gender,race,subject_id\nrim.png,female,martian,x\nlarge.png,female,,y\n")
    (folder / "rim.json").write_text('{"license": "PD"}')
    (folder / "empty.png").write_bytes(b"")
    noise().save(folder / "nobody.png")
    return folder


@pytest.fixture(scope="module")
def fresh(raw: Path) -> dict[str, Path]:
    """A data set built by each of RULES; not to be changed."""
    sets = {rules: raw.parent / rules for rules in RULES}
    for rules, out in sets.items():
        run("build", "--raw", raw, "--out", out, "--size", "64", "--workers", "1", *settings(rules))
        assert len(open_manifest(out).faces) == FACES[rules]
    assert {face.split for face in open_manifest(sets["mixed"]).faces} == {"train", "val"}
    return sets


@pytest.fixture
def copy(fresh: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a fresh data set to work on."""

    def make(rules: str) -> Path:
        return Path(shutil.copytree(fresh[rules], tmp_path / "data"))

    return make


def test_tightening_gives_the_bytes_of_a_fresh_build(copy: Callable[[str], Path], fresh: dict[str, Path]) -> None:
    data = copy("loose")
    inodes = {face.face_id: (data / face.image_path).stat().st_ino for face in open_manifest(data).faces}
    result = recut(data, "tight")
    assert result.exit_code == 0
    assert "dropped by max_pad_fraction" in result.stdout
    assert contents(data) == contents(fresh["tight"])
    assert not list(data.glob(".drfhq*"))
    for face in open_manifest(data).faces:
        assert (data / face.image_path).stat().st_ino == inodes[face.face_id]


@pytest.mark.parametrize(
    "path", [("tight", "loose"), ("mixed", "tight", "mixed"), ("tight", "tight", "mixed", "loose")]
)
def test_any_way_through_rules_ends_at_the_fresh_build(
    path: tuple[str, ...], copy: Callable[[str], Path], fresh: dict[str, Path], raw: Path
) -> None:
    data = copy("loose")
    for rules in path:
        assert recut(data, rules, "--raw", raw).exit_code == 0
        assert contents(data) == contents(fresh[rules]), rules


def test_a_dry_run_says_what_would_change_and_changes_nothing(
    copy: Callable[[str], Path], fresh: dict[str, Path]
) -> None:
    data = copy("tight")
    result = recut(data, "mixed", "--dry-run")
    assert result.exit_code == 0
    said = " ".join(result.stdout.split())
    assert "kept 1 dropped by min_native_ratio 4 gained from max_pad_fraction 1 Nothing was changed" in said
    assert contents(data) == contents(fresh["tight"])


def test_a_file_overrides_a_preset_and_a_flag_both(copy: Callable[[str], Path], tmp_path: Path) -> None:
    data = copy("loose")
    file = tmp_path / "rules.toml"
    file.write_text("[build]\nsize = 64\nmax_pad_fraction = 0.5\nmax_pitch_deg = 90\n")
    before = json.loads((data / "build.json").read_text())["settings"]
    options = ("--preset", "strict", "--config", file, "--set", "max_pad_fraction=0.1")
    assert run("filter", data, *options).exit_code == 0
    after = json.loads((data / "build.json").read_text())["settings"]
    assert after == before | PRESETS["strict"] | {"max_pitch_deg": 90.0, "max_pad_fraction": 0.1}


def test_what_it_refuses_changes_nothing(copy: Callable[[str], Path], raw: Path, tmp_path: Path) -> None:
    data = copy("tight")
    before = contents(data)
    for arguments, code, said in (
        (["--set", "size=128"], 2, "cannot change its size (64)"),
        (["--set", "max_megapixels=10"], 2, "cannot change its max_megapixels (200.0)"),
        (["--set", "detector=yunet"], 2, "cannot change its detector (dlib)"),
        (["--set", "yaw=3"], 2, "did you mean"),
        (["--set", "yaw_deg=180"], 2, "3 faces would be gained"),
        (["--set", "yaw_deg=180", "--raw", tmp_path / "none"], 2, "is no folder"),
        (["--set", "yaw_deg=180", "--raw", tmp_path], 1, "five.png (missing)"),
        (["--set", "yaw_deg=180", "--raw", raw, "--workers", "0"], 2, "at least 1"),
    ):
        result = run("filter", data, *arguments)
        assert (result.exit_code, said in result.stderr) == (code, True), (arguments, result.stderr)
        assert "Traceback" not in result.stderr
    assert contents(data) == before
    assert not list(data.glob(".drfhq*"))
    assert "run `drfhq build`" in run("filter", raw, "--set", "yaw_deg=1").stderr


def test_a_raw_picture_that_changed_is_named_before_anything_happens(
    copy: Callable[[str], Path], raw: Path, tmp_path: Path
) -> None:
    data = copy("tight")
    before = contents(data)
    other = Path(shutil.copytree(raw, tmp_path / "other"))
    shifted(20).save(other / "sub" / "a copy.png")
    result = recut(data, "loose", "--raw", other)
    assert (result.exit_code, "sub/a copy.png (changed)" in result.stderr) == (1, True), result.stderr
    assert contents(data) == before


def test_a_data_set_with_a_picture_missing_stays_as_it_was(copy: Callable[[str], Path]) -> None:
    data = copy("loose")
    (data / "images" / "00000" / "00002.png").unlink()
    before = contents(data)
    result = recut(data, "tight")
    assert (result.exit_code, "is missing: the data set is damaged" in result.stderr) == (1, True)
    assert contents(data) == before
    assert not list(data.glob(".drfhq*"))


def silent(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""


class _CutError(BaseException):
    """Power fails: from here on nothing reaches the disk."""


class Cutter:
    """Lets a number of changes reach the disk, and none after them."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.seen = 0
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if self.left is None or not (writes or event in {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir"}):
            return
        self.seen += 1
        if self.seen > self.left:
            raise _CutError


@pytest.fixture(scope="module")
def cutter() -> Cutter:
    return Cutter()


def test_cut_at_any_moment_it_is_the_old_or_the_new_one_or_finished_by_the_next_run(
    fresh: dict[str, Path], raw: Path, tmp_path: Path, cutter: Cutter
) -> None:
    old, new = contents(fresh["loose"]), contents(fresh["tight"])
    outcomes = []
    for changes in range(1000):
        data = Path(shutil.copytree(fresh["loose"], tmp_path / str(changes)))
        cutter.left, cutter.seen = changes, 0
        try:
            refilter(data, parse_settings(RULES["tight"].split()), raw=None, hands=Hands(workers=1, progress=silent))
        except _CutError:
            pass
        finally:
            done, cutter.left = cutter.seen <= changes, None
        after = contents(data)
        outcomes.append("old" if after == old else "new" if after == new else "between")
        assert ("manifest.parquet" in after) == (outcomes[-1] != "between")
        if changes % 2 or outcomes[-1] == "between":
            rules = "tight" if changes % 4 else "mixed"
            assert recut(data, rules, "--raw", raw).exit_code == 0
            assert contents(data) == contents(fresh[rules])
            assert not list(data.glob(".drfhq*"))
        if done:
            break
    assert outcomes == sorted(outcomes, key=["old", "between", "new"].index)
    assert set(outcomes) == {"old", "between", "new"}


@pytest.mark.parametrize("where", ["00004.png", "old-images", "build.json"])
def test_killed_while_faces_are_gained_the_next_run_finishes(
    where: str, copy: Callable[[str], Path], fresh: dict[str, Path], raw: Path, tmp_path: Path
) -> None:
    data = copy("tight")
    run_killed(where, tmp_path, "filter", data, *settings("loose"), "--raw", raw, "--workers", "1")
    assert (data / ".drfhq-staging").exists()
    assert recut(data, "loose", "--raw", raw).exit_code == 0
    assert contents(data) == contents(fresh["loose"])
    assert not list(data.glob(".drfhq*"))
