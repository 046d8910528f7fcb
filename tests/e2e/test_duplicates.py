"""Copies of a picture, from files to data set: found, left out if asked, and let in again."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from raw_pictures import FACE

from drfhq_tools.cli import main
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.reader import read_rejects
from drfhq_tools.records import RejectReason

OTHER = "identity_distance=0.42"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def contents(folder: Path) -> dict[str, str]:
    """Hashes of the data set's files, without what it was before."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: sha256_file(path) for name, path in files.items() if not name.startswith("history/")}


def build(raw: Path, out: Path, policy: str) -> None:
    settings = ("--set", f"duplicates={policy}", "--set", "min_native_ratio=0", "--set", "max_pad_fraction=1")
    assert run("build", "--raw", raw, "--out", out, "--size", "64", "--workers", "1", *settings).exit_code == 0


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One picture at its size, re-saved, and enlarged; its mirror image, which is no copy."""
    folder = tmp_path_factory.mktemp("duplicates") / "raw"
    folder.mkdir()
    picture = Image.fromarray(FACE[0:300, 80:380])
    picture.save(folder / "a.png")
    picture.resize((240, 240), Image.Resampling.LANCZOS).save(folder / "b.jpg", quality=60)
    picture.resize((450, 450), Image.Resampling.BICUBIC).save(folder / "c.jpg", quality=20)
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "d.png")
    return folder


@pytest.fixture(scope="module")
def fresh(raw: Path) -> dict[str, Path]:
    sets = {policy: raw.parent / policy for policy in ("keep-all", "keep-best")}
    for policy, out in sets.items():
        build(raw, out, policy)
    return sets


def test_copies_are_one_group_whatever_their_file(fresh: dict[str, Path]) -> None:
    faces = {face.source_path: face for face in open_manifest(fresh["keep-all"]).faces}
    assert len({faces[name].duplicate_group for name in ("a.png", "b.jpg", "c.jpg")}) == 1
    assert len({face.duplicate_group for face in faces.values()}) == 2
    assert len({face.pixels_sha256 for face in faces.values()}) == 4


def test_the_best_alone_is_kept_if_asked(fresh: dict[str, Path]) -> None:
    kept = {face.source_path: face for face in open_manifest(fresh["keep-best"]).faces}
    assert set(kept) == {"c.jpg", "d.png"}
    rejects = read_rejects(fresh["keep-best"])
    assert [(one.source_path, one.reason) for one in rejects] == [
        ("a.png", RejectReason.DUPLICATE),
        ("b.jpg", RejectReason.DUPLICATE),
    ]
    assert all(kept["c.jpg"].face_id in one.message for one in rejects)


def test_filtering_gives_the_bytes_of_a_fresh_build_both_ways(
    raw: Path, fresh: dict[str, Path], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    build(raw, data, "keep-all")
    assert "dropped by duplicates" in run("filter", data, "--set", "duplicates=keep-best").output
    assert contents(data) == contents(fresh["keep-best"])
    assert run("filter", data, "--set", "duplicates=keep-best").exit_code == 0  # takes no pictures
    assert contents(data) == contents(fresh["keep-best"])
    result = run("filter", data, "--set", "duplicates=keep-all", "--raw", raw, "--workers", "1")
    assert "gained from duplicates" in result.output
    assert contents(data) == contents(fresh["keep-all"])


def test_the_next_best_takes_the_place_of_one_that_another_rule_drops(raw: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    build(raw, data, "keep-best")
    measures = {face.source_path: face.measures for face in open_manifest(data).faces}
    measures |= {one.source_path: one.measures for one in read_rejects(data) if one.measures}
    best, next_best = measures["c.jpg"], measures["a.png"]
    assert measures["b.jpg"].native_side_px < next_best.native_side_px < best.native_side_px
    blocks = (next_best.compression_artifacts or 0, best.compression_artifacts or 0)
    assert blocks[0] < blocks[1]
    rule = f"compression_artifacts={sum(blocks) / 2}"
    assert run("filter", data, "--set", rule, "--raw", raw, "--workers", "1").exit_code == 0
    assert [face.source_path for face in open_manifest(data).faces] == ["a.png", "d.png"]
    assert {one.source_path: one.rule for one in read_rejects(data)}["c.jpg"] == "max_compression_artifacts"


def test_people_are_recorded_if_asked(raw: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "raw"
    pictures.mkdir()
    (pictures / "a.png").write_bytes((raw / "a.png").read_bytes())
    (pictures / "d.png").write_bytes((raw / "d.png").read_bytes())
    run("build", "--raw", pictures, "--out", tmp_path / "out", "--size", "64", "--workers", "1", "--set", OTHER)
    one, mirrored = open_manifest(tmp_path / "out").faces
    assert one.identity_embedding is not None
    assert len(one.identity_embedding) == 128
    assert one.identity_group == mirrored.identity_group == min(one.face_id, mirrored.face_id)
