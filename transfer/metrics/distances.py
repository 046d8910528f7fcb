"""How far a generator's images are from a data set's pictures, by the features of any network.

Images are made as a trainer makes them: no truncation, fresh noise, both a function of the seed; and rounded to 8 bits
as the pictures are. Every figure comes with the counts it rests on. The Fréchet distance grows as the count falls
(with some thousand images it is mostly that); with fewer images than features it rests on a covariance that cannot be
known. The kernel distance has no such bias.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transfer.data import Portraits, to_pixels, to_tensor
from transfer.device import images_at_once
from transfer.errors import ConfigError
from transfer.metrics.features import face_features
from transfer.metrics.kernel import frechet_distance, kernel_distance
from transfer.networks.generator import Generator
from transfer.networks.identity import load_resnet
from transfer.randomness import Purpose, SampleRandom


class FeatureNetwork(Protocol):
    """Sees images as numbers; ``name`` says which network, with which weights, for whoever compares figures."""

    name: str

    def features(self, images: Tensor) -> npt.NDArray[np.float64]:
        """(N, 3, S, S) in [-1, 1] on the network's device → (N, D) float64."""


class FaceFeatures:
    """dlib's recognition ResNet: how faces look, without asking whose (:mod:`transfer.metrics.features`)."""

    def __init__(self, device: torch.device) -> None:
        self.name = "dlib-resnet-stages"
        self._resnet = load_resnet().to(device)

    def features(self, images: Tensor) -> npt.NDArray[np.float64]:
        """(N, 3, S, S) in [-1, 1] → (N, 512) float64."""
        return face_features(self._resnet, images)


@dataclass(frozen=True, kw_only=True)
class Distances:
    """``generated`` images against ``real`` pictures, by the features of ``network``."""

    network: str
    generated: int
    real: int
    kernel: float
    frechet: float


def distances(
    generator: Generator, portraits: Portraits, network: FeatureNetwork, count: int, seed: int = 0
) -> Distances:
    """Of ``count`` generated images from all pictures there are.

    Raises:
        ConfigError: fewer than two of either, or the generator is conditional.
    """
    if min(count, len(portraits.usable)) < 2:
        raise ConfigError(f"{count} images against {len(portraits.usable)} pictures: a distance needs two of each")
    if generator.spec.c_dim:
        raise ConfigError("the generator is conditional, and distances are of unconditional ones")
    made = np.concatenate([network.features(images) for images in _generated(generator, count, seed)])
    device = next(generator.parameters()).device
    seen = np.concatenate([network.features(images) for images in _pictures(portraits, device)])
    return Distances(
        network=network.name,
        generated=len(made),
        real=len(seen),
        kernel=kernel_distance(made, seen),
        frechet=frechet_distance(made, seen),
    )


@torch.no_grad()
def _generated(generator: Generator, count: int, seed: int) -> Iterator[Tensor]:
    random, device = SampleRandom(seed), next(generator.parameters()).device
    sides = [conv.noise_const.shape[-1] for conv in generator.synthesis.styled_convs()]
    size = images_at_once(generator.spec.resolution)
    for first in range(0, count, size):
        indices = range(first, min(first + size, count))
        z = random.normal(Purpose.LATENT, indices, generator.spec.z_dim).to(device)
        noise = [maps.to(device) for maps in random.noise(Purpose.NOISE, indices, sides)]
        images = generator.synthesis(generator.ws(z), noise)
        yield to_tensor(to_pixels(images), device)


def _pictures(portraits: Portraits, device: torch.device) -> Iterator[Tensor]:
    size = images_at_once(portraits.pixels.shape[1])
    for rows in np.split(portraits.usable, range(size, len(portraits.usable), size)):
        yield portraits.batch(rows.tolist(), [False] * len(rows), device)
