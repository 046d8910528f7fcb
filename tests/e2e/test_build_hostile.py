"""A folder of everything that goes wrong: each file ends as faces or as a reject with its reason; the build ends."""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hostile_files import write_all
from raw_pictures import shifted, write_hostile

from drfhq_tools.cli import main
from drfhq_tools.imageio import read_picture
from drfhq_tools.manifest import Manifest, open_manifest

LINKS = sys.platform != "win32"
FACES = {
    "whole.JPG": 1,
    "deep.png": 1,
    "cmyk.jpg": 1,
    "grey.png": 1,
    "opaque.webp": 1,
    "alpha.png": 1,
    "rotated.jpg": 1,
    "folder.png/Deep Er/inside.TIFF": 1,
    "folder.png/copy of same.bmp": 1,
    "spaces and ü 日本.png": 1,
    "same.png": 1,
    "five.png": 5,
}
REASONS = {
    "empty.png": "empty_file",
    "text.png": "not_a_picture",
    "truncated.jpg": "corrupt",
    "huge.png": "too_large",
    "animated.gif": "unsupported_format",
    "animated.png": "unsupported_format",
    "no_face.png": "no_face",
    "labels.csv": "label_note",
    "same.json": "bad_sidecar",
}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Result]:
    root = tmp_path_factory.mktemp("hostile")
    raw, out = root / "raw", root / "out"
    write_hostile(raw)
    if LINKS:
        (raw / "dangling.jpg").symlink_to(raw / "nowhere.jpg")
        (raw / "loop").symlink_to(raw)
        (raw / "locked.png").write_bytes((raw / "grey.png").read_bytes() + b"a tail")
        (raw / "locked.png").chmod(0)
    return raw, out, run("build", "--raw", raw, "--out", out, "--size", 64, "--workers", 1)


@pytest.fixture(scope="module")
def manifest(built: tuple[Path, Path, Result]) -> Manifest:
    return open_manifest(built[1])


def test_it_ends_with_the_code_for_failed_inputs(built: tuple[Path, Path, Result]) -> None:
    assert built[2].exit_code == 3
    assert "bad_sidecar" in built[2].stdout


def test_every_file_ends_as_its_faces_or_its_reason(built: tuple[Path, Path, Result], manifest: Manifest) -> None:
    faces: dict[str, int] = {}
    for face in manifest.faces:
        faces[face.source_path] = faces.get(face.source_path, 0) + 1
    faces.pop("locked.png", None)  # the superuser may read it
    assert faces == FACES
    rejects = {row["source_path"]: row["reason"] for row in pq.read_table(built[1] / "rejects.parquet").to_pylist()}
    expected = REASONS | ({"dangling.jpg": "unreadable"} if LINKS else {})
    locked = rejects.pop("locked.png", None)
    assert rejects == expected
    if LINKS and os.geteuid() != 0:
        assert locked == "unreadable"


def test_identical_files_are_one_source(manifest: Manifest) -> None:
    (face,) = (face for face in manifest.faces if face.source_path == "folder.png/copy of same.bmp")
    assert face.source_paths == ("folder.png/copy of same.bmp", "same.bmp")


def test_every_guise_of_the_face_is_the_same_crop(built: tuple[Path, Path, Result], manifest: Manifest) -> None:
    """16 bits, CMYK, orientation, formats: decoded alike, hence aligned alike."""
    crops = {face.source_path: read_picture(built[1] / face.image_path).astype(float) for face in manifest.faces}
    for name, tolerance in {"deep.png": 0.01, "whole.JPG": 3, "cmyk.jpg": 6, "rotated.jpg": 4}.items():
        assert np.abs(crops[name] - crops["opaque.webp"]).mean() < tolerance, name
    looks = {face.source_path: (face.duplicate_group, face.pixels_sha256) for face in manifest.faces}
    assert looks["deep.png"] == looks["opaque.webp"] != looks["grey.png"]
    assert len({looks[name][0] for name in ("deep.png", "whole.JPG", "cmyk.jpg", "rotated.jpg", "grey.png")}) == 1


def test_labels_of_a_picture_go_to_one_face_or_to_none(manifest: Manifest) -> None:
    by_path = {face.source_path: face for face in manifest.faces}
    one, many = by_path["same.png"], by_path["five.png"]
    assert (one.gender, one.gender_status, one.gender_declared, one.license) == ("female", "declared", "female", "PD")
    assert (many.gender, many.gender_status, many.gender_declared, many.license) == (None, "unknown", None, "PD")


