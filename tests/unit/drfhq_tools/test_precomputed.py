"""Faces that a sidecar gives: read in every form, refused with a reason, cropped as given."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skimage.data
from click.testing import CliRunner
from PIL import Image

from drfhq_tools.cli import main
from drfhq_tools.detect import DetectorSettings, make_detector
from drfhq_tools.errors import SidecarError
from drfhq_tools.geometry import FloatArray, ffhq_quad
from drfhq_tools.manifest import open_manifest
from drfhq_tools.records import GivenFace
from drfhq_tools.sources.folder import FolderSource
from drfhq_tools.sources.given_faces import read_faces

PICTURE = np.ascontiguousarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]


def landmarks(x: float = 220.0, y: float = 110.0, scale: float = 1.0) -> FloatArray:
    """68 points: eyes 50 apart, the mouth 55 below them, the others between."""
    points = np.tile([0.0, 20.0], (68, 1))
    points[36:42], points[42:48], points[48], points[54] = (-25, 0), (25, 0), (-20, 55), (20, 55)
    return points * scale + (x, y)


FACE = GivenFace(landmarks=tuple(landmarks().reshape(-1).tolist()))


def detect(*faces: GivenFace, width: int = 512, height: int = 512) -> list[tuple[float, ...]]:
    detector = make_detector("precomputed", DetectorSettings(given=faces))
    return [face.box_xyxy for face in detector.detect(np.zeros((height, width, 3), np.uint8))]


@pytest.mark.parametrize("value", [landmarks().tolist(), landmarks().reshape(-1).tolist()])
def test_pairs_and_flat_lists_and_their_text_are_one_face(value: list[object]) -> None:
    for form in (value, json.dumps(value)):
        assert read_faces("landmarks", form) == (FACE,)
    assert read_faces("faces", [{"landmarks": value}, {"landmarks": value, "box": [1, 2, 3, 4]}]) == (
        FACE,
        GivenFace(landmarks=FACE.landmarks, box=(1.0, 2.0, 3.0, 4.0)),
    )


def test_no_faces_is_an_answer() -> None:
    assert read_faces("faces", []) == ()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("faces", {"landmarks": []}, "faces must be a list"),
        ("faces", 5, "faces must be a list"),
        ("faces", "[", "no valid JSON"),
        ("faces", [[]], r"faces\[0\] must be an object"),
        ("faces", [{}], r"faces\[0\] must hold 68 landmarks"),
        ("faces", [{"landmarks": landmarks().tolist()}, {"landmarks": [[1, 2]] * 5}], r"faces\[1\] must hold 68"),
        ("faces", [{"landmarks": landmarks().tolist(), "box": [3, 0, 1, 2]}], "box must be"),
        ("faces", [{"landmarks": landmarks().tolist(), "box": "1 2 3 4"}], "box must be"),
        ("landmarks", "x", "no valid JSON"),
        ("landmarks", "[" * 100_000, "no valid JSON"),
        ("landmarks", True, "must hold 68"),
        ("landmarks", [1.0] * 135, "must hold 68"),
        ("landmarks", [[1, 2, 3, 4]] * 34, "must hold 68"),
        ("landmarks", [[1], [2, 3]] * 68, "must hold 68"),
        ("landmarks", [[1, None]] * 68, "must hold 68"),
        ("landmarks", [[1, "2"]] * 68, "must hold 68"),
        ("landmarks", [[1, True]] * 68, "must hold 68"),
        ("landmarks", [[[1, 2]]] * 68, "must hold 68"),
        ("landmarks", [[float("nan"), 1.0]] * 68, "must hold 68"),
        ("landmarks", [[1e300, 1.0]] * 68, "must hold 68"),
        ("landmarks", [[10**400, 1]] * 68, "must hold 68"),
        ("landmarks", [[7, 7]] * 68, "mirrored"),
        ("landmarks", (landmarks(0, 0) * (-1, 1) + 200).tolist(), "mirrored order"),
        ("landmarks", (landmarks(0, 0) * (1, -1) + 200).tolist(), "y grows downwards"),
        ("landmarks", landmarks(0.5, 0.5, 0.002).tolist(), "must be in pixels"),
    ],
)
def test_nonsense_is_told_what_it_is(name: str, value: object, message: str) -> None:
    with pytest.raises(SidecarError, match=message):
        read_faces(name, value)


def test_faces_upside_down_in_the_picture_are_no_nonsense() -> None:
    assert len(read_faces("landmarks", (400 - landmarks()).tolist())) == 1


def test_faces_are_ordered_by_box_and_the_box_defaults_to_the_landmarks() -> None:
    right = GivenFace(landmarks=tuple(landmarks(400).reshape(-1).tolist()), box=(350.5, 60, 450, 200))
    left = (195.0, 110.0, 245.0, 165.0)
    assert detect(right, FACE) == [left, (350.5, 60, 450, 200)]
    assert detect() == []


def test_faces_of_another_picture_are_refused() -> None:
    with pytest.raises(SidecarError, match="outside the picture of 512 x 100 pixels"):
        detect(FACE, height=100)
    assert len(detect(FACE, height=140)) == 1  # cut off below the nose


def put(raw: Path, name: str, shade: int = 0) -> Path:
    raw.mkdir(exist_ok=True)
    picture = PICTURE.copy()
    picture[0, 0] = shade  # no two files alike
    Image.fromarray(picture).save(raw / name)
    return raw / name


def test_tables_and_json_give_faces_the_nearer_word_counting(tmp_path: Path) -> None:
    for shade, name in enumerate("abcd"):
        put(tmp_path, f"{name}.png", shade)
    other = landmarks(230).tolist()
    rows = [{"file": f"{name}.png", "landmarks": landmarks().reshape(-1).tolist()} for name in "abc"]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    with (tmp_path / "labels.csv").open("w", newline="") as text:
        csv.writer(text).writerows([["file", "landmarks"], ["b.png", json.dumps(other)], ["d.png", ""]])
    (tmp_path / "c.json").write_text(json.dumps({"faces": [{"landmarks": other}, {"landmarks": other}]}))
    scan = FolderSource(root=tmp_path).scan()
    assert scan.rejects == ()
    moved = GivenFace(landmarks=tuple(np.reshape(other, -1).tolist()))
    assert [one.source.faces for one in scan.found] == [(FACE,), (moved,), (moved, moved), ()]


def test_copies_that_give_other_faces_give_none(tmp_path: Path) -> None:
    for name, x in (("a", 220), ("b", 230)):
        put(tmp_path, f"{name}.png")
        (tmp_path / f"{name}.json").write_text(json.dumps({"faces": [{"landmarks": landmarks(x).tolist()}]}))
    scan = FolderSource(root=tmp_path).scan()
    assert [one.source.faces for one in scan.found] == [()]
    assert "declared with different faces" in scan.rejects[0].message


def test_a_build_crops_what_is_given_and_records_what_cannot_be(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    given = {
        "good": {"faces": [{"landmarks": landmarks(scale=0.8).tolist()}]},
        "junk": {"faces": [{"landmarks": "?"}]},
        "elsewhere": {"faces": [{"landmarks": landmarks(9000).tolist()}]},
        "silent": {},
    }
    for shade, (name, said) in enumerate(given.items()):
        put(raw, f"{name}.png", shade)
        (raw / f"{name}.json").write_text(json.dumps(said))
    options = ["--raw", raw, "--out", out, "--size", 64, "--workers", 1, "--detector", "precomputed"]
    result = CliRunner().invoke(main, ["build", *map(str, options)], catch_exceptions=False)
    assert result.exit_code == 3
    (face,) = open_manifest(out).faces
    assert (face.source_path, face.detector, face.quad_repeatability) == ("good.png", "precomputed", None)
    np.testing.assert_array_equal(face.quad_corners.corners, ffhq_quad(landmarks(scale=0.8)).corners)
    rejects = pq.read_table(out / "rejects.parquet").select(["source_path", "reason"]).to_pylist()
    assert sorted(tuple(row.values()) for row in rejects) == [
        ("elsewhere.png", "bad_sidecar"),
        ("junk.json", "bad_sidecar"),
        ("junk.png", "no_face"),
        ("silent.png", "no_face"),
    ]
