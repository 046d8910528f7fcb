"""Pose against projected heads and declared head turns; picture measures against pictures made to order."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image
from scipy.spatial.transform import Rotation

from drfhq_tools.align import align
from drfhq_tools.detect import make_detector
from drfhq_tools.geometry import FloatArray, Quad
from drfhq_tools.quality import head_pose, measure, pose
from drfhq_tools.quality.compression import blockiness
from drfhq_tools.quality.eyes import eye_features, eye_occlusion
from drfhq_tools.quality.lids import eyes_open, mouth_closed
from drfhq_tools.quality.picture import PictureMeasures, face_region, measured_copy, picture_measures
from drfhq_tools.records import Detection, FaceMeasures, Pixels

RIGHT_LIDS = ((43, 47), (44, 46))
RENDERS = Path(__file__).parents[3] / "demo" / "renders"


def project(yaw: float, pitch: float, roll: float, size: tuple[int, int] = (800, 600)) -> FloatArray:
    """68 points of the generic head, seen through the assumed lens, turned as said (degrees)."""
    turn = Rotation.from_euler("ZYX", [roll, -yaw, pitch], degrees=True)
    head = turn.apply(pose._MODEL) + np.array([30.0, -20.0, 1500.0])
    points = np.zeros((68, 2))
    focal = pose.FOCAL_SHARE * max(size)
    points[pose._POINTS] = head[:, :2] / head[:, 2:] * focal + (np.array(size) - 1) / 2
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
    model = dict(zip(pose._POINTS, pose._MODEL, strict=True))
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


@pytest.fixture(scope="module")
def portrait() -> tuple[Pixels, Detection]:
    """A photograph that never saw a JPEG's grid, and its face."""
    picture = np.ascontiguousarray(skimage.data.astronaut())
    (face,) = make_detector().detect(picture)
    return picture, face


def whole(portrait: tuple[Pixels, Detection], change: Callable[[Pixels], Pixels] = lambda p: p) -> FaceMeasures:
    """Everything measured of the portrait, its pixels changed after the landmarks were found."""
    picture, face = portrait
    changed = change(picture)
    return measure(align(changed, face.quad, 256).pixels, 0.0, changed, face)


def test_lengths_are_those_of_the_source(portrait: tuple[Pixels, Detection]) -> None:
    picture, face = portrait
    landmarks = face.landmarks.copy()
    landmarks[36:42] = 100, 300
    landmarks[42:48] = 130, 340
    moved = replace(face, landmarks=landmarks)
    found = measure(np.zeros((64, 64, 3), np.uint8), 0.25, picture, moved)
    assert found.inter_eye_px == pytest.approx(50)
    assert found.native_side_px == moved.quad.side_px
    assert (found.pad_fraction, found.quad_repeatability) == (0.25, face.repeatability)


def flat(value: int) -> Pixels:
    return np.full((256, 256), value, np.uint8)


def test_plain_grey_has_brightness_alone() -> None:
    found = picture_measures(flat(51), None)
    assert found["brightness"] == pytest.approx(0.2)
    assert (found["contrast"], found["sharpness"], found["dynamic_range"]) == (0, 0, 0)
    assert (found["under_exposure_prevention"], found["over_exposure_prevention"]) == (1, 1)


def test_contrast_and_range_of_two_halves() -> None:
    luma = flat(0)
    luma[:, 128:] = 255
    found = picture_measures(luma, None)
    assert found["contrast"] == pytest.approx(0.5, abs=0.01)
    assert found["dynamic_range"] == pytest.approx(1, abs=0.01)
    assert found["under_exposure_prevention"] == pytest.approx(0.5, abs=0.01)
    assert found["over_exposure_prevention"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("value", "dark", "bright"), [(25, 0, 1), (26, 1, 1), (246, 1, 1), (247, 1, 0)])
def test_where_too_dark_and_too_bright_begin(value: int, dark: float, bright: float) -> None:
    found = picture_measures(flat(value), None)
    assert found["under_exposure_prevention"] == pytest.approx(dark)
    assert found["over_exposure_prevention"] == pytest.approx(bright)


def test_a_full_ramp_has_eight_bits() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    corners = np.array([[0.0, 0.0], [255.0, 0.0], [255.0, 255.0], [0.0, 255.0]])
    everywhere = np.resize(corners, (68, 2))
    assert face_region(256, everywhere).all()
    assert picture_measures(ramp, everywhere)["dynamic_range"] == pytest.approx(8)


