"""`drfhq build` of renders with their Daz Studio scenes: columns, labels, and what a changed or broken scene does."""

import gzip
import json
from pathlib import Path

import pytest
from given_pictures import build, contents, run, write_face

from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.reader import read_labels, read_rejects
from drfhq_tools.records import FaceRecord, RejectReason

FILES = {
    "Genesis 8.1": "/data/DAZ%203D/Genesis%208/Female%208_1/Genesis8_1Female.dsf#Genesis8_1Female",
    "Genesis 9": "/data/Daz%203D/Genesis%209/Base/Genesis9.dsf#Genesis9",
    "Genesis 3": "/data/DAZ%203D/Genesis%203/Male/Genesis3Male.dsf#Genesis3Male",
}


def write_scene(file: Path, *figures: tuple[str, str], zipped: bool = True) -> None:
    """A scene of these figures, each a generation and a label, and of a chair."""
    nodes = [{"id": label, "url": FILES[generation], "label": label} for generation, label in figures]
    nodes.append({"id": "chair", "url": "/data/Stonemason/Chairs/Chair/chair.dsf#chair", "label": "Chair"})
    document = {
        "file_version": "0.6.0.0",
        "asset_info": {"id": "/x.duf", "type": "scene", "contributor": {"author": "Ann", "email": "a@example.org"}},
        "scene": {"nodes": nodes},
    }
    text = json.dumps(document).encode()
    file.write_bytes(gzip.compress(text, mtime=0) if zipped else text)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    for number, name in enumerate(["woman", "man", "either", "two", "overridden", "none", "broken"]):
        write_face(folder / f"{name}.png", number)
    write_scene(folder / "woman.duf", ("Genesis 8.1", "Victoria 8.1"))
    write_scene(folder / "man.duf", ("Genesis 3", "Michael 7"), zipped=False)
    write_scene(folder / "either.duf", ("Genesis 9", "Genesis 9"))
    write_scene(folder / "two.duf", ("Genesis 3", "Michael 7"), ("Genesis 9", "Victoria 9"))
    write_scene(folder / "overridden.duf", ("Genesis 3", "Michael 7"))
    (folder / "broken.duf").write_bytes(gzip.compress(b'{"asset_info": {"type": "scene"')[:-9])
    (folder / "labels.csv").write_text("file,gender,author\noverridden.png,female,Bea\n")
    return folder


def faces(out: Path) -> dict[str, FaceRecord]:
    return {face.source_path.removesuffix(".png"): face for face in open_manifest(out).faces}


def test_scenes_become_columns_and_labels(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert build(raw, out).exit_code == 3
    rows = faces(out)
    assert {
        name: (row.gender, row.gender_status, row.figure_generation, row.character) for name, row in rows.items()
    } == {
        "woman": ("female", "declared", "Genesis 8.1", "Victoria 8.1"),
        "man": ("male", "declared", "Genesis 3", "Michael 7"),
        "either": (None, "unknown", "Genesis 9", None),
        "two": (None, "unknown", None, None),
        "overridden": ("female", "declared", "Genesis 3", "Michael 7"),
        "none": (None, "unknown", None, None),
        "broken": (None, "unknown", None, None),
    }
    assert (rows["two"].products, rows["two"].vendors) == (
        ("Chairs", "Genesis 3", "Genesis 9"),
        ("DAZ 3D", "Stonemason"),
    )
    assert (rows["none"].products, rows["none"].vendors) == (None, None)
    assert {name: row.author for name, row in rows.items() if row.author != "Ann"} == {
        "overridden": "Bea",
        "none": None,
        "broken": None,
    }
    assert all(row.subject_id is None for row in rows.values())
    said = read_labels(out)[rows["woman"].face_id]
    assert [(label.attribute, label.value, label.labeler) for label in said] == [("gender", "female", "declared")]
    assert [(r.source_path, r.reason) for r in read_rejects(out)] == [("broken.duf", RejectReason.BAD_SIDECAR)]
    counted = json.loads(run("stats", out, "--json").stdout)
    assert counted["gender"]["female"] == 2
    assert run("verify", out).exit_code == 0


def test_a_changed_scene_changes_its_rows_alone(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    build(raw, out)
    before = faces(out)
    write_scene(raw / "woman.duf", ("Genesis 3", "Diego 7"))
    write_scene(raw / "broken.duf", ("Genesis 8.1", "Latonya 8"))
    (raw / "man.duf").unlink()
    assert build(raw, out).exit_code == 0
    after = faces(out)
    assert {name for name in after if after[name] != before[name]} == {"woman", "broken", "man"}
    assert (after["woman"].gender, after["woman"].character) == ("male", "Diego 7")
    assert (after["broken"].gender, after["broken"].character) == ("female", "Latonya 8")
    assert (after["man"].gender, after["man"].products) == (None, None)
    fresh = tmp_path / "fresh"
    build(raw, fresh)
    assert contents(out) == contents(fresh)


def test_shares_make_the_same_data_set(raw: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "data"
    build(raw, whole)
    for index in (2, 0, 1):
        build(raw, out, "--shard", f"{index}/3")
    assert run("merge", out).exit_code == 3
    assert contents(out) == contents(whole)


def test_what_is_said_of_a_picture_is_said_of_none_of_two_faces(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    write_face(raw / "a.png", 0)
    points = json.loads((raw / "a.json").read_text())["landmarks"]
    moved = [[x + 9, y] for x, y in points]
    (raw / "a.json").write_text(json.dumps({"faces": [{"landmarks": points}, {"landmarks": moved}]}))
    write_scene(raw / "a.duf", ("Genesis 8.1", "Victoria 8.1"))
    assert build(raw, out).exit_code == 0
    rows = open_manifest(out).faces
    assert len(rows) == 2
    assert {(row.gender, row.figure_generation, row.character) for row in rows} == {(None, None, None)}
    assert {row.vendors for row in rows} == {("DAZ 3D", "Stonemason")}
