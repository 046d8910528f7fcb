"""How far a run's images are from its data, snapshot by snapshot: the figure the best one is chosen by.

Kernel distance on the features of dlib's recognition ResNet (:mod:`transfer.metrics.features`), of as many images as
asked for on either side, the same latents and pictures at every snapshot.
"""

from __future__ import annotations

import numpy as np
import torch

from transfer.data import Portraits
from transfer.device import images_at_once
from transfer.metrics.features import face_features
from transfer.metrics.kernel import kernel_distance
from transfer.networks.generator import Generator
from transfer.networks.identity import load_resnet
from transfer.randomness import Purpose, SampleRandom

AT_ONCE = 16
"""Images generated, and pictures looked at, at once, at most."""


class Meter:
    """Measures a generator against ``count`` pictures of ``portraits``, or all there are if fewer, mirrored at will."""

    def __init__(self, portraits: Portraits, count: int, seed: int, device: torch.device) -> None:
        self.count = count
        self.seed = seed
        self._resnet = load_resnet().to(device)
        rows = np.resize(np.random.default_rng(seed).permutation(portraits.usable), max(count, 2))
        flips = [bool(i // len(portraits.usable) % 2) for i in range(len(rows))]
        size = images_at_once(portraits.pixels.shape[1], AT_ONCE)
        parts = [slice(i, i + size) for i in range(0, len(rows), size)]
        pictures = (portraits.batch(rows[part].tolist(), flips[part]).to(device) for part in parts)
        self._wanted = np.concatenate([face_features(self._resnet, part) for part in pictures])

    @torch.no_grad()
    def distance(self, generator: Generator) -> float:
        """The kernel distance of generated images, constant noise, no truncation, from the pictures."""
        z = SampleRandom(self.seed).normal(Purpose.SNAPSHOT, range(max(self.count, 2)), generator.spec.z_dim)
        device = next(generator.parameters()).device
        parts = torch.split(z, images_at_once(generator.spec.resolution, AT_ONCE))
        made = [face_features(self._resnet, generator(part.to(device)).clamp(-1, 1)) for part in parts]
        return kernel_distance(np.concatenate(made), self._wanted)
