"""rosinality's layout, in which pSp, e4e, StyleCLIP, StyleGAN-NADA, JoJoGAN and others keep StyleGAN2.

A file of ``torch.save``: g_ema (and g, d, optimisers), sometimes latent_avg, the centre of truncation, and the
training's arguments. Names follow the code of rosinality/stylegan2-pytorch. That code has fixed what we store with the
networks: mapping at a hundredth of the learning rate, no clamp, groups of four in the minibatch statistic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from transfer.checkpoints.layout import FIR, Layout, Slot, Source, read_network, shape_of, write_network
from transfer.checkpoints.torch_files import StoredTensor
from transfer.errors import CheckpointError, ConfigError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.mapping import MappingNetwork
from transfer.networks.spec import GeneratorSpec

MAPPING_LR: Final = 0.01
GROUP: Final = 4
MAX_LEVELS: Final = 8
"""RGB layers after the first; those of 1024² are eight."""
UP: Final = FIR * 4
"""Their upsampling filters carry the gain for the inserted zeros."""
AVERAGED: Final = 10_000
"""Latents averaged where a file lacks the centre of truncation."""


def is_rosinality(found: object) -> bool:
    """Whether this is a file of rosinality's."""
    if not isinstance(found, dict):
        return False
    state = found.get("g_ema", found.get("g"))
    return isinstance(state, dict) and "input.input" in state


def read_generator(found: Mapping[str, object], network: str) -> tuple[Generator, list[str]]:
    """The generator called ``network`` (g_ema or g), and what is to be said about it.

    Raises:
        CheckpointError: it is not there, or of another architecture.
    """
    tensors, notes = _tensors(found, network), []
    spec = _spec(tensors)
    latent_avg = found.get("latent_avg")
    known = isinstance(latent_avg, StoredTensor) and latent_avg.shape == (spec.w_dim,)
    tensors["latent_avg"] = latent_avg if isinstance(latent_avg, StoredTensor) and known else torch.zeros(spec.w_dim)
    layout = generator_layout(spec)
    noises = [slot.theirs for slot in layout.slots if slot.theirs.startswith("noises.")]
    if not any(name in tensors for name in noises):
        tensors |= _noises(spec, noises)
        notes.append("the file holds no constant noise: it was drawn anew (numpy's RandomState, seed 0)")
    generator = read_network(Generator, spec, layout, tensors)
    if not known:
        generator.mapping.w_avg.copy_(mean_latent(generator.mapping, spec))
        notes.append(f"the file holds no latent_avg: it is the mean of {AVERAGED} latents (RandomState, seed 0)")
    return generator, notes


def read_discriminator(found: Mapping[str, object], spec: GeneratorSpec) -> Discriminator:
    """The discriminator of a file that has one.

    Raises:
        CheckpointError: it is of another architecture or of other widths than the generator.
    """
    return read_network(Discriminator, spec, discriminator_layout(spec), _tensors(found, "d"))


def write_state(generator: Generator, discriminator: Discriminator | None) -> dict[str, object]:
    """The dict to save.

    Raises:
        CheckpointError: their code has no place for something of these networks.
    """
    spec = generator.spec
    reasons = {
        "they are conditional": spec.c_dim > 0,
        "z and w differ in width": spec.z_dim != spec.w_dim,
        f"the mapping's learning rate is not {MAPPING_LR}": spec.mapping_lr != MAPPING_LR,
    }
    if wrong := [words for words, is_so in reasons.items() if is_so]:
        raise CheckpointError(f"rosinality's layout cannot hold these networks: {', '.join(wrong)}")
    state = write_network(generator, generator_layout(spec))
    found: dict[str, object] = {"latent_avg": state.pop("latent_avg"), "g_ema": state}
    if discriminator is not None:
        found["d"] = write_network(discriminator, discriminator_layout(spec))
    return found


def departures(spec: GeneratorSpec, *, with_discriminator: bool) -> list[str]:
    """What a reader of the written file should know: where their code computes or builds otherwise than the spec."""
    notes = []
    if spec.conv_clamp is not None:
        notes.append(f"their code does not clamp: values beyond ±{spec.conv_clamp:g} after a layer will differ")
    if with_discriminator and spec.mbstd_group != GROUP:
        notes.append(f"their minibatch statistic has groups of {GROUP}, these networks {spec.mbstd_group}")
    if not any(spec.channels == _their_channels(spec, multiplier) for multiplier in (1, 2)):
        widths = ", ".join(f"{side}: {width}" for side, width in zip(spec.resolutions, spec.channels, strict=True))
        notes.append(f"their Generator has other widths: set its self.channels to {{{widths}}}")
    return notes


