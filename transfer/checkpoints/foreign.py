"""Checkpoints of other tools: read whichever layout a file has, written in the one that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import torch

from drfhq_tools.atomic import replacing
from drfhq_tools.hashing import sha256_file
from transfer.checkpoints import nvlabs, rosinality
from transfer.checkpoints.native import Checkpoint, is_safetensors, load_checkpoint, save_checkpoint
from transfer.checkpoints.public import known_by_sha256
from transfer.checkpoints.torch_files import read_torch_file
from transfer.errors import CheckpointError, ConfigError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator

LayoutName = Literal["safetensors", "nvlabs", "nvlabs-state", "rosinality"]
Which = Literal["g_ema", "g"]
WRITTEN: Final[tuple[LayoutName, ...]] = ("safetensors", "rosinality", "nvlabs-state")
CARD_KEY: Final = "drfhq_card"
"""Where our files in other layouts keep the card; their readers pass over it."""
MAX_CARD_CHARACTERS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint of any layout, and what is to be said about how it was read."""

    checkpoint: Checkpoint
    layout: LayoutName
    notes: list[str] = field(default_factory=list)


def open_checkpoint(path: Path, network: Which = "g_ema", *, discriminator: bool = True) -> Opened:
    """Networks of a file of ours, of NVIDIA's PyTorch repositories or of rosinality's, by its content.

    ``network`` chooses the averaged generator or the trained one where a file has both; without ``discriminator`` that
    is left out. The card of a foreign file says where it comes from and which bytes it was.

    Raises:
        CheckpointError: it is none of these, damaged, malicious, or of an architecture this tool has not.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    if is_safetensors(path):
        loaded = load_checkpoint(path)
        return Opened(
            Checkpoint(loaded.generator, loaded.discriminator if discriminator else None, loaded.card), "safetensors"
        )
    try:
        found = read_torch_file(path)
        layout, networks, notes = _networks(found, network, discriminator)
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    generator, judge = networks
    card = _card_within(found) | _source(path, layout, network) | ({"notes": notes} if notes else {})
    return Opened(Checkpoint(generator.eval(), judge, card), layout, notes)


def write_checkpoint(path: Path, checkpoint: Checkpoint, layout: LayoutName) -> list[str]:
    """Write atomically in the layout that is asked for; what a reader of it should know.

    Raises:
        CheckpointError: the layout cannot hold these networks, or is one we don't write.
    """
    generator, discriminator = checkpoint.generator, checkpoint.discriminator
    notes: list[str] = []
    if layout == "safetensors":
        save_checkpoint(path, checkpoint)
    elif layout == "rosinality":
        notes = rosinality.departures(generator.spec, with_discriminator=discriminator is not None)
        _save(path, rosinality.write_state(generator, discriminator), checkpoint.card)
    elif layout == "nvlabs-state":
        _save(path, nvlabs.write_state(generator, discriminator), checkpoint.card)
    else:
        raise CheckpointError(f"this tool does not write {layout}; it writes {', '.join(WRITTEN)}")
    return notes


def _save(path: Path, state: Mapping[str, object], card: Mapping[str, object]) -> None:
    with replacing(path) as temporary:
        torch.save({**state, CARD_KEY: json.dumps(card, sort_keys=True)}, temporary)


def _networks(
    found: object, network: Which, with_discriminator: bool
) -> tuple[LayoutName, tuple[Generator, Discriminator | None], list[str]]:
    if not isinstance(found, dict):
        raise CheckpointError("no file of StyleGAN2 networks")
    if rosinality.is_rosinality(found):
        generator, notes = rosinality.read_generator(found, network)
        spec = generator.spec
        judge = (
            _judge(lambda: rosinality.read_discriminator(found, spec)) if with_discriminator and "d" in found else None
        )
        return "rosinality", (generator, judge), notes
    if nvlabs.is_nvlabs(found):
        return "nvlabs", _nvlabs_networks(found, network, with_discriminator), []
    if nvlabs.is_nvlabs_state(found):
        return "nvlabs-state", _nvlabs_networks(found, network, with_discriminator), []
    raise CheckpointError(
        "no file of StyleGAN2 networks: known are NVIDIA's (G_ema, D) and rosinality's (g_ema, d) of PyTorch"
    )


def _nvlabs_networks(
    found: Mapping[object, object], network: Which, with_discriminator: bool
) -> tuple[Generator, Discriminator | None]:
    kwargs = found.get("init_kwargs")
    kwargs = kwargs if isinstance(kwargs, dict) else {}
    name = {"g_ema": "G_ema", "g": "G"}[network]
    if found.get(name) is None:
        raise CheckpointError(f"holds no {name}")
    parts = nvlabs.parts_of(found[name], kwargs.get("G_ema"))
    spec = nvlabs.generator_spec(parts)
    if not with_discriminator or found.get("D") is None:
        return nvlabs.read_generator(parts, spec), None
    judge = _judge(lambda: nvlabs.read_discriminator(nvlabs.parts_of(found["D"], kwargs.get("D")), spec))
    return nvlabs.read_generator(parts, judge.spec), judge


def _judge(read: Callable[[], Discriminator]) -> Discriminator:
    try:
        return read()
    except (CheckpointError, ConfigError) as error:
        raise CheckpointError(
            f"its discriminator cannot be taken: {error}; --no-discriminator takes the generator alone"
        ) from error


def _source(path: Path, layout: LayoutName, network: Which) -> dict[str, object]:
    """Where the networks come from, with origin and licence where the file is a public one."""
    digest = sha256_file(path)
    source = {"source": {"file": path.name, "sha256": digest, "layout": layout, "network": network}}
    entry = known_by_sha256(digest)
    return source | ({"origin": entry.purpose, "license": entry.license} if entry else {})


def _card_within(found: object) -> dict[str, object]:
    """What a file that we wrote keeps of its card."""
    words = found.get(CARD_KEY) if isinstance(found, dict) else None
    if not isinstance(words, str) or len(words) > MAX_CARD_CHARACTERS:
        return {}
    try:
        card = json.loads(words)
    except (ValueError, RecursionError):
        return {}
    kept = card if isinstance(card, dict) else {}
    return {name: kept[name] for name in ("origin", "license", "data_digest") if isinstance(kept.get(name), str)}