def test_only_the_face_counts(portrait: tuple[Pixels, Detection]) -> None:
    points = np.random.default_rng(0).uniform(100, 150, (68, 2))
    assert points.shape == portrait[1].landmarks.shape
    for landmarks in (None, points):
        luma = flat(200)
        luma[:, :30] = luma[:, -30:] = luma[:20] = 0
        found = picture_measures(luma, landmarks)
        assert (found["brightness"], found["contrast"]) == (pytest.approx(200 / 255), 0)


def test_light_from_one_side_is_uneven() -> None:
    points = np.full((68, 2), 128.0)
    points[36:42], points[42:48] = (96, 120), (160, 120)
    points[48], points[54] = (112, 180), (144, 180)

    def uniformity(luma: Pixels) -> float | None:
        return picture_measures(luma, points)["illumination_uniformity"]

    halves = flat(200)
    halves[:, :128] = 100
    assert uniformity(flat(90)) == 1
    assert uniformity(halves) == 0
    assert uniformity(np.tile(np.arange(256, dtype=np.uint8), (256, 1)).T.copy()) == 1, "a gradient down is on both"
    outside = points + np.array([120.0, 0.0])
    assert picture_measures(flat(90), outside)["illumination_uniformity"] is None


def test_gain_moves_exposure_as_it_must(portrait: tuple[Pixels, Detection]) -> None:
    def exposed(gain: float) -> FaceMeasures:
        return whole(portrait, lambda p: np.clip(np.rint(p * gain), 0, 255).astype(np.uint8))

    found = [exposed(gain) for gain in (0.1, 0.3, 1.0, 1.5, 2.5)]
    assert [f.brightness for f in found] == sorted(f.brightness for f in found)
    assert found[1].brightness == pytest.approx(0.3 * found[2].brightness, abs=0.01)
    dark = [f.under_exposure_prevention for f in found]
    bright = [f.over_exposure_prevention for f in found]
    assert dark == sorted(dark)
    assert bright == sorted(bright, reverse=True)
    assert dark[0] < 0.2 < 0.95 < dark[2]
    assert bright[4] < 0.5 < 0.99 < bright[2]
    assert found[0].dynamic_range < found[2].dynamic_range - 2


