"""Two generators of one ancestor made into one, resolution by resolution.

Source: Pinkney & Adler 2020, "Resolution Dependent GAN Interpolation for Controllable Image Synthesis Between Domains".
Generators fine-tuned from one another keep their layers' meaning, so weights may be taken from either or from between:
coarse layers decide pose and shape, fine ones texture and light. Their portraits take the coarse layers of the tuned
generator, for a cartoon's shape in a photo's skin; to keep who somebody is, take the coarse ones of the source.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch

from transfer.errors import ConfigError
from transfer.networks.generator import Generator


def swapped(tuned: Generator, source: Generator, from_side: int) -> Generator:
    """A new generator: layers of resolutions below ``from_side`` are the source's, from it on the tuned one's.

    The mapping network is the source's, so its latents keep their meaning. The arguments exchanged swap the other way.

    Raises:
        ConfigError: the generators differ in shape, or have no such resolution.
    """
    if from_side not in tuned.spec.resolutions:
        raise ConfigError(f"no layers of {from_side}² to swap from; there are {_listed(tuned.spec.resolutions)}")
    return interpolated(source, tuned, {side: float(side >= from_side) for side in source.spec.resolutions})


def interpolated(a: Generator, b: Generator, share: Mapping[int, float]) -> Generator:
    """A new generator: at each resolution (1 − share) · a + share · b; its mapping network is a's.

    Args:
        a: What is taken where ``share`` is 0 or names no resolution.
        b: What is taken where it is 1.
        share: By the side of the feature maps, 4, 8, …; the learnt constant belongs to 4.

    Raises:
        ConfigError: the generators differ in shape, or ``share`` names a resolution they lack.
    """
    if a.spec != b.spec:
        raise ConfigError("generators of different shape have no layers in common: both must come from one ancestor")
    if unknown := sorted(set(share) - set(a.spec.resolutions)):
        raise ConfigError(f"no layers of {_listed(unknown)}; there are {_listed(a.spec.resolutions)}")
    made = copy.deepcopy(a)
    other = b.synthesis.state_dict()
    with torch.no_grad():
        for name, value in made.synthesis.state_dict().items():
            part = share.get(_side(name), 0.0)
            value.copy_(other[name] if part == 1 else torch.lerp(value, other[name].to(value), part))
    return made


def _side(name: str) -> int:
    """Of the feature maps that a synthesis network's tensor works on."""
    return 4 << int(name.split(".")[1]) if name.startswith("blocks.") else 4


def _listed(sides: object) -> str:
    assert isinstance(sides, (list, tuple))
    return ", ".join(f"{side}²" for side in sides)
