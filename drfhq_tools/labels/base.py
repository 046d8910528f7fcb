"""What a labeler is to the rest of the toolkit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray
from drfhq_tools.records import LabelScores, Pixels
from drfhq_tools.records.labels import VOCABULARY

PROBABILITY_DECIMALS: Final = 4
"""What a stored probability keeps: the last bits of a network's arithmetic differ between processors, this does not."""


class Labeler(Protocol):
    """Says how a face is perceived, from the aligned crop alone, so that a built data set can be labelled anew.

    ``name`` is what the tables record, ``attributes`` (of gender, age_group, race) what it speaks of, and
    ``weights_sha256`` the hex hash of the file it learned by.
    """

    @property
    def name(self) -> str: ...
    @property
    def attributes(self) -> tuple[str, ...]: ...
    @property
    def weights_sha256(self) -> str: ...

    def label(self, crop: Pixels, landmarks: FloatArray) -> tuple[LabelScores, ...]:
        """One entry an attribute, ``predicted``, its value the most probable class however improbable.

        ``crop`` is (S, S, 3) uint8 RGB, FFHQ-aligned; ``landmarks`` (68, 2) iBUG in its pixel-index coordinates
        (:func:`drfhq_tools.geometry.points_in_crop`).
        """
        ...


def predicted(labeler: Labeler, attribute: str, probabilities: Mapping[str, float]) -> LabelScores:
    """The entry of one attribute from a probability in [0, 1] for each class of its vocabulary, whatever the order."""
    classes = VOCABULARY[attribute]
    rounded = tuple(round(float(probabilities[name]), PROBABILITY_DECIMALS) for name in classes)
    return LabelScores(
        attribute=attribute,
        value=classes[int(np.argmax(rounded))],
        status="predicted",
        labeler=labeler.name,
        classes=classes,
        probabilities=rounded,
        weights_sha256=labeler.weights_sha256,
    )


def softmax(logits: npt.NDArray[np.float32]) -> FloatArray:
    """(N,) → (N,) that sum to 1, in float64."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    return np.asarray(powers / powers.sum())