def test_blur_lowers_sharpness_and_the_crops_size_hardly_matters(portrait: tuple[Pixels, Detection]) -> None:
    def blurred(sigma: float) -> float:
        return whole(portrait, lambda p: np.asarray(cv2.GaussianBlur(p, (0, 0), sigma), dtype=np.uint8)).sharpness

    values = [blurred(sigma) for sigma in (0.1, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 3 * values[2]
    picture, face = portrait
    large = measure(align(picture, face.quad, 512).pixels, 0.0, picture, face)
    assert large.sharpness == pytest.approx(values[0], rel=0.25)


def jpeg(picture: Pixels, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def test_blocks_weaken_with_the_quality_of_a_jpeg(portrait: tuple[Pixels, Detection]) -> None:
    picture, face = portrait
    strengths = [blockiness(jpeg(picture, quality), face.quad) for quality in (10, 30, 50, 75, 90)]
    untouched = blockiness(picture, face.quad)
    values = [value for value in (*strengths, untouched) if value is not None]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.7
    assert values[3] > 2 * values[-1]


def test_blocks_are_found_on_a_shifted_grid_and_lost_by_a_resize(portrait: tuple[Pixels, Detection]) -> None:
    picture, face = portrait
    coarse = jpeg(picture, 25)
    found = blockiness(coarse, face.quad)
    shifted = blockiness(coarse[3:, 5:], Quad(face.quad.corners - [5, 3]))
    resized = np.asarray(cv2.resize(coarse, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    assert found is not None
    assert shifted == pytest.approx(found, abs=0.05)
    lost = blockiness(resized, Quad(face.quad.corners * 0.7))
    assert lost is not None
    assert lost < found / 4


def test_blocks_of_a_tiny_face_are_not_measured() -> None:
    quad = Quad(np.array([[0.0, 0.0], [0.0, 20.0], [20.0, 20.0], [20.0, 0.0]]))
    assert blockiness(np.zeros((100, 100, 3), np.uint8), quad) is None


def test_lids_and_lips_are_measured_by_their_distance(portrait: tuple[Pixels, Detection]) -> None:
    """Pure geometry: the landmarks' lids and lips are brought together by known shares."""
    landmarks = portrait[1].landmarks
    lengths = {pair: np.hypot(*(landmarks[pair[0]] - landmarks[pair[1]])) for pair in ((37, 41), (38, 40), *RIGHT_LIDS)}
    unit = np.hypot(*(landmarks[8] - landmarks[[36, 39, 42, 45]].mean(axis=0)))
    left, right = max(lengths[37, 41], lengths[38, 40]), max(lengths[pair] for pair in RIGHT_LIDS)
    for share in (1.0, 0.5, 0.0):
        shut = landmarks.copy()
        for upper, lower in (*RIGHT_LIDS, (61, 67), (62, 66), (63, 65)):
            middle = (shut[upper] + shut[lower]) / 2
            shut[[upper, lower]] = middle + share * (shut[[upper, lower]] - middle)
        assert eyes_open(shut) == pytest.approx(min(left, share * right) / unit)
        assert mouth_closed(shut) == pytest.approx(1 - share * (1 - mouth_closed(landmarks)))
    assert 0.03 < eyes_open(landmarks) < 0.2
    turned = landmarks @ np.array([[0.0, 3.0], [-3.0, 0.0]]) + 7
    assert eyes_open(turned) == pytest.approx(eyes_open(landmarks))


FRINGES = ("mh_103", "mh_107")  # of the demo's renders, those whose hair hides the eye on the viewer's left
MIRRORED = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
MIRRORED += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
MIRRORED += [*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]


def test_hair_over_an_eye_is_told_from_a_free_one() -> None:
    """The weights were learnt without these fringes."""
    covered, free = [], []
    for path in sorted(RENDERS.glob("*.jpg")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        for face in make_detector().detect(picture):
            left, right = eye_occlusion(picture, face.landmarks)
            if path.name.startswith(FRINGES):
                covered.append(left)
            else:
                free += [left, right]
    assert len(covered) == 2
    assert min(covered) > 0.9
    assert len(free) > 40
    assert max(free) < 0.5


def test_something_before_an_eye_covers_that_eye(portrait: tuple[Pixels, Detection]) -> None:
    picture, face = portrait
    eye = np.rint(face.landmarks[42:48].mean(axis=0)).astype(int).tolist()
    hidden = np.asarray(cv2.ellipse(picture.copy(), eye, (26, 20), 10, 0, 360, (150, 110, 90), -1), dtype=np.uint8)
    free, changed = eye_occlusion(picture, face.landmarks), eye_occlusion(hidden, face.landmarks)
    assert max(free) < 0.5
    assert changed[0] == pytest.approx(free[0], abs=0.01)
    assert changed[1] > 0.9


def test_a_mirror_image_has_its_eyes_swapped(portrait: tuple[Pixels, Detection]) -> None:
    picture, face = portrait
    landmarks = (face.landmarks * [-1, 1] + [picture.shape[1] - 1, 0])[MIRRORED]
    for eye in (0, 1):
        np.testing.assert_allclose(
            eye_features(np.ascontiguousarray(picture[:, ::-1]), landmarks, 1 - eye),
            eye_features(picture, face.landmarks, eye),
            atol=0.03,
        )


def test_a_flat_eye_has_features_too() -> None:
    features = eye_features(np.full((100, 100, 3), 90, np.uint8), project(0, 0, 0), 0)
    assert not features.any()


def test_landmarks_that_fall_together_divide_by_nothing() -> None:
    assert eyes_open(np.zeros((68, 2))) == 0
    assert mouth_closed(np.zeros((68, 2))) == 1


def test_measures_hardly_depend_on_how_the_face_lies(portrait: tuple[Pixels, Detection]) -> None:
    """The same face in a picture turned by a quarter: the crop is upright again, so are its measures."""
    picture, face = portrait
    turned = np.ascontiguousarray(np.rot90(picture))  # (x, y) → (y, width − 1 − x)
    landmarks = np.column_stack([face.landmarks[:, 1], picture.shape[1] - 1 - face.landmarks[:, 0]])
    other = replace(face, landmarks=landmarks)
    upright, lying = whole(portrait), measure(align(turned, other.quad, 256).pixels, 0.0, turned, other)
    assert lying.roll_deg == pytest.approx((upright.roll_deg or 0) - 90, abs=1)
    for name in ("sharpness", "brightness", "contrast", "dynamic_range", "eyes_open", "mouth_closed"):
        assert getattr(lying, name) == pytest.approx(getattr(upright, name), rel=0.05), name


def test_the_copy_measured_has_one_size() -> None:
    names = set(PictureMeasures.__annotations__)
    assert names <= set(FaceMeasures.__slots__)
    for size in (64, 256, 1024):
        assert measured_copy(np.zeros((size, size, 3), np.uint8)).shape == (256, 256)
