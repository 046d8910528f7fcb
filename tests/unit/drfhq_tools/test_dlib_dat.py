"""The reader of dlib's networks: a stream written here by the format's rules, dlib's own files, and damaged ones."""

import bz2
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drfhq_tools.dlib_dat import Repeat, parse_dlib_network, read_dlib_network
from drfhq_tools.errors import ModelFileError

SHARED = Path(__file__).parents[3] / ".." / "shared" / "models" / "dlib"


def integer(value: int) -> bytes:
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(length, "little")


def real(value: float) -> bytes:
    mantissa, exponent = math.frexp(value)
    return integer(int(mantissa * 2**24)) + integer(exponent - 24)


def text(value: str) -> bytes:
    return integer(len(value)) + value.encode()


def tensor(values: np.ndarray) -> bytes:
    shape = values.shape if values.size else (0, 0, 0, 0)
    return b"".join(map(integer, (2, *shape))) + values.astype("<f4").tobytes()


def view(*shape: int) -> bytes:
    return b"".join(map(integer, (1, *shape)))


EMPTY = tensor(np.zeros(0))
STATE = b"110" + EMPTY * 3
RATES = real(1) * 2 + real(0.5) + real(0)
INPUT = text("input_rgb_image_sized") + real(122.782) + real(117.001) + real(104.298) + integer(4) * 2
RELU = text("relu_") + STATE


def convolution(weight: np.ndarray, bias: np.ndarray | None = None, stride: int = 1, padding: int = 0) -> bytes:
    out, _, rows, columns = weight.shape
    parts = [weight.reshape(-1)] + ([] if bias is None else [bias])
    params = np.concatenate(parts).reshape(-1, 1, 1, 1)
    sizes = b"".join(map(integer, (out, rows, columns, stride, stride, padding, padding)))
    views = view(*weight.shape) + (view(0, 0, 0, 0) if bias is None else view(1, out, 1, 1))
    return text("con_5") + tensor(params) + sizes + views + RATES + (b"0" if bias is None else b"1")


def network(*details: bytes, versions: bytes = b"", lowest: bytes) -> bytes:
    """A network of a loss, ``lowest`` on the input, and ``details`` above it from the input up."""
    bottom = integer(3) + INPUT + lowest + STATE + integer(1)
    return integer(1) + text("loss_metric_2") + real(0.04) + real(0.6) + versions + bottom + b"".join(details)


WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) - 11.5
BIAS = np.array([0.25, -8.0], dtype=np.float32)
SMALL = network(RELU, versions=integer(1) + integer(2) + integer(1), lowest=convolution(WEIGHT, BIAS, 2, 1))


def repeated(count: int) -> bytes:
    """relu over ``count`` repeats of one 1 x 1 convolution with its number as weight, over a convolution."""

    def group(value: int) -> bytes:
        tagged_bottom = integer(2) + EMPTY * 2 + b"0" + integer(1)
        return integer(2) + tagged_bottom + convolution(np.full((1, 1, 1, 1), value)) + STATE

    groups = b"".join(group(value) for value in reversed(range(count)))  # the file holds the topmost first
    return network(RELU, versions=integer(2) + integer(1) + integer(count) + groups, lowest=convolution(WEIGHT))


def test_layers_come_from_the_input_up_with_their_numbers_and_tensors() -> None:
    parsed = parse_dlib_network(SMALL)
    assert [record.kind for record in parsed.records()] == ["con", "relu"]
    assert parsed.loss.numbers["distance_threshold"] == pytest.approx(0.6, abs=1e-6)
    assert parsed.input.numbers["red"] == pytest.approx(122.782, abs=1e-4)
    layer = parsed.records()[0]
    np.testing.assert_array_equal(layer.tensors["weight"], WEIGHT)
    np.testing.assert_array_equal(layer.tensors["bias"].reshape(-1), BIAS)
    assert (layer.numbers["stride_y"], layer.numbers["padding_x"], layer.numbers["bias_rate"]) == (2, 1, 0.5)
    assert layer.tensors["weight"].dtype == np.float32


