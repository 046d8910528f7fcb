"""Perceived age and gender by face-api.js's ``age_gender_model`` (V. Mühler 2019, MIT): 112 px, 0.4 million parameters.

A small Xception (Chollet 2017): a 3 × 3 convolution of stride 2; reduction blocks, which are two separable convolutions
and a 3 × 3 maximum beside a 1 × 1 convolution, both of stride 2; main blocks of three separable convolutions beside
nothing; one more separable convolution; the mean; then a number that is the age in years, and two for male and female.
All padding is TensorFlow's "same", relu comes before each separable convolution. The weights are one byte each, by the
scale and least value that the manifest beside them names for each tensor.

Years are no distribution. The probabilities of age groups are *modelled*: a normal around the estimate, as wide as the
mean error of 4.5 years that the author states for photographs. On renders it may be wider.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NotRequired, TypedDict

import numpy as np

from drfhq_tools.errors import ModelFileError
from drfhq_tools.geometry import FloatArray
from drfhq_tools.labels import layers
from drfhq_tools.labels.base import predicted, softmax
from drfhq_tools.labels.chips import rectangle_chip
from drfhq_tools.labels.layers import Array
from drfhq_tools.models import ModelFile, resolve
from drfhq_tools.records import LabelScores, Pixels
from drfhq_tools.records.labels import AGE_GROUPS

MANIFEST: Final = "faceapi-age-gender-manifest"
CHIP_PX: Final = 112
PADDING: Final = 0.2
MEAN_RGB: Final = (122.782, 117.001, 104.298)
STATED_MEAN_ERROR_YEARS: Final = 4.5
DEVIATION_YEARS: Final = STATED_MEAN_ERROR_YEARS * math.sqrt(math.pi / 2)
"""Of the normal whose mean absolute value is the stated error: 5.6 years."""

Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the network says: an age in years, and the probability of male in [0, 1]."""

    years: float
    male: float


class FaceApi:
    """The :class:`~drfhq_tools.labels.base.Labeler` of this network."""

    name: str = "faceapi"
    attributes: tuple[str, ...] = ("age_group", "gender")

    def __init__(self, weights: ModelFile) -> None:
        """The manifest lies beside the weights, under its name in the registry, whose content it must have: what the
        bytes mean is then as sure as their hash.

        Raises:
            ModelFileError: either file is missing or unfit.
        """
        self.weights_sha256 = weights.sha256
        manifest = resolve(MANIFEST, models_dir=weights.path.parent)
        self._tensors = read_tensors(manifest.path, weights.path)

    def estimate(self, crop: Pixels, landmarks: FloatArray) -> Estimate:
        """Age and gender of the face in ``crop``, both arguments as in :meth:`label`."""
        years, genders = outputs(self._tensors, rectangle_chip(crop, landmarks, CHIP_PX, PADDING))
        return Estimate(years, float(softmax(genders)[0]))

    def label(self, crop: Pixels, landmarks: FloatArray) -> tuple[LabelScores, ...]:
        """See :class:`~drfhq_tools.labels.base.Labeler`."""
        estimate = self.estimate(crop, landmarks)
        return (
            predicted(self, "age_group", age_groups(estimate.years)),
            predicted(self, "gender", {"female": 1 - estimate.male, "male": estimate.male}),
        )


def age_groups(years: float) -> dict[str, float]:
    """The probability of each age group, if the true age is normal around ``years`` with :data:`DEVIATION_YEARS`."""
    starts = [float(name.split("-")[0].rstrip("+")) for name in AGE_GROUPS]
    below = [0.0, *(_normal((start - years) / DEVIATION_YEARS) for start in starts[1:]), 1.0]
    return {name: high - low for name, low, high in zip(AGE_GROUPS, below, below[1:], strict=False)}


def _normal(z: float) -> float:
    return (1 + math.erf(z / math.sqrt(2))) / 2


