"""Detectors and landmarks on the shipped renders and on NASA's portrait of Eileen Collins (from scikit-image)."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from drfhq_tools.detect import DetectorSettings, dlib_files, make_detector
from drfhq_tools.detect.dlib_chain import work_factor
from drfhq_tools.detect.hits import overlap, plausible
from drfhq_tools.detect.landmarks import MIRRORED, FaceBox, find_landmarks, usual_box
from drfhq_tools.detect.pyramid import Pyramid
from drfhq_tools.errors import ModelFileError, UsageError
from drfhq_tools.geometry import Quad, ffhq_quad
from drfhq_tools.records import Detection, Pixels

RENDERS = Path(__file__).parents[3] / "demo" / "renders"
FACE: Pixels = np.ascontiguousarray(skimage.data.astronaut()[0:320, 64:384])  # type: ignore[no-untyped-call]


def found(pixels: Pixels) -> list[Detection]:
    return make_detector().detect(np.ascontiguousarray(pixels))


def shift(here: Quad, there: Quad) -> float:
    """Mean corner distance as a share of the side."""
    return float(np.hypot(*(here.corners - there.corners).T).mean() / here.side_px)


def scaled(quad: Quad, factor: float) -> Quad:
    return Quad((quad.corners + 0.5) * factor - 0.5)


def turned(pixels: Pixels, degrees: float) -> tuple[Pixels, np.ndarray]:
    """The picture turned clockwise on screen about its centre, and the (2, 3) map of its pixel indices."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    return np.asarray(cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)), matrix


@pytest.fixture(scope="module")
def face() -> Detection:
    (only,) = found(FACE)
    return only


def test_an_unknown_detector_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match=r"'haar'.*dlib"):
        make_detector("haar")


def test_threads_do_not_work_in_one_anothers_detector() -> None:
    greys = [np.ascontiguousarray(cv2.cvtColor(FACE, cv2.COLOR_RGB2GRAY)[step:, step:]) for step in (0, 20, 40)]

    def boxes(index: int) -> tuple[list[int], list[float]]:
        rects, scores, _ = dlib_files.hog().run(greys[index % 3], 0, 0.0)
        return [rect.left() for rect in rects], list(scores)

    alone = [boxes(index) for index in range(3)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(boxes, range(90)))
    assert together == alone * 30


def test_one_face_is_found_where_it_is(face: Detection) -> None:
    x0, y0, x1, y1 = face.box_xyxy
    assert face.scheme == "ibug68"
    assert face.detector == "dlib-hog"
    assert face.landmarks.shape == (68, 2)
    assert face.landmarks.dtype == np.float64
    inner = face.landmarks[27:]
    assert ((inner > [x0, y0]) & (inner < [x1, y1])).all()
    # Eyes above nose above mouth above chin; the viewer's left eye on the left.
    rows = [face.landmarks[part, 1].mean() for part in (slice(36, 48), slice(31, 36), slice(48, 68), slice(8, 9))]
    assert rows == sorted(rows)
    assert face.landmarks[36:42, 0].mean() < face.landmarks[42:48, 0].mean()


def test_the_same_picture_gives_the_same_bits(face: Detection) -> None:
    (again,) = found(FACE)
    assert again.box_xyxy == face.box_xyxy
    np.testing.assert_array_equal(again.landmarks, face.landmarks)


def test_every_second_shipped_render_gives_one_face() -> None:
    pictures = sorted(RENDERS.glob("*.jpg"))[::2]
    assert pictures
    assert {path.name: len(found(np.asarray(Image.open(path).convert("RGB")))) for path in pictures} == {
        path.name: 1 for path in pictures
    }


def test_several_faces_are_all_found_and_ordered(face: Detection) -> None:
    row = np.concatenate([FACE, FACE[:, ::-1], FACE], axis=1)
    faces = found(row)
    assert len(faces) == 3
    assert [item.box_xyxy[:2] for item in faces] == sorted(item.box_xyxy[:2] for item in faces)
    there = Quad(ffhq_quad(faces[2].landmarks).corners - (2 * FACE.shape[1], 0))
    assert shift(ffhq_quad(face.landmarks), there) < 0.01


