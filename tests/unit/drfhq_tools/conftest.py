"""A manifest row to vary."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.records import FaceRecord

FACE = FaceRecord(
    face_id="f0",
    image_path="images/00000/00000.png",
    image_sha256="i0",
    size_px=64,
    source_path="a.png",
    source_paths=("a.png",),
    source_sha256="s0",
    source_width_px=100,
    source_height_px=100,
    face_index=0,
    num_faces=1,
    box=(1.0, 2.0, 3.0, 4.0),
    detection_score=1.0,
    detector="dlib-hog",
    landmarks=(0.0, 0.0, 1.0, 1.0),
    landmark_scheme="ibug68",
    quad=(0.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0, 0.0),
    native_side_px=9.0,
    inter_eye_px=3.0,
    pad_fraction=0.0,
    yaw_deg=0.0,
    pitch_deg=0.0,
    roll_deg=0.0,
    sharpness=1.0,
    brightness=0.5,
    contrast=0.2,
    under_exposure_prevention=1.0,
    over_exposure_prevention=1.0,
    dynamic_range=6.0,
    pixels_sha256="p0",
    phash="0" * 16,
    phash_fine="0" * 64,
    duplicate_group="f0",
    split="train",
    schema_version=SCHEMA_VERSION,
    tool_version="0",
    pixels_digest="p",
    rules_digest="r",
)


@pytest.fixture
def face() -> Callable[..., FaceRecord]:
    """Makes a row, some columns changed."""

    def make(**changes: object) -> FaceRecord:
        return replace(FACE, **changes)  # type: ignore[arg-type]

    return make
