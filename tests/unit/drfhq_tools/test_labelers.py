"""Labelers: small networks in their file formats against independent ones in PyTorch, unfit files, real weights."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from drfhq_tools.align import align
from drfhq_tools.detect import make_detector
from drfhq_tools.dlib_dat import DlibNetwork, read_dlib_network
from drfhq_tools.errors import ModelFileError, UsageError
from drfhq_tools.geometry import FloatArray, points_in_crop
from drfhq_tools.imageio import read_picture
from drfhq_tools.labels import LABELERS, Labeler, dlib_gender, faceapi, fairface, labeler_weights, make_labeler
from drfhq_tools.labels.base import predicted
from drfhq_tools.labels.resnet34 import ResNet34, run
from drfhq_tools.models import package_file
from drfhq_tools.records import Pixels
from drfhq_tools.records.labels import VOCABULARY

SHARED = Path(__file__).parents[3] / ".." / "shared"
GENDER = SHARED / "models" / "dlib" / "dnn_gender_classifier_v1.dat.bz2"
AGE_GENDER = SHARED / "models" / "faceapi" / "age_gender_model-shard1"
MANIFEST_NAME = "age_gender_model-weights_manifest.json"

needs_gender = pytest.mark.skipif(not GENDER.is_file(), reason=f"{GENDER} is absent")
needs_age_gender = pytest.mark.skipif(not AGE_GENDER.is_file(), reason=f"{AGE_GENDER} is absent")

Array = npt.NDArray[np.float32]
CROP: Pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
LANDMARKS: FloatArray = np.random.default_rng(1).uniform(16, 48, (68, 2))


def chip(size: int) -> Pixels:
    return cv2.resize(CROP, (size, size)).astype(np.uint8)


# What labelers have in common


def test_attributes_and_classes_are_the_vocabularys() -> None:
    assert LABELERS == {
        "dlib-gender": ("gender",),
        "faceapi": ("age_group", "gender"),
        "fairface": ("race", "gender", "age_group"),
    }
    assert {name: set(classes) for name, classes in fairface.OUTPUTS} == {k: set(v) for k, v in VOCABULARY.items()}


@pytest.mark.parametrize("ask", [make_labeler, labeler_weights])
def test_an_unknown_name_is_told_which_there_are(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(UsageError, match="dlib-gender, faceapi, fairface"):
        ask("guess")


@pytest.mark.parametrize(
    ("name", "advice"), [("dlib-gender", "fetch dlib-gender"), ("faceapi", "fetch faceapi"), ("fairface", "no address")]
)
def test_missing_weights_say_how_to_get_them(
    name: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRFHQ_MODELS", str(tmp_path))
    with pytest.raises(ModelFileError, match=advice):
        labeler_weights(name)
    with pytest.raises(ModelFileError, match="is no file"):
        labeler_weights(name, tmp_path / "nothing.dat")


def test_weights_are_found_without_loading_them(tmp_path: Path) -> None:
    file = tmp_path / "any.pt"
    file.write_bytes(b"anything")
    found = labeler_weights("fairface", file)
    assert (found.path, found.sha256) == (file, hashlib.sha256(b"anything").hexdigest())


def test_torch_is_imported_for_fairface_alone() -> None:
    code = "import sys, drfhq_tools.labels; sys.exit('torch' in sys.modules or 'transfer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_prediction_keeps_the_vocabularys_order(fair_face: Labeler) -> None:
    label = predicted(fair_face, "gender", {"male": 0.123456, "female": 0.876544})
    assert (label.value, label.status, label.labeler) == ("female", "predicted", "fairface")
    assert (label.classes, label.probabilities) == (("female", "male"), (0.8765, 0.1235))
    assert label.weights_sha256 == fair_face.weights_sha256


# dlib's gender classifier


def torch_gender(network: DlibNetwork, pixels: Pixels) -> Tensor:
    """The architecture as its author's program writes it down, scaled by a half where it drops out."""
    records = [record for record in network.records() if record.tensors and record.kind != "dropout"]
    parts = [{k: torch.from_numpy(v.copy()).double() for k, v in record.tensors.items()} for record in records]
    mean = torch.tensor([122.782, 117.001, 104.298], dtype=torch.float64)
    x = ((torch.from_numpy(pixels).double() - mean) / 256).permute(2, 0, 1)[None]
    for step in range(4):
        con, norm = parts[2 * step : 2 * step + 2]
        x = F.conv2d(x, con["weight"], con["bias"].flatten(), padding=1)
        means, variances, gamma, beta = (norm[k].flatten() for k in ("means", "variances", "gamma", "beta"))
        x = F.relu(F.batch_norm(x, means, variances, gamma, beta, eps=records[1].numbers["eps"]))
        if step % 2:
            x = F.avg_pool2d(x, 2)
    hidden, last = parts[8:]
    x = F.relu(x.flatten() / 2 @ hidden["weight"][..., 0, 0] + hidden["bias"].flatten())
    return x / 2 @ last["weight"][..., 0, 0] + last["bias"].flatten()


