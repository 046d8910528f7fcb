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
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drfhq_tools.manifest import open_manifest
from transfer.checkpoints import load_checkpoint
from transfer.checkpoints.vgg import load_vgg
from transfer.data import load_portraits
from transfer.losses.compose import LossTerm, Step
from transfer.losses.functional import linear_light
from transfer.losses.terms import CONSISTENCY_TERMS
from transfer.networks.identity import load_resnet
from transfer.networks.vgg import Vgg16
from transfer.randomness import Purpose, SampleRandom
from transfer.run_folder import RunFolder

GROUP, SHIFTS, LATENTS, SEED = 4, 5, 48, 12345
LOOK = load_resnet().look


def step(fake: Tensor, source: Tensor, vgg: Vgg16 | None) -> Step:
    """A step between two batches of pictures."""
    return Step(
        fake,
        index=0,
        real=lambda: source,
        generate=lambda _: fake,
        source=lambda _: source,
        look=LOOK,
        stages=vgg,
        group=len(fake),
    )


def measured(term: LossTerm, fake: Tensor, source: Tensor, vgg: Vgg16 | None) -> tuple[list[float], list[float]]:
    """The term's values, and norms of its gradient to a picture, of (M, 3, S, S) pairs."""
    count = GROUP if term.name == "distance" else 1
    values, pulls = [], []
    for start in range(0, len(fake) // count * count, count):
        part = fake[start : start + count].clone().requires_grad_()
        value = term(step(part, source[start : start + count], vgg))
        (gradient,) = torch.autograd.grad(value, part)
        values.append(float(value.detach()))
        pulls += (gradient.flatten(1).norm(dim=1) * count).tolist()
    return values, pulls


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


def seconds(term: LossTerm, fake: Tensor, source: Tensor, vgg: Vgg16 | None) -> float:
    """CPU time of the term for a batch of 8, the least of three."""
    found = []
    for _ in range(3):
        part = fake[:8].clone().requires_grad_()
        began = time.process_time()
        torch.autograd.grad(term(step(part, source[:8], vgg)), part)
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
    vgg = load_vgg(arguments.vgg) if arguments.vgg else None
    first, second = pairs(arguments.data, arguments.size)
    made = images(arguments.run) if arguments.run else None
    table: dict[str, dict[str, float]] = {}
    for name, term in CONSISTENCY_TERMS.items():
        same, pull = measured(term, second, first, vgg)
        strangers = [
            value for k in range(1, SHIFTS + 1) for value in measured(term, second.roll(k * GROUP, 0), first, vgg)[0]
        ]
        row = {
            "same": statistics.median(same),
            "strangers": statistics.median(strangers),
            "auc": float(np.mean([a < b for a in same for b in strangers])),
            "relit": statistics.median(measured(term, side_lit(first), first, vgg)[0]),
            "pull": statistics.median(pull),
        }
        if made is not None:
            value, pull = measured(term, made[1], made[0], vgg)
            row |= {"tuned": statistics.median(value), "tuned_pull": statistics.median(pull)}
            row["seconds"] = seconds(term, made[1], made[0], vgg)
        table[name] = {key: float(f"{number:.3g}") for key, number in row.items()}
    print(json.dumps({"people": len(first), "size": arguments.size, "terms": table}, indent=2))


if __name__ == "__main__":
    main()