@pytest.mark.parametrize("degrees", [-50, -40, 40, 50])
def test_tilted_heads_are_found_and_mapped_back(face: Detection, degrees: float) -> None:
    picture, matrix = turned(FACE, degrees)
    (tilted,) = found(picture)
    expected = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert tilted.detector == ("dlib-hog-tilted" if abs(degrees) == 50 else "dlib-hog")
    assert tilted.repeatability is not None
    assert tilted.repeatability < 0.012
    assert shift(ffhq_quad(expected), ffhq_quad(tilted.landmarks)) < 0.02
    x0, y0, x1, y1 = tilted.box_xyxy
    np.testing.assert_allclose([(x0 + x1) / 2, (y0 + y1) / 2], expected.mean(axis=0), atol=0.25 * (x1 - x0))


def test_the_cnn_finds_what_hog_misses() -> None:
    """A fringe covers one eye."""
    picture = Image.open(RENDERS / "mh_107_female_caucasian_young.jpg").convert("RGB")
    (only,) = found(np.asarray(picture))
    assert only.detector == "dlib-cnn"
    assert 0.5 < ffhq_quad(only.landmarks).side_px / picture.width < 0.75


def test_no_face_gives_none() -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    assert found(np.asarray(Image.fromarray(coarse).resize((300, 300), Image.Resampling.BICUBIC))) == []


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (3000, 20), (64, 64)])
def test_pictures_too_small_for_a_face_are_no_error(size: tuple[int, int]) -> None:
    assert found(np.zeros((*size, 3), np.uint8)) == []


@pytest.mark.parametrize("factor", [2, 5])
def test_a_larger_picture_gives_the_same_quad_scaled(face: Detection, factor: int) -> None:
    """Each pixel repeated: a mapping that forgot half a pixel would move the quad by (factor − 1) / 2 pixels."""
    large = FACE.repeat(factor, axis=0).repeat(factor, axis=1)
    (only,) = found(large)
    expected = scaled(ffhq_quad(face.landmarks), factor)
    assert shift(expected, ffhq_quad(only.landmarks)) < 0.004