@needs_gender
def test_dlibs_gender_network_is_the_one_in_pytorch() -> None:
    network = read_dlib_network(GENDER)
    np.testing.assert_allclose(
        dlib_gender.logits(network, chip(32)), torch_gender(network, chip(32)).numpy(), rtol=1e-4, atol=1e-4
    )


def test_another_network_of_dlibs_is_refused() -> None:
    with pytest.raises(ModelFileError, match="models fetch dlib-gender"):
        make_labeler("dlib-gender", package_file("dlib_face_recognition_resnet_model_v1.dat"))


@needs_gender
def test_weights_named_by_path_are_hashed_as_they_are() -> None:
    labeler = make_labeler("dlib-gender", GENDER)
    assert labeler.weights_sha256 == hashlib.sha256(GENDER.read_bytes()).hexdigest()
    (label,) = labeler.label(CROP, LANDMARKS)
    assert label.weights_sha256 == labeler.weights_sha256
    assert math.isclose(sum(label.probabilities), 1, abs_tol=1e-3)


# face-api's network


def separable(name: str, channels: int, out: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}/depthwise_filter": (3, 3, channels, 1),
        f"{name}/pointwise_filter": (1, 1, channels, out),
        f"{name}/bias": (out,),
    }


def reduction(name: str, channels: int, out: int) -> dict[str, tuple[int, ...]]:
    return {
        **separable(f"{name}/separable_conv0", channels, out),
        **separable(f"{name}/separable_conv1", out, out),
        f"{name}/expansion_conv/filters": (1, 1, channels, out),
        f"{name}/expansion_conv/bias": (out,),
    }


SHAPES: dict[str, tuple[int, ...]] = {
    "entry_flow/conv_in/filters": (3, 3, 3, 4),
    "entry_flow/conv_in/bias": (4,),
    **reduction("entry_flow/reduction_block_0", 4, 6),
    **reduction("entry_flow/reduction_block_1", 6, 8),
    **{
        key: shape
        for block in range(2)
        for step in range(3)
        for key, shape in separable(f"middle_flow/main_block_{block}/separable_conv{step}", 8, 8).items()
    },
    **reduction("exit_flow/reduction_block", 8, 10),
    **separable("exit_flow/separable_conv", 10, 12),
    "fc/age/weights": (12, 1),
    "fc/age/bias": (1,),
    "fc/gender/weights": (12, 2),
    "fc/gender/bias": (2,),
}
"""face-api's tensors, with a tenth of the channels."""


def write_faceapi(folder: Path) -> tuple[Path, Path, dict[str, Array]]:
    """Manifest, shard and the tensors they hold: weights in bytes, biases in floats."""
    rng = np.random.default_rng(7)
    entries: list[dict[str, object]] = []
    data, tensors = b"", {}
    for name, shape in SHAPES.items():
        if name.endswith("bias"):
            values = rng.normal(size=shape).astype(np.float32)
            entries.append({"name": name, "shape": shape, "dtype": "float32"})
            data += values.tobytes()
        else:
            stored = rng.integers(0, 256, shape, dtype=np.uint8)
            packing = {"dtype": "uint8", "scale": 0.008, "min": -1.0}
            entries.append({"name": name, "shape": shape, "dtype": "float32", "quantization": packing})
            values = stored.astype(np.float32) * np.float32(0.008) - np.float32(1)
            data += stored.tobytes()
        tensors[name] = values
    manifest, shard = folder / MANIFEST_NAME, folder / "age_gender_model-shard1"
    manifest.write_text(json.dumps([{"weights": entries, "paths": [shard.name]}]))
    shard.write_bytes(data)
    return manifest, shard, tensors


