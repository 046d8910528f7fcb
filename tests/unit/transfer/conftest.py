"""Tiny networks and pictures: small enough to train for a few steps in a test."""

import numpy as np
import pytest
import torch

from transfer.data import Portraits
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

TINY = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))


@pytest.fixture
def tiny_networks() -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    return Generator(TINY), Discriminator(TINY)


@pytest.fixture
def portraits() -> Portraits:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    return Portraits(pixels, "digest", "ibug68")
