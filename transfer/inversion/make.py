"""Inverters by name, for the generators of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import torch

from drfhq_tools.hashing import sha256_file
from transfer.checkpoints import load_encoder
from transfer.errors import ConfigError
from transfer.inversion.base import Inverter
from transfer.inversion.encoder import EncoderInverter
from transfer.inversion.optimise import REFINE_LR, OptimiseInverter, OptimiseSettings, RefineInverter
from transfer.inversion.pivotal import PivotalInverter, PivotalSettings
from transfer.inversion.wspace import WSpace
from transfer.networks.encoder import Encoder
from transfer.networks.identity import IdentityNet
from transfer.run_folder import RunFolder

INVERTERS: Final = ("auto", "encoder", "encoder+refine", "optimise", "pivotal")
OPTIMISE_STEPS, REFINE_STEPS, PIVOTAL_STEPS = 300, 40, 60
GENERATOR_HASH: Final = "generator_sha256"
"""Where an encoder's card says which file of the tuned generator it was trained with."""


def make_inverter(
    name: str,
    folder: RunFolder,
    identity: IdentityNet,
    *,
    steps: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Inverter:
    """The inverter called ``name`` for the tuned generator of the run, on the device of ``identity``.

    ``auto`` is encoder+refine where the run has an encoder of its present generator, else optimise. ``steps`` are those
    of optimise, of encoder+refine, or of pivotal on the weights; None for each one's own.

    Raises:
        ConfigError: no inverter of that name, or the encoder is of an earlier state of the generator.
        CheckpointError: the run has no encoder, and the name asks for one; or its file is damaged.
    """
    if name not in INVERTERS:
        raise ConfigError(f"no inverter named {name!r}; known: {', '.join(INVERTERS)}")
    if steps is not None and steps < 1:
        raise ConfigError(f"an inversion takes at least 1 step, not {steps}")
    settings = OptimiseSettings(seed=seed, dtype=dtype)
    if name in ("auto", "pivotal"):
        best = "encoder+refine" if _has_encoder(folder) else "optimise"
        if name == "auto":
            return make_inverter(best, folder, identity, steps=steps, seed=seed, dtype=dtype)
        tuning = PivotalSettings(steps=steps or PIVOTAL_STEPS, seed=seed, dtype=dtype)
        return PivotalInverter(make_inverter(best, folder, identity, seed=seed, dtype=dtype), tuning, identity)
    if name == "optimise":
        return OptimiseInverter(split_steps(settings, steps or OPTIMISE_STEPS), identity)
    found = _encoder(folder, next(identity.parameters()).device)
    first = EncoderInverter(found)
    if name == "encoder":
        return first
    settings = replace(settings, wplus_steps=steps or REFINE_STEPS, lr=REFINE_LR)
    return RefineInverter(first, settings, identity, WSpace(found.mean, found.basis))


def split_steps(settings: OptimiseSettings, steps: int) -> OptimiseSettings:
    """``steps`` in all, a third of them in W."""
    return replace(settings, w_steps=steps // 3, wplus_steps=steps - steps // 3)


def _encoder(folder: RunFolder, device: torch.device) -> Encoder:
    encoder, card = load_encoder(folder.encoder)
    if card.get(GENERATOR_HASH) != sha256_file(folder.g_ema):
        raise ConfigError(
            f"{folder.encoder} was trained with another state of {folder.g_ema.name}: train it again with "
            f"`transfer train-encoder {folder.root}`, or invert by optimise"
        )
    return encoder.to(device)


def _has_encoder(folder: RunFolder) -> bool:
    """Whether there is an encoder of the present generator."""
    if not folder.encoder.is_file():
        return False
    return load_encoder(folder.encoder)[1].get(GENERATOR_HASH) == sha256_file(folder.g_ema)
