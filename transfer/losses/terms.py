"""The consistency terms between tuned and source image of one latent, by name.

To add one: write its function of a :class:`Step` and one line in ``CONSISTENCY_TERMS``; ``--term NAME=WEIGHT`` and
recipes then know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import Final

from torch import Tensor

from transfer.errors import ConfigError
from transfer.losses import features, functional
from transfer.losses.compose import LossTerm, Step
from transfer.networks.identity import RESNET_STRANGERS


def identity(step: Step) -> Tensor:
    """Is it still the same person? Squared embedding distance, 1 between strangers."""
    fake, source = step.embeddings
    return functional.identity_loss(fake, source, RESNET_STRANGERS)


def geometry(step: Step) -> Tensor:
    """Are the features still where they were? 1 − correlation of normalised gradients inside the face."""
    return functional.geometry_loss(step.fake, step.source_fake)


def colour(step: Step) -> Tensor:
    """Are skin, lips, hair and eyes still of their colour, whatever the light?"""
    return functional.colour_loss(step.fake, step.source_fake)


def structure(step: Step) -> Tensor:
    """Do the same places still look alike? 1 − correlation of self-similarities inside the face."""
    return features.structure_loss(*step.activations)


def perceptual(step: Step) -> Tensor:
    """Does it still look the same? Squared difference of normalised activations."""
    return features.perceptual_loss(*step.appearance)


def distance(step: Step) -> Tensor:
    """Does everybody still resemble the same others? Divergence of likenesses within a group of samples."""
    return features.distance_loss(*step.embeddings, RESNET_STRANGERS, step.group)


CONSISTENCY_TERMS: Final[dict[str, LossTerm]] = {
    term.name: term
    for term in (
        LossTerm("identity", 1.0, identity, looks=True),
        LossTerm("geometry", 2.0, geometry),
        LossTerm("colour", 0.3, colour),
        LossTerm("structure", 0.0, structure, looks=True),
        LossTerm("perceptual", 0.0, perceptual, looks=True),
        LossTerm("distance", 0.0, distance, looks=True),
    )
}
"""Each term with its weight in the recipe ``drfhq``; those of weight 0 are off in it.

The weights lie between making the values and making the pulls alike: unweighted, one person rendered twice in other
light and pose costs 0.11 identity, 0.28 geometry, 0.28 colour, two people 0.85, 0.61, 1.05 (medians, 42 people, 64 x
64), and the gradient to a picture has norm 0.55, 0.085 and 0.86, the adversarial one 0.35. ``benchmarks/losses.py``
measures all of them, ``docs/losses.md`` has the table.
"""


def consistency_terms(weights: Mapping[str, float], every: Mapping[str, int] = MappingProxyType({})) -> list[LossTerm]:
    """The terms that ``weights`` names, but for those of weight 0; ``every`` makes some of them lazy.

    Raises:
        ConfigError: no such term, a negative weight, or a period below 1.
    """
    unknown = sorted((set(weights) | set(every)) - set(CONSISTENCY_TERMS))
    if unknown:
        raise ConfigError(f"no loss term named {', '.join(unknown)}; known: {', '.join(CONSISTENCY_TERMS)}")
    if any(not 0 <= weight < inf for weight in weights.values()):
        raise ConfigError(
            "a loss weight below 0 would reward the opposite; use 0 to switch a term off, or a finite number above"
        )
    if any(period < 1 for period in every.values()):
        raise ConfigError("a term's period counts steps, 1 or more")
    return [
        replace(term, weight=weights[name], every=every.get(name, term.every))
        for name, term in CONSISTENCY_TERMS.items()
        if weights.get(name)
    ]
