"""Perceived gender by dlib's classifier (C. Tasiemski and D. King 2022, CC0): 131,538 parameters, a 32 px chip.

Four convolutions of 3 × 3 (32, 32, 64, 64), each with batch norm and relu, a 2 × 2 mean after every second, then 16
and 2 outputs: female, male. Its author's program cuts the chip with dlib's default padding of 0.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from drfhq_tools.dlib_dat import DlibNetwork, Record, read_dlib_network
from drfhq_tools.errors import ModelFileError
from drfhq_tools.geometry import FloatArray
from drfhq_tools.labels import layers
from drfhq_tools.labels.base import predicted, softmax
from drfhq_tools.labels.chips import dlib_chip
from drfhq_tools.labels.layers import Array
from drfhq_tools.models import ModelFile
from drfhq_tools.records import LabelScores, Pixels

CHIP_PX: Final = 32
PADDING: Final = 0.2
_BLOCK: Final = ("con", "bn_con", "relu")
_KINDS: Final = (
    *(*_BLOCK, *_BLOCK, "avg_pool") * 2,
    *("dropout", "fc", "relu", "dropout", "fc"),
)


class DlibGender:
    """The :class:`~drfhq_tools.labels.base.Labeler` of this network."""

    name: str = "dlib-gender"
    attributes: tuple[str, ...] = ("gender",)

    def __init__(self, weights: ModelFile) -> None:
        """Raises ModelFileError where the file holds no such network."""
        self.weights_sha256 = weights.sha256
        self._network = read_dlib_network(weights.path)
        if not _fits(self._network):
            raise ModelFileError(
                f"{weights.path} is a dlib network, but not the gender classifier;"
                " get that with: drfhq models fetch dlib-gender"
            )

    def label(self, crop: Pixels, landmarks: FloatArray) -> tuple[LabelScores, ...]:
        """See :class:`~drfhq_tools.labels.base.Labeler`."""
        female, male = softmax(logits(self._network, dlib_chip(crop, landmarks, CHIP_PX, PADDING)))
        return (predicted(self, "gender", {"female": female, "male": male}),)


def logits(network: DlibNetwork, chip: Pixels) -> Array:
    """(2,) float32, female and male, of a (32, 32, 3) chip."""
    numbers = network.input.numbers
    mean = np.array([numbers["red"], numbers["green"], numbers["blue"]], dtype=np.float32)
    x = (chip.astype(np.float32) - mean) / np.float32(256)
    for record in network.records():
        x = _apply(record, x)
    return x


def _apply(record: Record, x: Array) -> Array:
    numbers, tensors = record.numbers, record.tensors
    match record.kind:
        case "con":
            weight, bias = tensors["weight"].transpose(2, 3, 1, 0), tensors["bias"].reshape(-1)
            return layers.convolution(x, weight, bias, int(numbers["stride_y"]), layers.even(int(numbers["padding_y"])))
        case "bn_con":
            gamma, beta, mean, variance = (tensors[key].reshape(-1) for key in ("gamma", "beta", "means", "variances"))
            return np.asarray((x - mean) * (gamma / np.sqrt(variance + np.float32(numbers["eps"]))) + beta)
        case "relu":
            return layers.relu(x)
        case "avg_pool":
            return layers.average_pool(x, int(numbers["rows"]), int(numbers["stride_y"]))
        case "dropout":  # dlib drops without rescaling what stays, and so scales everything at inference
            return x * np.float32(1 - numbers["drop_rate"])
        case _:  # "fc"; dlib flattens by channel, then row, then column
            flat = x.transpose(2, 0, 1).reshape(-1) if x.ndim == 3 else x
            return np.asarray(flat @ tensors["weight"][:, :, 0, 0] + tensors["bias"].reshape(-1))


def _fits(network: DlibNetwork) -> bool:
    """Whether this is the classifier: its layers in order, of shapes that let a chip pass through to two outputs."""
    if tuple(record.kind for record in network.records()) != _KINDS or "red" not in network.input.numbers:
        return False
    try:
        return logits(network, np.zeros((CHIP_PX, CHIP_PX, 3), np.uint8)).shape == (2,)
    except (ValueError, KeyError, ZeroDivisionError):
        return False
