"""The shipped example is what a reader may count on: whole, of this schema, its hashes true."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from drfhq_tools.geometry import points_in_crop
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import open_manifest

EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "tiny"


def test_every_row_names_a_picture_with_its_hash_and_size() -> None:
    manifest = open_manifest(EXAMPLE)
    assert manifest.landmark_scheme == "ibug68"
    assert len({face.face_id for face in manifest.faces}) == len(manifest.faces) == 4
    for face in manifest.faces:
        path = EXAMPLE / face.image_path
        assert sha256_file(path) == face.image_sha256
        with Image.open(path) as picture:
            assert picture.size == (manifest.size_px, manifest.size_px)


def test_landmarks_and_quad_agree_on_where_ffhq_puts_a_face() -> None:
    for face in open_manifest(EXAMPLE).faces:
        eyes = points_in_crop(face.landmarks_xy[36:48], face.quad_corners, 1000).mean(axis=0)
        mouth = points_in_crop(face.landmarks_xy[[48, 54]], face.quad_corners, 1000).mean(axis=0)
        assert np.allclose(eyes[0], 500, atol=40)
        assert 440 < eyes[1] < 500 < 650 < mouth[1] < 790


def test_declared_words_and_origin_arrive() -> None:
    faces = {face.subject_id: face for face in open_manifest(EXAMPLE).faces}
    black = faces["valid-Black_M_1"]
    assert (black.gender, black.gender_status, black.race, black.race_status) == (
        "male",
        "declared",
        "Black",
        "declared",
    )
    unmapped = faces["valid-AIAN_M_1"]
    assert (unmapped.race, unmapped.race_status) == (None, "unknown")
    assert (unmapped.race_declared, unmapped.race_vocabulary) == ("AIAN", "VALID")
    assert all(face.license and face.author and face.source_url for face in faces.values())
    labels = pq.read_table(EXAMPLE / "labels.parquet").to_pylist()
    assert {row["face_id"] for row in labels} == {face.face_id for face in faces.values()}
    assert pq.read_table(EXAMPLE / "rejects.parquet").num_rows == 0