def torch_faceapi(tensors: Mapping[str, Array], pixels: Pixels) -> Array:
    """Years, male, female, in float64, by the description in the module's docstring."""
    t = {name: torch.from_numpy(np.array(values)).double() for name, values in tensors.items()}

    def strided(name: str, x: Tensor) -> Tensor:
        weight = t[f"{name}/filters"].permute(3, 2, 0, 1)
        return F.conv2d(F.pad(x, (0, 1, 0, 1)) if weight.shape[-1] == 3 else x, weight, t[f"{name}/bias"], stride=2)

    def spread(name: str, x: Tensor) -> Tensor:
        x = F.conv2d(x, t[f"{name}/depthwise_filter"].permute(2, 3, 0, 1), padding=1, groups=x.shape[1])
        return F.conv2d(x, t[f"{name}/pointwise_filter"].permute(3, 2, 0, 1), t[f"{name}/bias"])

    def reduced(name: str, x: Tensor, activated: Tensor) -> Tensor:
        y = spread(f"{name}/separable_conv1", F.relu(spread(f"{name}/separable_conv0", activated)))
        return F.max_pool2d(F.pad(y, (0, 1, 0, 1), value=-math.inf), 3, 2) + strided(f"{name}/expansion_conv", x)

    mean = torch.tensor([122.782, 117.001, 104.298], dtype=torch.float64)
    x = ((torch.from_numpy(pixels).double() - mean) / 256).permute(2, 0, 1)[None]
    x = F.relu(strided("entry_flow/conv_in", x))
    x = reduced("entry_flow/reduction_block_0", x, x)
    x = reduced("entry_flow/reduction_block_1", x, F.relu(x))
    for block in range(2):
        y = x
        for step in range(3):
            y = spread(f"middle_flow/main_block_{block}/separable_conv{step}", F.relu(y))
        x = x + y
    x = reduced("exit_flow/reduction_block", x, F.relu(x))
    x = F.relu(spread("exit_flow/separable_conv", x)).mean(dim=(2, 3))
    heads = [x @ t[f"fc/{name}/weights"] + t[f"fc/{name}/bias"] for name in ("age", "gender")]
    return np.asarray(torch.cat(heads, dim=1)[0].numpy())


def test_faceapis_network_is_the_one_in_pytorch(tmp_path: Path) -> None:
    manifest, shard, tensors = write_faceapi(tmp_path)
    read = faceapi.read_tensors(manifest, shard)
    assert {name: values.shape for name, values in read.items()} == SHAPES
    for name, values in tensors.items():
        np.testing.assert_allclose(read[name], values, atol=1e-6)
    years, genders = faceapi.outputs(read, chip(112))
    np.testing.assert_allclose([years, *genders], torch_faceapi(tensors, chip(112)), rtol=1e-4)


@needs_age_gender
def test_faceapis_own_weights_are_the_same_in_pytorch() -> None:
    read = faceapi.read_tensors(AGE_GENDER.with_name(MANIFEST_NAME), AGE_GENDER)
    years, genders = faceapi.outputs(read, chip(112))
    np.testing.assert_allclose([years, *genders], torch_faceapi(read, chip(112)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"uint8"', '"uint16"'),
        ("fc/age/bias", "fc/age/offset"),
        ('"shape": [3, 3, 3, 4]', '"shape": [3, 3, 4, 3]'),
        ('"shape": [3, 3, 3, 4]', '"shape": "abc"'),
        ('"weights": [', '"tensors": ['),
        ("[{", "{"),
        ('"scale": 0.008', '"scale": null'),
        ('"scale": 0.008', '"scale": NaN'),
        ('"shape": [12, 2]', '"shape": [24, 1]'),
    ],
)
def test_a_manifest_of_another_network_is_refused(tmp_path: Path, old: str, new: str) -> None:
    manifest, shard, _ = write_faceapi(tmp_path)
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    with pytest.raises(ModelFileError, match=r"age_gender_model|two genders"):
        faceapi.read_tensors(manifest, shard)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x", lambda _: b""])
def test_a_shard_of_another_length_is_refused(tmp_path: Path, change: object) -> None:
    manifest, shard, _ = write_faceapi(tmp_path)
    assert callable(change)
    shard.write_bytes(change(shard.read_bytes()))
    with pytest.raises(ModelFileError, match="models fetch faceapi-age-gender"):
        faceapi.read_tensors(manifest, shard)


