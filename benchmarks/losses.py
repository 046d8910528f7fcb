"""What each consistency term says of one person in other light and of strangers, how hard it pulls, what it costs.

    python benchmarks/losses.py DATA [--run RUN] [--size 64] [--vgg FILE]

Prints one JSON object. DATA is a data set with people who appear twice (``subject_id``), in other light, pose and
expression: ``same`` is a term's median over their pairs, ``strangers`` over each first picture and other people's
second ones, ``auc`` how often a pair of the same person costs less than one of strangers. ``relit`` is a picture
against itself under a side light. ``pull`` is the median norm of the gradient to a picture of the same pairs. With
``--run``, ``tuned`` and ``tuned_pull`` are value and pull between a run's source and tuned image of one latent, and
``seconds`` the CPU time of a batch of 8 for the term alone, forward and backward to the tuned images.

The distance term compares people with each other, in groups of four: its ``same`` are four people's first pictures
and their second ones, its ``strangers`` four people's and four others'.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drfhq_tools.manifest import open_manifest
from transfer.checkpoints import load_checkpoint
from transfer.checkpoints.vgg import load_vgg
from transfer.data import load_portraits
from transfer.losses.compose import Look, LossTerm, Stages, Step
from transfer.losses.functional import linear_light
from transfer.losses.terms import CONSISTENCY_TERMS
from transfer.networks.identity import load_resnet
from transfer.networks.vgg import Vgg16
from transfer.randomness import Purpose, SampleRandom
from transfer.run_folder import RunFolder

GROUP, SHIFTS, LATENTS, PULLS, SEED = 4, 3, 48, 16, 12345


@dataclass(frozen=True)
class Seen:
    """Pictures (N, 3, S, S) and what the networks say of them, without gradient."""

    images: Tensor
    embeddings: Tensor
    activations: list[Tensor]
    appearance: list[Tensor]


class Eyes:
    """The networks that terms ask."""

    def __init__(self, vgg: Vgg16 | None) -> None:
        self.look = load_resnet().look
        self.vgg = vgg

    @torch.no_grad()
    def see(self, images: Tensor) -> Seen:
        """Look at each picture once."""
        parts = [self.look(part) for part in torch.split(images, 8)]
        embeddings, activations = torch.cat([part[0] for part in parts]), joined([part[1] for part in parts])
        judged = joined([self.vgg(part) for part in torch.split(images, 8)]) if self.vgg else activations
        return Seen(images, embeddings, activations, judged)

    def step(self, fake: Tensor, source: Tensor) -> Step:
        """A step between two batches of pictures, looked at when asked."""
        return _step(fake, source, self.look, self.vgg)


def joined(parts: list[list[Tensor]]) -> list[Tensor]:
    """Stages of batches → stages of all."""
    return [torch.cat(stage) for stage in zip(*parts, strict=True)]


def _step(fake: Tensor, source: Tensor, look: Look, stages: Stages | None) -> Step:
    return Step(
        fake,
        index=0,
        real=lambda: source,
        generate=lambda _: fake,
        source=lambda _: source,
        look=look,
        stages=stages,
        group=len(fake),
    )


def remembered(fake: Seen, source: Seen, rows: list[int], others: list[int]) -> Step:
    """A step between pictures that were looked at before."""
    a, b = fake.images[rows], source.images[others]

    def look(images: Tensor) -> tuple[Tensor, list[Tensor]]:
        seen, which = (fake, rows) if images is a else (source, others)
        return seen.embeddings[which], [stage[which] for stage in seen.activations]

    def stages(images: Tensor) -> list[Tensor]:
        seen, which = (fake, rows) if images is a else (source, others)
        return [stage[which] for stage in seen.appearance]

    return _step(a, b, look, stages)


def values(term: LossTerm, fake: Seen, source: Seen, shift: int = 0) -> list[float]:
    """The term between each picture, or group of pictures, and the one ``shift`` places on."""
    count = GROUP if term.name == "distance" else 1
    rows = [list(range(start, start + count)) for start in range(0, len(fake.images) // count * count, count)]
    everyone = len(source.images)
    with torch.no_grad():
        return [float(term(remembered(fake, source, at, [(k + shift) % everyone for k in at]))) for at in rows]


def pulls(term: LossTerm, fake: Tensor, source: Tensor, eyes: Eyes) -> float:
    """Median norm of the term's gradient to a picture of a batch, times the batch."""
    found: list[float] = []
    for a, b in zip(torch.split(fake[:PULLS], GROUP), torch.split(source[:PULLS], GROUP), strict=True):
        part = a.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(term(eyes.step(part, b)), part)
        found += (gradient.flatten(1).norm(dim=1) * len(a)).tolist()
    return statistics.median(found)


