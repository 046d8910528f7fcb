"""Detectors beside the default one, held to the same promises. YuNet's tests skip where its weights are absent."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from click.testing import CliRunner, Result
from PIL import Image

from drfhq_tools.cli import main
from drfhq_tools.config import DETECTOR_NAMES, BuildConfig
from drfhq_tools.detect import DETECTORS, DetectorSettings, make_detector, weights_for, yunet
from drfhq_tools.errors import ModelFileError, UsageError
from drfhq_tools.geometry import Quad
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import open_manifest
from drfhq_tools.models import resolve
from drfhq_tools.records import Detection, Pixels

FACE: Pixels = np.ascontiguousarray(skimage.data.astronaut()[0:320, 64:384])  # type: ignore[no-untyped-call]
RENDERS = Path(__file__).parents[3] / "demo" / "renders"
SHARED = Path(__file__).parents[4] / "shared" / "models" / "yunet" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="module")
def model() -> Path:
    try:
        return SHARED if SHARED.is_file() else resolve("yunet").path
    except ModelFileError as error:
        pytest.skip(f"{SHARED} is absent, and {error}")


@pytest.fixture(scope="module")
def chain_quad() -> Quad:
    (face,) = make_detector().detect(FACE)
    return face.quad


def find(name: str, pixels: Pixels, model: Path | None = None, **settings: int) -> list[Detection]:
    return make_detector(name, DetectorSettings(weights=model, **settings)).detect(np.ascontiguousarray(pixels))  # type: ignore[arg-type]


def shift(here: Quad, there: Quad) -> float:
    """Mean corner distance as a share of the side."""
    return float(np.hypot(*(here.corners - there.corners).T).mean() / here.side_px)


def turned(pixels: Pixels, degrees: float) -> tuple[Pixels, np.ndarray]:
    """Turned clockwise on screen, on a canvas that holds all of it, and the (2, 3) map of pixel indices."""
    half = round(0.75 * max(pixels.shape[:2]))
    centre = ((pixels.shape[1] - 1) / 2, (pixels.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, -degrees, 1.0)
    matrix[:, 2] += half - np.array(centre)
    return np.asarray(cv2.warpAffine(pixels, matrix, (2 * half, 2 * half), borderMode=cv2.BORDER_REPLICATE)), matrix


def test_the_command_line_offers_every_detector() -> None:
    assert set(DETECTOR_NAMES) == set(DETECTORS)
    assert all(make_detector(name).name == name for name in DETECTORS)


def test_the_cnn_agrees_with_the_chain(chain_quad: Quad) -> None:
    (face,) = find("dlib-cnn", FACE)
    assert (face.detector, face.scheme) == ("dlib-cnn", "ibug68")
    assert shift(chain_quad, face.quad) < 0.01


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (3000, 20), (64, 64)])
def test_pictures_too_small_for_a_face_are_no_error(size: tuple[int, int], model: Path) -> None:
    nothing = np.zeros((*size, 3), np.uint8)
    assert find("dlib-cnn", nothing) == find("yunet", nothing, model) == []


@pytest.mark.parametrize("degrees", [0, -30, 45, 70, 90, -90, 135, 180])
def test_yunet_finds_a_head_of_any_roll(degrees: float, model: Path, chain_quad: Quad) -> None:
    picture, matrix = turned(FACE, degrees)
    (face,) = find("yunet", picture, model)
    expected = Quad(chain_quad.corners @ matrix[:, :2].T + matrix[:, 2])
    assert shift(expected, face.quad) < 0.015
    assert face.repeatability is not None
    assert face.repeatability < 0.012
    assert (face.detector, face.scheme) == ("yunet", "ibug68")


def test_yunet_finds_heads_on_their_side_that_show_no_face_as_they_lie(model: Path) -> None:
    for path in sorted(RENDERS.glob("A*_1*.jpg")):
        upright = np.asarray(Image.open(path).convert("RGB"))
        width = upright.shape[1]
        (expected,), (lying,) = find("yunet", upright, model), find("yunet", np.rot90(upright), model)
        x, y = expected.quad.corners.T
        assert shift(Quad(np.stack([y, width - 1 - x], axis=1)), lying.quad) < 0.015, path.name


def test_yunet_finds_large_and_small_faces_in_order(model: Path) -> None:
    """The large one fills 1280 pixels, which YuNet sees at a quarter; the small one is a tenth of it."""
    picture = cv2.resize(FACE, (1280, 1280), interpolation=cv2.INTER_CUBIC)
    small = np.full((1280, 320, 3), 128, np.uint8)
    small[400:656, 32:288] = cv2.resize(FACE, (256, 256), interpolation=cv2.INTER_AREA)
    sheet = np.concatenate([picture, small], axis=1)
    large, little = find("yunet", sheet, model)
    assert large.box_xyxy[0] < 1280 < little.box_xyxy[0]
    assert large.quad.side_px / little.quad.side_px == pytest.approx(5, rel=0.02)
    assert len(find("yunet", sheet, model, min_face_px=200)) == 1


def test_yunet_finds_no_face_in_noise(model: Path) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    assert find("yunet", np.asarray(Image.fromarray(coarse).resize((300, 300), Image.Resampling.BICUBIC)), model) == []


def test_yunet_repeats_itself_to_the_bit_from_any_thread(model: Path) -> None:
    """One network serves pictures of several sizes, each of which it must be told."""
    pictures = [FACE, np.ascontiguousarray(FACE[:280]), FACE.repeat(2, axis=0).repeat(2, axis=1)] * 3
    alone = [find("yunet", picture, model) for picture in pictures]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda picture: find("yunet", picture, model), pictures))
    for (one,), (other,) in zip(alone, together, strict=True):
        assert one.box_xyxy == other.box_xyxy
        np.testing.assert_array_equal(one.landmarks, other.landmarks)


def test_yunet_is_quiet(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert len(yunet.Network(model).run(FACE)) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("roll", [0.0, 0.4, 3.0, -1.6])
def test_the_box_turns_with_the_points(roll: float) -> None:
    upright = np.array([[40.0, 50], [80, 50], [60, 70], [45, 95], [75, 95]])
    c, s = np.cos(roll), np.sin(roll)
    points = upright @ np.array([[c, -s], [s, c]]).T
    box, plain = yunet.face_box(points), yunet.face_box(upright)
    assert box.roll_rad == pytest.approx(roll)
    assert box.side == pytest.approx(plain.side)
    assert (plain.x, plain.roll_rad) == (pytest.approx(60.5), 0)
    assert plain.side == pytest.approx(0.587 * 2 * 1.8 * 45)
    assert plain.y == pytest.approx(50 + 4.5 + 0.112 * 2 * 1.8 * 45 + 0.5)


def test_only_yunet_takes_a_model(tmp_path: Path) -> None:
    assert [weights_for(name) for name in DETECTORS if name != "yunet"] == [None, None, None]
    with pytest.raises(UsageError, match=r"dlib-cnn takes no model file.*yunet"):
        weights_for("dlib-cnn", tmp_path / "x.onnx")
    with pytest.raises(UsageError, match=r"'haar'.*dlib"):
        weights_for("haar")


def test_a_file_that_is_no_yunet_is_refused(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, data in {"empty.onnx": b"", "junk.onnx": b"junk", "cut.onnx": model.read_bytes()[:200_000]}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelFileError, match=f"{name} is no YuNet model"):
            weights_for("yunet", tmp_path / name)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("DRFHQ_MODELS", str(tmp_path / "none"))
    with pytest.raises(ModelFileError, match="drfhq models fetch yunet"):
        weights_for("yunet")


def build(raw: Path, out: Path, *options: str | Path) -> Result:
    arguments = ["build", "--raw", raw, "--out", out, "--size", 64, "--workers", 1, "--detector", "yunet", *options]
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    Image.fromarray(FACE).save(tmp_path / "raw" / "a.png")
    return tmp_path / "raw"


def test_the_weights_decide_the_digest_and_their_path_nothing(raw: Path, tmp_path: Path, model: Path) -> None:
    copy = tmp_path / "größer" / "other name.onnx"
    copy.parent.mkdir()
    shutil.copy(model, copy)
    assert build(raw, tmp_path / "out", "--detector-model", copy).exit_code == 0
    config = BuildConfig(size=64, detector="yunet", detector_weights=sha256_file(model))
    assert config.pixels_digest != BuildConfig(size=64, detector="yunet").pixels_digest
    (face,) = open_manifest(tmp_path / "out").faces
    assert (face.detector, face.pixels_digest) == ("yunet", config.pixels_digest)
    document = (tmp_path / "out" / "build.json").read_text(encoding="utf-8")
    assert json.loads(document)["settings"]["detector_weights"] == sha256_file(model)
    assert copy.stem not in document


def test_trouble_with_weights_ends_a_build_before_it_begins(
    raw: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wish.toml").write_text('detector_weights = "00"')
    other = build(raw, tmp_path / "out", "--detector-model", model, "--config", tmp_path / "wish.toml")
    assert (other.exit_code, "is not the model file of detector_weights" in other.stderr) == (2, True)
    missing = build(raw, tmp_path / "out", "--detector-model", tmp_path / "nowhere.onnx")
    assert (missing.exit_code, "nowhere.onnx is no file" in missing.stderr) == (1, True)
    monkeypatch.setenv("DRFHQ_MODELS", str(tmp_path / "none"))
    unfetched = build(raw, tmp_path / "out")
    assert (unfetched.exit_code, "drfhq models fetch yunet" in unfetched.stderr) == (1, True)
    assert not (tmp_path / "out").exists()
