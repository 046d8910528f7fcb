"""Portraits through two generators, a few at a time, each few kept as soon as they are done.

EVAL/inverted/about.json      what decides them; another request is refused
EVAL/inverted/NNNNN.npz       of the portraits from N on: ws, rendered, real
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drfhq_tools.atomic import replacing, write_file
from transfer.data import to_pixels, to_tensor
from transfer.device import images_at_once
from transfer.errors import ConfigError
from transfer.evaluation.subjects import Subjects
from transfer.inversion import Inversion, Inverter
from transfer.inversion.pivotal import carried_images, each_alone
from transfer.networks.generator import Generator
from transfer.run_folder import differing

Pixels = npt.NDArray[np.uint8]
AT_ONCE = 8


@dataclass(frozen=True)
class Way:
    """What a portrait goes through: inverted in ``rendered``, decoded by ``real``. ``about`` says what decides it."""

    rendered: Generator
    real: Generator
    inverter: Inverter
    about: Mapping[str, object]

    def __post_init__(self) -> None:
        if self.rendered.spec != self.real.spec:
            raise ConfigError("the two generators differ in shape: they share no latent space")

    def decode(self, inversion: Inversion) -> Tensor:
        """(N, 3, R, R): the realistic images of the latents, weight changes carried over where there are any."""
        if inversion.offsets is None:
            images: Tensor = self.real.synthesis(inversion.ws)
            return images
        return carried_images(self.real, inversion.ws, each_alone(inversion.offsets, len(inversion.ws)))


@dataclass(frozen=True)
class Translated:
    """N portraits: ``rendered`` as the tuned generator re-creates them and ``real``, (N, R, R, 3) uint8 each."""

    rendered: Pixels
    real: Pixels


def translate(way: Way, portraits: Subjects, folder: Path, say: Callable[[str], None]) -> Translated:
    """Invert and decode every portrait; those in ``folder`` already are taken from there.

    Raises:
        ConfigError: the folder holds others' portraits.
    """
    _claim(folder / "about.json", dict(way.about) | {"portraits": portraits.digest, "faces": len(portraits)})
    size = images_at_once(way.rendered.spec.resolution, AT_ONCE)
    parts = []
    for start in range(0, len(portraits), size):
        path = folder / f"{start:05d}.npz"
        if not path.is_file():
            say(f"inverting portraits {start + 1} to {min(start + size, len(portraits))} of {len(portraits)}")
            _store(path, way, portraits.pixels[start : start + size])
        with np.load(path) as stored:
            parts.append((stored["rendered"], stored["real"]))
    rendered, real = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
    return Translated(rendered, real)


def _store(path: Path, way: Way, crops: Pixels) -> None:
    device = next(way.rendered.parameters()).device
    inversion = way.inverter(way.rendered, to_tensor(crops, device))
    with torch.no_grad():
        real = to_pixels(way.decode(inversion))
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, ws=inversion.ws.detach().float().cpu().numpy(), rendered=to_pixels(inversion.images), real=real)


def _claim(path: Path, about: Mapping[str, object]) -> None:
    now = json.loads(json.dumps(about))
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        if changed := differing(before, now):
            raise ConfigError(
                f"{path.parent} holds portraits inverted with another {', '.join(changed)}: give another --out, or"
                " remove it"
            )
    write_file(path, (json.dumps(now, indent=1) + "\n").encode())
