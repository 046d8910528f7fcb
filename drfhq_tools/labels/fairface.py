"""Perceived race, gender and age group by FairFace's network (Kärkkäinen and Joo 2021): 224 px, 21 million parameters.

A ResNet-34 of 18 outputs: seven of race, two of gender (male first), nine of age group. Its authors cut dlib's face
chip with padding 0.25 at 300 px and resize it to 224; here it is sampled at 224 at once. Their weights lie on a shared
drive, so the user brings them.

Their other model, of four races, has as many outputs, of which only four are trained, in words (White, Black, Asian,
Indian) that have no one counterpart in the seven. It can be told by its file's name alone, and is refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from drfhq_tools.errors import ModelFileError
from drfhq_tools.geometry import FloatArray
from drfhq_tools.labels.base import predicted, softmax
from drfhq_tools.labels.chips import dlib_chip
from drfhq_tools.models import ModelFile
from drfhq_tools.records import LabelScores, Pixels
from drfhq_tools.records.labels import AGE_GROUPS, RACES

CHIP_PX: Final = 224
PADDING: Final = 0.25
MEAN_RGB: Final = (0.485, 0.456, 0.406)
DEVIATION_RGB: Final = (0.229, 0.224, 0.225)
OUTPUTS: Final = (("race", RACES), ("gender", ("male", "female")), ("age_group", AGE_GROUPS))
"""Attributes and classes in the network's order."""
_FOUR_RACES: Final = "_align_4_"
_ADVICE: Final = "the file meant is res34_fair_align_multi_7_20190809.pt, see github.com/dchen236/FairFace"


class FairFace:
    """The :class:`~drfhq_tools.labels.base.Labeler` of this network."""

    name: str = "fairface"
    attributes: tuple[str, ...] = ("race", "gender", "age_group")

    def __init__(self, weights: ModelFile) -> None:
        """Raises ModelFileError where the file cannot be read, holds more than tensors, or another network."""
        from drfhq_tools.labels.resnet34 import read_resnet34  # noqa: PLC0415  PyTorch takes seconds to import

        if _FOUR_RACES in weights.path.name:
            raise ModelFileError(f"{weights.path} knows four races, none of them as the other labels do; {_ADVICE}")
        self.weights_sha256 = weights.sha256
        try:
            self._network = read_resnet34(weights.path, sum(len(classes) for _, classes in OUTPUTS))
        except ModelFileError as error:
            raise ModelFileError(f"{error}; {_ADVICE}") from error

    def label(self, crop: Pixels, landmarks: FloatArray) -> tuple[LabelScores, ...]:
        """See :class:`~drfhq_tools.labels.base.Labeler`."""
        from drfhq_tools.labels.resnet34 import run  # noqa: PLC0415

        chip = dlib_chip(crop, landmarks, CHIP_PX, PADDING)
        values = (chip.astype(np.float32) / 255 - np.array(MEAN_RGB)) / np.array(DEVIATION_RGB)
        logits = run(self._network, np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32))
        ends = np.cumsum([len(classes) for _, classes in OUTPUTS])
        return tuple(
            predicted(self, attribute, dict(zip(classes, softmax(part), strict=True)))
            for (attribute, classes), part in zip(OUTPUTS, np.split(logits, ends[:-1]), strict=True)
        )
