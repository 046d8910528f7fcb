"""Features of faces for set distances: how the pictures of a set look, without asking who is in them.

The spatial means of dlib's recognition ResNet before each halving (32, 32, 64, 128 and 256 channels), from the fixed
crop of the aligned face. Inception's features, the usual choice, come with weights that neither ship with a package nor
were trained on faces. These activations are of order 1, as the polynomial kernel of :mod:`transfer.metrics.kernel`
wants them: two halves of one set lie within some 0.005 of 0, renders lie 0.19 from photo-like pictures.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transfer.networks.identity import IdentityNet

CHUNK: Final = 32


@torch.no_grad()
def face_features(resnet: IdentityNet, images: Tensor) -> npt.NDArray[np.float64]:
    """(N, 3, S, S) in [-1, 1] → (N, 512) float64. ``resnet`` as ``load_resnet`` gives it: another network's activations
    are of another size and make another, incomparable figure."""
    rows = [_means(resnet.stages(part)) for part in torch.split(images, CHUNK)]
    return np.asarray(torch.cat(rows).double().cpu().numpy())


def _means(stages: list[Tensor]) -> Tensor:
    return torch.cat([stage.mean(dim=(2, 3)) for stage in stages], dim=1)