def mean_latent(mapping: MappingNetwork, spec: GeneratorSpec) -> Tensor:
    """(w_dim,) mean of w over latents of a fixed seed."""
    random = np.random.RandomState(0)
    with torch.no_grad():
        pieces = [mapping(torch.from_numpy(random.randn(1000, spec.z_dim)).float()) for _ in range(AVERAGED // 1000)]
    return torch.cat(pieces).mean(dim=0)


def generator_layout(spec: GeneratorSpec) -> Layout:
    """rosinality's names of a generator's tensors; ``latent_avg`` lies beside them in the file."""
    slots = [Slot("mapping.w_avg", "latent_avg"), Slot("synthesis.const", "input.input", lead=1)]
    for i in range(spec.mapping_layers):
        slots += [Slot(f"mapping.layers.{i}.{part}", f"style.{i + 1}.{part}") for part in ("weight", "bias")]
    slots += _styled("synthesis.blocks.0.conv", "conv1", 0) + _rgb("synthesis.blocks.0.to_rgb", "to_rgb1")
    filters: dict[str, Tensor] = {}
    for i in range(len(spec.resolutions) - 1):
        ours, first = f"synthesis.blocks.{i + 1}", 2 * i
        slots += _styled(f"{ours}.conv_up", f"convs.{first}", first + 1)
        slots += _styled(f"{ours}.conv", f"convs.{first + 1}", first + 2)
        slots += _rgb(f"{ours}.to_rgb", f"to_rgbs.{i}")
        filters |= {f"convs.{first}.conv.blur.kernel": UP, f"to_rgbs.{i}.upsample.kernel": UP}
    return Layout(tuple(slots), filters)


def discriminator_layout(spec: GeneratorSpec) -> Layout:
    """rosinality's names of a discriminator's tensors."""
    names = [("from_rgb.weight", "convs.0.0.weight"), ("from_rgb.bias", "convs.0.1.bias")]
    filters: dict[str, Tensor] = {}
    for i in range(len(spec.resolutions) - 1):
        ours, theirs = f"blocks.{i}", f"convs.{i + 1}"
        names += [(f"{ours}.conv.weight", f"{theirs}.conv1.0.weight"), (f"{ours}.conv.bias", f"{theirs}.conv1.1.bias")]
        names += [(f"{ours}.conv_down.weight", f"{theirs}.conv2.1.weight")]
        names += [
            (f"{ours}.conv_down.bias", f"{theirs}.conv2.2.bias"),
            (f"{ours}.skip.weight", f"{theirs}.skip.1.weight"),
        ]
        filters |= {f"{theirs}.{part}.0.kernel": FIR for part in ("conv2", "skip")}
    names += [("conv.weight", "final_conv.0.weight"), ("conv.bias", "final_conv.1.bias")]
    for i, name in enumerate(("fc", "out")):
        names += [(f"{name}.{part}", f"final_linear.{i}.{part}") for part in ("weight", "bias")]
    return Layout(tuple(Slot(ours, theirs) for ours, theirs in names), filters)


def _styled(ours: str, theirs: str, noise: int) -> list[Slot]:
    return [
        Slot(f"{ours}.weight", f"{theirs}.conv.weight", lead=1),
        Slot(f"{ours}.bias", f"{theirs}.activate.bias"),
        Slot(f"{ours}.noise_strength", f"{theirs}.noise.weight", lead=1),
        Slot(f"{ours}.noise_const", f"noises.noise_{noise}", lead=2),
        *_modulation(ours, theirs),
    ]


def _rgb(ours: str, theirs: str) -> list[Slot]:
    return [
        Slot(f"{ours}.weight", f"{theirs}.conv.weight", lead=1),
        Slot(f"{ours}.bias", f"{theirs}.bias", lead=1, trail=2),
        *_modulation(ours, theirs),
    ]


def _modulation(ours: str, theirs: str) -> list[Slot]:
    return [Slot(f"{ours}.affine.{part}", f"{theirs}.conv.modulation.{part}") for part in ("weight", "bias")]


def _tensors(found: Mapping[str, object], network: str) -> dict[str, Source]:
    state = found.get(network)
    if not isinstance(state, dict):
        raise CheckpointError(f"holds no {network}")
    tensors: dict[str, Source] = {str(name): value for name, value in state.items() if isinstance(value, StoredTensor)}
    if len(tensors) != len(state):
        raise CheckpointError(f"its {network} holds more than tensors")
    return tensors


def _spec(tensors: Mapping[str, Source]) -> GeneratorSpec:
    levels = sum(1 for name in tensors if re.fullmatch(r"to_rgbs\.\d+\.conv\.weight", name))
    if levels > MAX_LEVELS:
        raise CheckpointError("a generator of more levels than 1024² takes")
    if shape_of(tensors, "input.input")[2:] != (4, 4):
        raise CheckpointError("a generator of pictures that are not square, which this tool has not")
    convs = ["conv1.conv.weight", *(f"convs.{2 * i + 1}.conv.weight" for i in range(levels))]
    layers = sum(1 for name in tensors if re.fullmatch(r"style\.\d+\.weight", name))
    try:
        return GeneratorSpec(
            resolution=4 << levels,
            z_dim=shape_of(tensors, "style.1.weight")[-1],
            w_dim=shape_of(tensors, "conv1.conv.modulation.weight")[-1],
            mapping_layers=layers,
            mapping_lr=MAPPING_LR,
            channels=tuple(shape_of(tensors, name)[1] for name in convs),
            mbstd_group=GROUP,
        )
    except (ConfigError, IndexError) as error:
        raise CheckpointError(f"shapes of which no StyleGAN2 can be made ({error})") from error


def _noises(spec: GeneratorSpec, names: list[str]) -> dict[str, Source]:
    random = np.random.RandomState(0)
    sides = [4, *(side for side in spec.resolutions[1:] for _ in range(2))]
    return {
        name: torch.from_numpy(random.randn(1, 1, side, side)).float() for name, side in zip(names, sides, strict=True)
    }


def _their_channels(spec: GeneratorSpec, multiplier: int) -> tuple[int, ...]:
    return tuple(512 if side <= 32 else 256 * 64 // side * multiplier for side in spec.resolutions)