def outputs(tensors: Tensors, chip: Pixels) -> tuple[float, Array]:
    """Years, and (2,) logits of male and female, of a (112, 112, 3) chip."""
    x = (chip.astype(np.float32) - np.array(MEAN_RGB, np.float32)) / np.float32(256)
    x = layers.relu(_convolution(tensors, "entry_flow/conv_in", x))
    x = _reduction(tensors, "entry_flow/reduction_block_0", x, x)
    x = _reduction(tensors, "entry_flow/reduction_block_1", x, layers.relu(x))
    for block in ("middle_flow/main_block_0", "middle_flow/main_block_1"):
        y = x
        for step in range(3):
            y = _separable(tensors, f"{block}/separable_conv{step}", layers.relu(y))
        x = x + y
    x = _reduction(tensors, "exit_flow/reduction_block", x, layers.relu(x))
    x = layers.relu(_separable(tensors, "exit_flow/separable_conv", x))
    features = np.asarray(x.mean(axis=(0, 1)))
    age, gender = (features @ tensors[f"fc/{name}/weights"] + tensors[f"fc/{name}/bias"] for name in ("age", "gender"))
    return float(age[0]), gender


def _reduction(tensors: Tensors, name: str, x: Array, activated: Array) -> Array:
    y = _separable(tensors, f"{name}/separable_conv0", activated)
    y = _separable(tensors, f"{name}/separable_conv1", layers.relu(y))
    return layers.max_pool(y, 3, 2, layers.same(y, 3, 2)) + _convolution(tensors, f"{name}/expansion_conv", x)


def _convolution(tensors: Tensors, name: str, x: Array) -> Array:
    """Of stride 2."""
    weight = tensors[f"{name}/filters"]
    return layers.convolution(x, weight, tensors[f"{name}/bias"], 2, layers.same(x, weight.shape[0], 2))


def _separable(tensors: Tensors, name: str, x: Array) -> Array:
    spread = layers.depthwise(x, tensors[f"{name}/depthwise_filter"][..., 0], layers.same(x, 3, 1))
    return np.asarray(spread @ tensors[f"{name}/pointwise_filter"][0, 0] + tensors[f"{name}/bias"])


def read_tensors(manifest: Path, shard: Path) -> Tensors:
    """The tensors that a TensorFlow.js manifest names, from the one file they lie in, one after another.

    Raises:
        ModelFileError: a file cannot be read, they don't belong together, or hold another network.
    """
    try:
        tensors = _cut(json.loads(manifest.read_text("utf-8")), shard.read_bytes())
        years, genders = outputs(tensors, np.zeros((CHIP_PX, CHIP_PX, 3), np.uint8))
    except OSError as error:
        raise ModelFileError(f"{error.filename} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ModelFileError(
            f"{shard} is not what {manifest} describes, or neither is face-api's age_gender_model ({error});"
            " get both with: drfhq models fetch faceapi-age-gender faceapi-age-gender-manifest"
        ) from error
    if genders.shape != (2,) or not math.isfinite(years):
        raise ModelFileError(f"{shard}: the network gives no age and two genders")
    return tensors


class _Quantization(TypedDict):
    dtype: str
    scale: float
    min: float


class _Entry(TypedDict):
    name: str
    shape: list[int]
    quantization: NotRequired[_Quantization]


class _Group(TypedDict):
    weights: list[_Entry]


def _cut(manifest: list[_Group], data: bytes) -> dict[str, Array]:
    """Raises ValueError, KeyError or TypeError where the manifest has another form, or describes other bytes."""
    tensors: dict[str, Array] = {}
    start = 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        packed = entry.get("quantization")
        if packed and packed["dtype"] != "uint8":
            raise ValueError(f"weights packed as {packed['dtype']}")
        count = math.prod(entry["shape"])
        stored = np.frombuffer(data, np.dtype("u1" if packed else "<f4"), count, start)
        start += stored.nbytes
        values = stored.astype(np.float32)
        if packed:
            values = values * np.float32(packed["scale"]) + np.float32(packed["min"])
        tensors[entry["name"]] = values.reshape(entry["shape"])
    if start != len(data):
        raise ValueError(f"{start} bytes are described, {len(data)} are there")
    return tensors
