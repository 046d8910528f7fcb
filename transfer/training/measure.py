"""How far a run's images are from its data, snapshot by snapshot: the figure the best one is chosen by.

Kernel distance on the features of dlib's recognition ResNet (:mod:`transfer.metrics.features`), of as many images as
asked for on either side, the same latents and pictures at every snapshot.
"""

from __future__ import annotations

import numpy as np
import torch

from transfer.data import Portraits
from transfer.metrics.features import face_features
from transfer.metrics.kernel import kernel_distance
from transfer.networks.generator import Generator
from transfer.networks.identity import load_resnet
from transfer.randomness import Purpose, SampleRandom

CHUNK = 16


class Meter:
    """Measures a generator against ``count`` pictures of ``portraits``, or all there are if fewer, mirrored at will."""

    def __init__(self, portraits: Portraits, count: int, seed: int, device: torch.device) -> None:
        self.count = count
        self.seed = seed
        self._resnet = load_resnet().to(device)
        rows = np.resize(np.random.default_rng(seed).permutation(portraits.usable), max(count, 2))
        flips = [bool(i // len(portraits.usable) % 2) for i in range(len(rows))]
        parts = [slice(i, i + CHUNK) for i in range(0, len(rows), CHUNK)]
        pictures = (portraits.batch(rows[part].tolist(), flips[part]).to(device) for part in parts)
        self._wanted = np.concatenate([face_features(self._resnet, part) for part in pictures])

    @torch.no_grad()
    def distance(self, generator: Generator) -> float:
        """The kernel distance of generated images, constant noise, no truncation, from the pictures."""
        z = SampleRandom(self.seed).normal(Purpose.SNAPSHOT, range(max(self.count, 2)), generator.spec.z_dim)
        device = next(generator.parameters()).device
        made = [face_features(self._resnet, generator(part.to(device)).clamp(-1, 1)) for part in torch.split(z, CHUNK)]
        return kernel_distance(np.concatenate(made), self._wanted)