def test_weights_without_their_manifest_say_how_to_get_it(tmp_path: Path) -> None:
    manifest, shard, _ = write_faceapi(tmp_path)
    with pytest.raises(ModelFileError, match="damaged or another version"):
        make_labeler("faceapi", shard)
    manifest.unlink()
    with pytest.raises(ModelFileError, match="models fetch faceapi-age-gender-manifest"):
        make_labeler("faceapi", shard)


@pytest.mark.parametrize(
    ("years", "group"), [(-3, "0-2"), (25, "20-29"), (29.99, "20-29"), (65, "60-69"), (140, "70+")]
)
def test_an_age_is_most_likely_in_its_own_group(years: float, group: str) -> None:
    groups = faceapi.age_groups(years)
    assert max(groups, key=lambda name: groups[name]) == group
    assert math.isclose(sum(groups.values()), 1)


def test_the_modelled_error_of_an_age_is_the_stated_one() -> None:
    """On average, normal deviates of this width are 4.5 years from 0; 30 is as far from 29.99 as from 30.01."""
    deviates = np.random.default_rng(5).normal(scale=faceapi.DEVIATION_YEARS, size=200_000)
    assert math.isclose(np.abs(deviates).mean(), 4.5, rel_tol=0.01)
    groups = faceapi.age_groups(30)
    assert math.isclose(groups["20-29"], groups["30-39"], abs_tol=1e-9)
    assert math.isclose(groups["20-29"], np.mean((deviates > -10) & (deviates < 0)), abs_tol=0.005)


# FairFace's network


