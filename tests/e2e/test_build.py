"""`drfhq build` on a small folder: rules, splits, rebuilding, refusing, interrupting."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from raw_pictures import FACE, shifted

from drfhq_tools.cli import main
from drfhq_tools.config import BuildConfig
from drfhq_tools.hashing import sha256_file
from drfhq_tools.imageio import read_picture
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.built import image_path


def run(*arguments: str | Path | float) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def build(raw: Path, out: Path, *options: str | float) -> Result:
    return run("build", "--raw", raw, "--out", out, "--size", 64, "--workers", 1, *options)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    shifted(0).save(folder / "b.png")
    shifted(4).save(folder / "c.png")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in folder.rglob("*") if p.is_file()}


def test_images_are_numbered_as_in_ffhq() -> None:
    numbers = {0: "00000/00000", 999: "00000/00999", 1000: "01000/01000", 123_456: "123000/123456"}
    assert {number: image_path(number) for number in numbers} == {n: f"images/{p}.png" for n, p in numbers.items()}


def test_layout_and_digests(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert build(raw, out).exit_code == 0
    tables = {"manifest.parquet", "labels.parquet", "rejects.parquet", "build.json"}
    assert set(contents(out)) == tables | {"images/00000/00000.png", "images/00000/00001.png"}
    document = json.loads((out / "build.json").read_text())
    for face in open_manifest(out).faces:
        assert read_picture(out / face.image_path).shape == (64, 64, 3)
        assert sha256_file(out / face.image_path) == face.image_sha256
        assert face.pixels_digest == document["pixels_digest"] == BuildConfig(size=64).pixels_digest
        assert face.rules_digest == document["rules_digest"] == BuildConfig(size=64).rules_digest
        assert face.quad_repeatability is not None
    everything = b"".join(p.read_bytes() for p in out.rglob("*.parquet")) + (out / "build.json").read_bytes()
    assert str(tmp_path).encode() not in everything


def test_faces_dropped_by_a_rule_are_rejects_and_no_failure(raw: Path, tmp_path: Path) -> None:
    Image.fromarray(FACE[60:190, 160:290]).save(raw / "a_tight.png")
    out = tmp_path / "out"
    result = build(raw, out, "--max-pad-fraction", 0.01)
    assert result.exit_code == 0
    (row,) = pq.read_table(out / "rejects.parquet").to_pylist()
    assert (row["source_path"], row["face_index"], row["reason"]) == ("a_tight.png", 0, "too_much_padding")
    assert (row["rule"], row["threshold"]) == ("max_pad_fraction", 0.01)
    assert row["value"] == row["pad_fraction"] > 0.01
    assert row["inter_eye_px"] > 10
    assert build(raw, tmp_path / "small", "--min-native-ratio", 50).exit_code == 0
    assert {row["reason"] for row in pq.read_table(tmp_path / "small" / "rejects.parquet").to_pylist()} == {"too_small"}
    assert open_manifest(tmp_path / "small").size_px == 64


def test_config_file_and_flags_over_it(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[build]\nmin_native_ratio = 50\nval_fraction = 0.5\n")
    assert build(raw, tmp_path / "out", "--config", str(tmp_path / "c.toml"), "--min-native-ratio", 0).exit_code == 0
    (digest,) = {face.rules_digest for face in open_manifest(tmp_path / "out").faces}
    assert digest == BuildConfig(size=64, min_native_ratio=0, val_fraction=0.5).rules_digest


def test_adding_data_moves_numbers_but_no_face(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(raw, out)
    before = {face.face_id: face for face in open_manifest(out).faces}
    shifted(8).save(raw / "a.png")
    assert build(raw, out).exit_code == 0
    after = {face.face_id: face for face in open_manifest(out).faces}
    assert set(before) < set(after)
    for name, face in before.items():
        assert (after[name].split, after[name].image_sha256) == (face.split, face.image_sha256)
        assert after[name].image_path != face.image_path
        assert sha256_file(out / after[name].image_path) == face.image_sha256
    assert not list(out.glob(".drfhq*"))


def test_building_again_changes_nothing_even_after_a_cut(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(raw, out)
    before = contents(out)
    assert build(raw, out).exit_code == 0
    assert contents(out) == before
    (out / "manifest.parquet").unlink()  # as when power fails between two renames
    (out / ".drfhq-staging" / "new").mkdir(parents=True)
    assert build(raw, out).exit_code == 0
    assert contents(out) == before


def test_what_it_refuses(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(raw, out)
    before = contents(out)
    other = tmp_path / "other"
    other.mkdir()
    shifted(20).save(other / "x.png")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    for arguments, said in (
        (("--raw", raw, "--out", out, "--size", 128), "other settings"),
        (("--raw", other, "--out", out, "--size", 64), "other pictures"),
        (("--raw", raw, "--out", foreign), "holds other files"),
        (("--raw", raw, "--out", raw / "in"), "lie in each other"),
        (("--raw", raw, "--out", tmp_path), "lie in each other"),
        (("--raw", tmp_path / "none", "--out", tmp_path / "n"), "is no folder"),
        (("--raw", raw, "--out", foreign / "thesis.txt"), "is a file"),
        (("--raw", raw, "--out", tmp_path / "n", "--workers", 0), "at least 1"),
        (("--raw", raw, "--out", tmp_path / "n", "--detector", "eyes"), "is not one of"),
        (("--raw", raw, "--out", tmp_path / "n", "--val-fraction", 0.9, "--test-fraction", 0.1), "nothing to train"),
    ):
        result = run("build", *arguments)
        assert (result.exit_code, said in result.stderr) == (2, True), (arguments, result.stderr)
        assert "Traceback" not in result.stderr
    assert contents(out) == before
    assert (foreign / "thesis.txt").read_text() == "precious"


def test_an_empty_folder_gives_an_empty_set(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    assert build(tmp_path / "raw", tmp_path / "out").exit_code == 0
    assert open_manifest(tmp_path / "out").faces == []
    assert json.loads(run("stats", tmp_path / "out", "--json").stdout)["faces"] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process on Windows")
def test_ctrl_c_leaves_the_old_set_and_what_was_finished(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(raw, out)
    before = contents(out)
    for number in range(60):
        shifted(100 + number).save(raw / f"more{number}.png")
    # A shell's background jobs ignore Ctrl-C, and hand that down.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "if __name__ == '__main__': from drfhq_tools.cli import main; main()"
    command = [sys.executable, "-c", code, "build", "--raw", str(raw)]
    process = subprocess.Popen([*command, "--out", str(out), "--size", "64", "--workers", "1"], stderr=subprocess.PIPE)
    while not list(out.glob(".drfhq-work/seen/*/*.json")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"interrupted; what was finished is kept" in errors
    assert b"Traceback" not in errors
    assert {name: digest for name, digest in contents(out).items() if not name.startswith(".drfhq-work/")} == before
    assert list(out.glob(".drfhq-work/seen/*/*.json"))


def test_shared_renders_arrive_as_declared(tmp_path: Path) -> None:
    shared = Path(__file__).parents[2] / ".." / "shared" / "renders"
    if not shared.is_dir():
        pytest.skip("the shared renders are not here")
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("Hispanic_F_1_Util_230.jpg", "mh_108_male_african_young.jpg", "AIAN_F_1_Casual_228.jpg"):
        shutil.copy(shared / name, raw / name)
    shutil.copy(shared / "labels.csv", raw / "labels.csv")
    assert build(raw, tmp_path / "out").exit_code == 0
    said = {face.source_path.split("_")[0]: face for face in open_manifest(tmp_path / "out").faces}
    assert (said["Hispanic"].race, said["Hispanic"].race_status) == ("Latino_Hispanic", "declared")
    assert (said["AIAN"].race, said["AIAN"].race_declared, said["AIAN"].race_vocabulary) == (None, "AIAN", "VALID")
    assert (said["mh"].race, said["mh"].age_group, said["mh"].license) == ("Black", "20-29", "CC0-1.0")
    assert {face.subject_id is None for face in said.values()} == {False}
