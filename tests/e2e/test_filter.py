"""`drfhq filter`: whatever rules a data set had, it becomes what a fresh build with the new ones would be."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from raw_pictures import FACE, five_faces, noise, shifted

from drfhq_tools.cli import main
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import open_manifest

RULES = {
    "loose": "max_pad_fraction=1 min_native_ratio=0 yaw_deg=180 val_fraction=0.05",
    "tight": "max_pad_fraction=0.1 min_native_ratio=0 yaw_deg=5 val_fraction=0.05",
    "mixed": "max_pad_fraction=1 min_native_ratio=3 yaw_deg=1 val_fraction=0.5",
}
FACES = {"loose": 9, "tight": 5, "mixed": 1}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def settings(rules: str) -> list[str]:
    return [word for setting in RULES[rules].split() for word in ("--set", setting)]


def recut(data: Path, rules: str, *options: str | Path) -> Result:
    return run("filter", data, *settings(rules), "--workers", "1", *options)


def contents(folder: Path) -> dict[str, str]:
    """Hashes of the data set's files, staging left out."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: sha256_file(path) for name, path in names.items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five faces in one picture, some turned; one at the rim, twice; a label; two files that are no faces."""
    folder = tmp_path_factory.mktemp("filter") / "raw"
    (folder / "sub").mkdir(parents=True)
    five_faces().save(folder / "five.png")
    Image.fromarray(FACE[60:190, 160:290]).save(folder / "rim.png")
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