def test_five_faces_are_ordered_and_numbered(manifest: Manifest) -> None:
    faces = [face for face in manifest.faces if face.source_path == "five.png"]
    assert [face.face_index for face in faces] == [0, 1, 2, 3, 4]
    assert {face.num_faces for face in faces} == {5}
    assert [face.box for face in faces] == sorted(face.box for face in faces)
    assert len({face.face_id for face in faces}) == 5
    assert len({face.split for face in faces}) == 1


def test_huge_picture_tells_its_rule(built: tuple[Path, Path, Result]) -> None:
    rows = pq.read_table(built[1] / "rejects.parquet").to_pylist()
    (row,) = (row for row in rows if row["source_path"] == "huge.png")
    assert (row["rule"], row["value"], row["threshold"]) == ("max_megapixels", 900.0, 200.0)


def test_two_workers_write_the_same_bytes(built: tuple[Path, Path, Result], tmp_path: Path) -> None:
    raw, out, _ = built
    again = tmp_path / "again"
    assert run("build", "--raw", raw, "--out", again, "--size", 64, "--workers", 2).exit_code == 3
    first, second = ({p.relative_to(d): p for p in d.rglob("*")} for d in (out, again))
    assert set(first) == set(second)
    for name, path in first.items():
        assert path.is_dir() or path.read_bytes() == second[name].read_bytes(), name


def test_two_hundred_hostile_files_are_all_accounted_for(tmp_path: Path) -> None:
    """Landmarks are given for none, so what can be read is a picture without a face; none ends as our own failure."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    pictures = write_all(raw)
    assert len(pictures) >= (200 if LINKS else 180)
    result = run("build", "--raw", raw, "--out", out, "--size", 64, "--workers", 1, "--detector", "precomputed")
    assert result.exit_code == 3
    assert "Traceback" not in result.output
    rows = pq.read_table(out / "rejects.parquet").to_pylist()
    reasons: dict[str, set[str]] = {}
    for row in rows:
        reasons.setdefault(row["source_path"], set()).add(row["reason"])
    assert not pictures - set(reasons)
    assert "failed" not in set().union(*reasons.values()), [row for row in rows if row["reason"] == "failed"]
    beyond = {path for path in set(reasons) - pictures if not path.endswith((".csv", ".parquet", ".json"))}
    assert beyond <= {"links/out.png"}
    for path in ("bombs/huge header.png", "bombs/huge.bmp", "bombs/huge.webp"):
        assert reasons[path] & {"too_large", "corrupt"}, path
    assert {path for path, found in reasons.items() if "bad_sidecar" in found} >= {
        "csv4/labels.csv",
        "far dates/labels.parquet",
    }
    assert run("verify", out).exit_code == 0


def test_mature_pictures_and_formulas_arrive_as_said(tmp_path: Path) -> None:
    """Text is kept as it is; a rating decides before anything is opened, and an age where mature ones are kept."""
    raw = tmp_path / "raw"
    raw.mkdir()
    shifted(3).save(raw / "general.png")
    shifted(20).save(raw / "adult.png")
    shifted(40).save(raw / "young.png")
    (raw / "broken.png").write_bytes(b"never decoded")
    formula = "=HYPERLINK(http://x)"
    (raw / "labels.csv").write_text(
        f"file,content_rating,age_years,author\ngeneral.png,general,12,{formula}\nadult.png,Mature,30,\n"
        "young.png,r-18,12,\nbroken.png,NSFW,,\n"
    )
    out = tmp_path / "out"
    assert run("build", "--raw", raw, "--out", out, "--size", 64, "--workers", 1).exit_code == 0
    (face,) = open_manifest(out).faces
    assert (face.source_path, face.minor, face.author) == ("general.png", True, formula)
    rows = pq.read_table(out / "rejects.parquet").to_pylist()
    assert {row["source_path"]: row["reason"] for row in rows} == dict.fromkeys(
        ("adult.png", "broken.png", "young.png"), "mature"
    )
    assert (
        run("build", "--raw", raw, "--out", out, "--size", 64, "--workers", 1, "--set", "keep_mature=true").exit_code
        == 3
    )
    kept = {face.source_path: face.minor for face in open_manifest(out).faces}
    assert kept == {"adult.png": False, "general.png": True}
    assert run("verify", out).exit_code == 0