def test_quads_repeat_over_size_and_compression() -> None:
    moves = []
    for path in sorted(RENDERS.glob("[A-Z]*.jpg"))[::4]:
        picture = Image.open(path).convert("RGB")
        (still,) = found(np.asarray(picture))
        small = picture.resize((picture.width * 3 // 5, picture.height * 3 // 5), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=60)
        for variant in (small, Image.open(file)):
            (moved,) = found(np.asarray(variant))
            quad = scaled(ffhq_quad(moved.landmarks), picture.width / variant.width)
            moves.append(shift(ffhq_quad(still.landmarks), quad))
    assert np.mean(moves) < 0.002
    assert np.max(moves) < 0.008


def test_repeatability_is_small_for_a_face_and_large_for_none(face: Detection) -> None:
    assert face.repeatability is not None
    assert 0.0005 < face.repeatability < 0.01
    nowhere = find_landmarks(FACE, FaceBox(60, 250, 90))
    assert nowhere.spread > 0.02


def test_a_scheme_without_a_known_quad_is_refused(face: Detection) -> None:
    five = Detection(box_xyxy=face.box_xyxy, landmarks=face.landmarks[:5], scheme="five", score=1.0, detector="x")
    with pytest.raises(ValueError, match="five"):
        _ = five.quad


def test_landmarks_hardly_depend_on_the_box(face: Detection) -> None:
    quad = ffhq_quad(face.landmarks)
    box = usual_box(face.landmarks)
    for dx, dy, scale in ((0.1, 0, 1), (0, -0.1, 1), (0, 0, 0.8), (0, 0, 1.2)):
        near = FaceBox(box.x + dx * box.side, box.y + dy * box.side, box.side * scale)
        assert shift(quad, ffhq_quad(find_landmarks(FACE, near).points)) < 0.005


@pytest.mark.parametrize(
    ("width", "height", "min_face_px", "factor"),
    [
        (640, 640, 80, 1.0),
        (640, 640, 79, 1.0),
        (640, 640, 100, 1.25),
        (1000, 655, 80, 1.0),
        (1024, 1440, 80, 1.5),
        (1024, 1440, 160, 2.0),
        (16384, 360, 80, 3.0),
    ],
)
def test_work_is_bounded(width: int, height: int, min_face_px: int, factor: float) -> None:
    assert work_factor(width, height, DetectorSettings(min_face_px=min_face_px)) == pytest.approx(factor)


def ramp(width: int, height: int) -> Pixels:
    """Grey that grows by one every 16 columns and by two every 16 rows."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.repeat(((x + 2 * y) // 16).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("factor", [1.0, 1.6, 2.0, 3.7, 8.0])
def test_a_copy_knows_where_it_lies(factor: float) -> None:
    copy, to_picture = Pyramid(ramp(803, 605)).grey_copy(factor)
    assert copy.shape[1] == pytest.approx(803 / factor, abs=2)
    x, y, _ = to_picture @ [copy.shape[1] / 2, copy.shape[0] / 2, 1.0]
    middle = copy[copy.shape[0] // 2 - 1 :, copy.shape[1] // 2 - 1 :][:2, :2].mean()
    assert middle == pytest.approx((x + 2 * y) / 16 - 0.5, abs=0.6)


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.9, 2.1, 5.0])
def test_a_patch_is_cut_where_it_was_asked_for(scale: float) -> None:
    """Whatever the level it is drawn from."""
    to_picture = np.array([[scale, 0, 101.0], [0, scale, 53.0], [0, 0, 1]])
    patch = Pyramid(ramp(803, 605)).patch(to_picture, 100)
    u = np.arange(100) + 0.5
    expected = (scale * u[None, :] + 101 + 2 * (scale * u[:, None] + 53)) / 16 - 0.5
    assert np.abs(patch - expected).mean() < 0.5
    assert abs((patch - expected).mean()) < 0.1


def test_a_mirrored_picture_gives_the_mirrored_quad(face: Detection) -> None:
    assert [MIRRORED[index] for index in MIRRORED] == list(range(68))
    (other,) = found(FACE[:, ::-1])
    back = other.landmarks[list(MIRRORED)] * (-1, 1) + (FACE.shape[1] - 1, 0)
    assert shift(ffhq_quad(face.landmarks), ffhq_quad(back)) < 0.005  # 1.4 in the order of the face itself


def test_a_small_face_in_a_large_picture_is_found(face: Detection) -> None:
    """4K with an FFHQ square of half of 1024: the least that is worth cropping with room to spare."""
    factor = 512 / face.quad.side_px
    small = cv2.resize(FACE, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    picture = np.full((2160, 3840, 3), 90, np.uint8)
    picture[1201 : 1201 + small.shape[0], 2003 : 2003 + small.shape[1]] = small
    (only,) = found(picture)
    ratio = small.shape[1] / FACE.shape[1]
    expected = Quad((face.quad.corners + 0.5) * ratio - 0.5 + (2003, 1201))
    assert shift(expected, only.quad) < 0.006


def test_settings_must_make_sense() -> None:
    with pytest.raises(UsageError, match="positive"):
        DetectorSettings(min_face_px=0)


def test_overlap_is_the_share_of_the_smaller_box() -> None:
    large = FaceBox(50, 50, 40)
    assert overlap(large, FaceBox(50, 50, 20)) == 1
    assert overlap(large, FaceBox(70, 50, 20)) == pytest.approx(0.5)
    assert overlap(large, FaceBox(90, 50, 20)) == 0


def test_what_cannot_be_a_face_is_dropped(face: Detection) -> None:
    box = usual_box(face.landmarks)
    assert plausible(face.landmarks, box, 320, 320)
    assert not plausible(face.landmarks, FaceBox(box.x, box.y, box.side * 3), 320, 320)
    assert not plausible(face.landmarks - (250, 0), box, 320, 320)


def test_missing_weights_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelFileError, match="reinstall"):
        dlib_files.model_path("no_such_model.dat")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelFileError, match="pip install face_recognition_models"):
        dlib_files.model_path("mmod_human_face_detector.dat")