def test_a_bias_left_out_is_absent() -> None:
    layer = parse_dlib_network(network(lowest=convolution(WEIGHT))).records()[0]
    assert list(layer.tensors) == ["weight"]


@pytest.mark.parametrize("count", [3, 4, 12])
def test_repeats_come_from_the_input_up(count: int) -> None:
    parsed = parse_dlib_network(repeated(count))
    repeat = parsed.layers[1]
    assert isinstance(repeat, Repeat)
    assert len(repeat.groups) == count
    weights = [record.tensors["weight"].item() for record in parsed.records()[1:-1]]
    assert weights == list(range(count))


@pytest.mark.parametrize("data", [SMALL, repeated(3)], ids=["plain", "repeated"])
def test_every_truncation_is_told(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(ModelFileError):
            parse_dlib_network(data[:length])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a dlib network"),
        (b"PK\x03\x04" + bytes(100), "not a dlib network"),
        (integer(1) + text("loss_mmod_"), "loss_mmod_"),
        (SMALL + b"more", "4 bytes follow"),
        (SMALL.replace(text("relu_"), text("gelu_")), "gelu_"),
        (SMALL.replace(view(2, 3, 2, 2), view(9, 3, 2, 2)), "past its"),
        (network(lowest=convolution(WEIGHT)).replace(INPUT, b""), "no input layer"),
        (integer(1) + text("loss_multiclass_log_") + (integer(1) + integer(1000)) * 5000, "not a dlib network"),
    ],
)
def test_a_foreign_stream_is_told(data: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        parse_dlib_network(data)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(repeated(3)) - 1), st.integers(0, 255))
def test_a_damaged_byte_never_ends_in_another_error(position: int, value: int) -> None:
    data = bytearray(repeated(3))
    data[position] = value
    try:
        parsed = parse_dlib_network(bytes(data))
    except ModelFileError:
        return
    assert parsed.records()


def test_files_are_read_packed_or_not(tmp_path: Path) -> None:
    plain, packed, cut = tmp_path / "a.dat", tmp_path / "a.dat.bz2", tmp_path / "cut.dat.bz2"
    plain.write_bytes(SMALL)
    packed.write_bytes(bz2.compress(SMALL))
    cut.write_bytes(bz2.compress(SMALL)[:-20])
    first, second = read_dlib_network(plain), read_dlib_network(packed)
    np.testing.assert_array_equal(first.records()[0].tensors["weight"], second.records()[0].tensors["weight"])
    for path in (cut, tmp_path / "none.dat", tmp_path):
        with pytest.raises(ModelFileError, match="cannot read the dlib network"):
            read_dlib_network(path)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "foreign.dat"
    path.write_bytes(b"not a network")
    with pytest.raises(ModelFileError, match=r"foreign\.dat"):
        read_dlib_network(path)


def test_dlibs_resnet_has_its_published_layers() -> None:
    spec = find_spec("face_recognition_models")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "models"
    parsed = read_dlib_network(folder / "dlib_face_recognition_resnet_model_v1.dat")
    kinds = [record.kind for record in parsed.records()]
    assert (kinds.count("con"), kinds.count("add_prev"), kinds[-1]) == (29, 14, "fc")
    assert parsed.records()[-1].tensors["weight"].shape == (256, 128, 1, 1)
    with pytest.raises(ModelFileError, match="loss_mmod_"):
        read_dlib_network(folder / "mmod_human_face_detector.dat")


@pytest.mark.parametrize(
    ("name", "convolutions", "repeats", "outputs"),
    [
        ("face_recognition_densenet_model_v1.dat.bz2", 1 + 2 * (3 + 6 + 12 + 8) + 3, [3, 6, 12, 8], 128),
        ("dnn_gender_classifier_v1.dat.bz2", 4, [], 2),
    ],
)
def test_other_networks_of_dlib(name: str, convolutions: int, repeats: list[int], outputs: int) -> None:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    parsed = read_dlib_network(path)
    assert sum(record.kind == "con" for record in parsed.records()) == convolutions
    assert [len(layer.groups) for layer in parsed.layers if isinstance(layer, Repeat)] == repeats
    assert parsed.records()[-1].numbers["outputs"] == outputs
