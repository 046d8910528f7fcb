"""Pose against projected heads and declared head turns; picture measures against pictures made to order."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy.spatial.transform import Rotation

from drfhq_tools import quality
from drfhq_tools.align import align
from drfhq_tools.detect import make_detector
from drfhq_tools.geometry import FloatArray, Quad, ffhq_quad
from drfhq_tools.quality import head_pose, measure
from drfhq_tools.records import Pixels

RENDERS = Path(__file__).parents[3] / "demo" / "renders"
QUAD = Quad(np.array([[0.0, 0.0], [0.0, 200.0], [200.0, 200.0], [200.0, 0.0]]))


def project(yaw: float, pitch: float, roll: float, size: tuple[int, int] = (800, 600)) -> FloatArray:
    """68 points of the generic head, seen through the assumed lens, turned as said (degrees)."""
    turn = Rotation.from_euler("ZYX", [roll, -yaw, pitch], degrees=True)
    head = turn.apply(quality._MODEL) + np.array([30.0, -20.0, 1500.0])
    points = np.zeros((68, 2))
    focal = quality.FOCAL_SHARE * max(size)
    points[quality._POINTS] = head[:, :2] / head[:, 2:] * focal + (np.array(size) - 1) / 2
    return points


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, 0, 0), (0, -20, 0), (0, 0, 35), (-40, 15, -10), (30, -25, 80)])
def test_a_projected_head_gives_its_angles_back(angles: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(head_pose(project(*angles), (800, 600)), angles, atol=0.05)


def test_signs_are_as_documented() -> None:
    still = project(0, 0, 0)
    eyes = slice(36, 48)
    right = project(20, 0, 0)
    assert right[30, 0] - right[eyes, 0].mean() > still[30, 0] - still[eyes, 0].mean()
    down = project(0, 20, 0)
    assert down[30, 1] - down[eyes, 1].mean() > still[30, 1] - still[eyes, 1].mean()
    clockwise = project(0, 0, 20)
    assert clockwise[42:48, 1].mean() > clockwise[36:42, 1].mean()


def test_the_generic_face_is_symmetric_and_in_millimetres() -> None:
    model = dict(zip(quality._POINTS, quality._MODEL, strict=True))
    assert len(model) == 38
    np.testing.assert_array_equal(model[36] * [-1, 1, 1], model[45])
    eyes = [np.mean([model[i] for i in part], axis=0) for part in (range(36, 42), range(42, 48))]
    assert eyes[1][0] - eyes[0][0] == pytest.approx(62, abs=0.5)


def test_yaw_follows_the_declared_turn_of_rendered_heads() -> None:
    """Declared is the head's turn on the body; the camera adds up to 8°."""
    declared, measured = [], []
    with (RENDERS / "labels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "valid"]
    for row in rows:
        pixels = np.asarray(Image.open(RENDERS / row["file"]).convert("RGB"))
        (face,) = make_detector().detect(pixels)
        measured.append(head_pose(face.landmarks, (pixels.shape[1], pixels.shape[0]))[0])
        declared.append(float(row["head_yaw_deg"]))
    assert len(declared) >= 8
    assert np.abs(np.subtract(declared, measured)).max() < 12
    assert np.corrcoef(declared, measured)[0, 1] > 0.8


def flat(value: int, size: int = 256) -> Pixels:
    return np.full((size, size, 3), value, np.uint8)


def test_plain_grey_has_brightness_alone() -> None:
    result = measure(flat(51), project(0, 0, 0), QUAD, (800, 600))
    assert result.brightness == pytest.approx(0.2, abs=1e-3)
    assert result.contrast == 0
    assert result.sharpness == 0
    assert result.native_side_px == 200


def test_contrast_of_two_halves_is_half_their_step() -> None:
    crop = flat(0)
    crop[:, 128:] = 255
    assert measure(crop, project(0, 0, 0), QUAD, (800, 600)).contrast == pytest.approx(0.5, abs=0.01)


def test_only_the_face_counts() -> None:
    crop = flat(200)
    crop[:, :30] = crop[:, -30:] = crop[:20] = 0
    assert measure(crop, project(0, 0, 0), QUAD, (800, 600)).brightness == pytest.approx(200 / 255, abs=1e-3)


def test_inter_eye_distance() -> None:
    landmarks = project(0, 0, 0)
    landmarks[36:42] = 100, 300
    landmarks[42:48] = 130, 340
    assert measure(flat(9), landmarks, QUAD, (800, 600)).inter_eye_px == pytest.approx(50)


def test_blur_lowers_sharpness_and_the_crops_size_hardly_matters() -> None:
    picture = np.ascontiguousarray(skimage.data.astronaut())
    (face,) = make_detector().detect(picture)
    quad = ffhq_quad(face.landmarks)

    def sharpness(pixels: Pixels, size: int) -> float:
        return measure(align(pixels, quad, size).pixels, face.landmarks, quad, (512, 512)).sharpness

    values = [
        sharpness(np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8), 256) for sigma in (0.1, 1, 2, 4)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > 3 * values[2]
    assert sharpness(picture, 512) == pytest.approx(values[0], rel=0.25)