def pairs(data: Path, size: int) -> tuple[Tensor, Tensor]:
    """First and second pictures of the people who appear twice, (P, 3, size, size) each."""
    manifest = open_manifest(data)
    people = defaultdict(list)
    for row, face in enumerate(manifest.faces):
        people[face.subject_id].append(row)
    twice = [rows[:2] for subject, rows in people.items() if subject and len(rows) > 1]
    twice = [twice[i] for i in np.random.default_rng(SEED).permutation(len(twice))]
    with tempfile.TemporaryDirectory() as scratch:
        portraits = load_portraits(manifest, size, Path(scratch) / "portraits.npy", "all")
        first, second = (portraits.batch([rows[k] for rows in twice], [False] * len(twice)).clone() for k in (0, 1))
    return first, second


def side_lit(images: Tensor) -> Tensor:
    """Under a light that falls from 1.2 at the right to 0.6 at the left."""
    light = (linear_light(images) * torch.linspace(0.6, 1.2, images.shape[-1])).clamp(0, 1)
    return (
        torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055) * 2 - 1
    )


def images(run: Path) -> tuple[Tensor, Tensor]:
    """Source and tuned images of the same latents."""
    folder = RunFolder(run)
    source, tuned = (load_checkpoint(path).generator for path in (folder.source, folder.g_ema))
    z = SampleRandom(SEED).normal(Purpose.SNAPSHOT, range(LATENTS), source.spec.z_dim)
    with torch.no_grad():
        return source(z), tuned(z)


def seconds(term: LossTerm, fake: Tensor, source: Tensor, eyes: Eyes) -> float:
    """CPU time of the term for a batch of 8, the least of three."""
    found = []
    for _ in range(3):
        part = fake[:8].clone().requires_grad_()
        began = time.process_time()
        torch.autograd.grad(term(eyes.step(part, source[:8])), part)
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    """Measure each term."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--vgg", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    eyes = Eyes(load_vgg(arguments.vgg) if arguments.vgg else None)
    pictures = pairs(arguments.data, arguments.size)
    first, second, relit = (eyes.see(part) for part in (*pictures, side_lit(pictures[0])))
    made = [eyes.see(part) for part in images(arguments.run)] if arguments.run else []
    table: dict[str, dict[str, float]] = {}
    for name, term in CONSISTENCY_TERMS.items():
        same = values(term, second, first)
        strangers = [value for k in range(SHIFTS) for value in values(term, second, first, (k + 1) * GROUP)]
        row = {
            "same": statistics.median(same),
            "strangers": statistics.median(strangers),
            "auc": float(np.mean([a < b for a in same for b in strangers])),
            "relit": statistics.median(values(term, relit, first)),
            "pull": pulls(term, second.images, first.images, eyes),
        }
        if made:
            source, tuned = made
            row["tuned"] = statistics.median(values(term, tuned, source))
            row["tuned_pull"] = pulls(term, tuned.images, source.images, eyes)
            row["seconds"] = seconds(term, tuned.images, source.images, eyes)
        table[name] = {key: float(f"{number:.3g}") for key, number in row.items()}
    print(json.dumps({"people": len(first.images), "size": arguments.size, "terms": table}, indent=2))


if __name__ == "__main__":
    main()
