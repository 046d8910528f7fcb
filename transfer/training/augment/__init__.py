"""Differentiable augmentation of what the discriminator sees, real and generated alike.

``augment`` is of always the same strength (DiffAugment); ``ada`` changes each sample with a probability that
``adapted`` raises while the discriminator is too sure of the real images (ADA). Both are functions of images
(N, 3, R, R) in [-1, 1] and of ``NUMBERS`` uniform numbers a sample, so that a sample's augmentation follows from its
index.
"""

from transfer.training.augment.adaptive import GROUPS, NUMBERS, ada, adapted
from transfer.training.augment.diffaugment import augment, colour, cutout, translation

__all__ = ["GROUPS", "NUMBERS", "ada", "adapted", "augment", "colour", "cutout", "translation"]