@pytest.fixture(scope="module")
def fair_state() -> dict[str, Tensor]:
    """Answers East Asian, male and 70+, a little varied by what it sees."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = ResNet34(18).state_dict()
    state["fc.bias"] = torch.zeros(18)
    state["fc.bias"][[3, 7, 17]] = 5.0
    return state


@pytest.fixture(scope="module")
def fair_face(fair_state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Labeler:
    path = tmp_path_factory.mktemp("fairface") / "net.pt"
    torch.save(fair_state, path)
    return make_labeler("fairface", path)


def test_fairfaces_outputs_are_race_male_female_and_age(fair_face: Labeler) -> None:
    labels = {label.attribute: label for label in fair_face.label(CROP, LANDMARKS)}
    assert {name: label.value for name, label in labels.items()} == {
        "race": "East Asian",
        "gender": "male",
        "age_group": "70+",
    }
    for label in labels.values():
        assert label.classes == VOCABULARY[label.attribute]
        assert math.isclose(sum(label.probabilities), 1, abs_tol=1e-3)
        assert label.weights_sha256 == fair_face.weights_sha256


def test_a_resnet34_has_the_names_and_the_size_everyones_has() -> None:
    network = ResNet34(1000)
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_797_672  # as torchvision documents it
    assert len(network.state_dict()) == 218
    assert {"layer1.2.bn2.running_var", "layer2.0.downsample.1.bias", "layer4.0.conv1.weight"} <= {
        *network.state_dict()
    }


def test_a_resnet34_computes_what_its_paper_draws() -> None:
    torch.manual_seed(1)
    network = ResNet34(5).eval()
    for module in network.modules():  # statistics of its own for each norm
        if isinstance(module, torch.nn.BatchNorm2d):
            module.get_buffer("running_mean").normal_()
            module.get_buffer("running_var").uniform_(0.5, 2)
    state: dict[str, Tensor] = network.state_dict()

    def norm(name: str, x: Tensor) -> Tensor:
        mean, variance, weight, bias = (
            state[f"{name}.{key}"].view(1, -1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    picture = torch.randn(3, 64, 64)
    x = F.max_pool2d(F.relu(norm("bn1", F.conv2d(picture[None], state["conv1.weight"], stride=2, padding=3))), 3, 2, 1)
    for layer, pairs in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for place in range(pairs):
            at = f"layer{layer}.{place}"
            stride = 2 if layer > 1 and place == 0 else 1
            y = F.relu(norm(f"{at}.bn1", F.conv2d(x, state[f"{at}.conv1.weight"], stride=stride, padding=1)))
            y = norm(f"{at}.bn2", F.conv2d(y, state[f"{at}.conv2.weight"], padding=1))
            if stride == 2:
                x = norm(f"{at}.downsample.1", F.conv2d(x, state[f"{at}.downsample.0.weight"], stride=2))
            x = F.relu(x + y)
    expected = state["fc.weight"] @ x.mean(dim=(2, 3))[0] + state["fc.bias"]
    np.testing.assert_allclose(run(network, picture.numpy()), expected.numpy(), rtol=1e-3, atol=1e-4)


def test_a_file_of_an_older_pytorch_is_read(tmp_path: Path, fair_state: dict[str, Tensor], fair_face: Labeler) -> None:
    torch.save(fair_state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    old = make_labeler("fairface", tmp_path / "old.pt")
    answers = [[label.probabilities for label in labeler.label(CROP, LANDMARKS)] for labeler in (old, fair_face)]
    assert answers[0] == answers[1]


class Hostile:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(tmp_path: Path, write: str) -> None:
    path, trace = tmp_path / "net.pt", tmp_path / "ran"
    content = {"conv1.weight": torch.zeros(1), "more": Hostile(trace)}
    if write == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(ModelFileError, match="nothing that it names was run"):
        make_labeler("fairface", path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Hostile(trace)))  # it is hostile indeed
    assert trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fc.weight": torch.zeros(18, 512)}, "no ResNet-34"),
        (ResNet34(7).state_dict(), "fc"),
        ([torch.zeros(3)], "no tensors by name"),
        ({1: torch.zeros(3)}, "no ResNet-34"),
        ({"fc.weight": "words"}, "no ResNet-34"),
    ],
    ids=["parts missing", "seven outputs", "list", "numbered", "words"],
)
def test_another_networks_tensors_are_refused(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(ModelFileError, match=rf"{message}.*(res34_fair_align_multi_7)"):
        make_labeler("fairface", tmp_path / "net.pt")


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + bytes(50)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match="res34_fair_align_multi_7"):
        make_labeler("fairface", tmp_path / "net.pt")


def test_the_model_of_four_races_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "res34_fair_align_4_20190809.pt").write_bytes(b"")
    with pytest.raises(ModelFileError, match="four races"):
        make_labeler("fairface", tmp_path / "res34_fair_align_4_20190809.pt")


# Real weights on real renders


@pytest.fixture(scope="module")
def renders() -> dict[str, tuple[Pixels, FloatArray]]:
    """Crops and landmarks of a woman and a man rendered."""
    found = {}
    for gender, letter in (("female", "F"), ("male", "M")):
        path = next(iter(sorted((SHARED / "renders").glob(f"Hispanic_{letter}_1_*.jpg"))), None)
        if path is None:
            pytest.skip(f"{SHARED / 'renders'} is absent")
        pixels = read_picture(path, 10_000_000)
        (detection,) = make_detector().detect(pixels)
        crop = align(pixels, detection.quad, 256).pixels
        found[gender] = crop, points_in_crop(detection.landmarks, detection.quad, 256)
    return found


@needs_gender
@needs_age_gender
@pytest.mark.parametrize("gender", ["female", "male"])
@pytest.mark.parametrize("name", ["dlib-gender", "faceapi"])
def test_clear_cases_are_named(renders: dict[str, tuple[Pixels, FloatArray]], name: str, gender: str) -> None:
    labeler = make_labeler(name, {"dlib-gender": GENDER, "faceapi": AGE_GENDER}[name])
    labels = {label.attribute: label for label in labeler.label(*renders[gender])}
    assert set(labels) == set(LABELERS[name])
    assert labels["gender"].value == gender
    assert max(labels["gender"].probabilities) > 0.7
    if isinstance(labeler, faceapi.FaceApi):
        years = labeler.estimate(*renders[gender]).years
        assert 15 < years < 45
        assert labels["age_group"].value in {"10-19", "20-29", "30-39", "40-49"}


@needs_gender
def test_an_answer_hardly_depends_on_the_crops_size(renders: dict[str, tuple[Pixels, FloatArray]]) -> None:
    labeler = make_labeler("dlib-gender", GENDER)
    crop, landmarks = renders["female"]
    larger = cv2.resize(crop, (512, 512), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    (small,), (large,) = labeler.label(crop, landmarks), labeler.label(larger, 2 * landmarks + 0.5)
    np.testing.assert_allclose(small.probabilities, large.probabilities, atol=0.05)
