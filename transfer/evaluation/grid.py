"""A grid of recipes and seeds, each trained as a run folder of its own, equally long on equal data from equal weights.

    ABL/ablation.json            what decides the grid; a changed setting is refused, recipes and seeds may be added
    ABL/cells/RECIPE-seedN/      a run folder (:mod:`transfer.run_folder`) with every snapshot's generator

A recipe that only swaps layers after training has the folder of the recipe that trains alike, and one without training
has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from drfhq_tools.atomic import write_file
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import Manifest
from transfer.blend import swapped
from transfer.checkpoints import load_checkpoint
from transfer.config import Schedule, TrainConfig
from transfer.errors import CheckpointError, ConfigError
from transfer.networks.generator import Generator
from transfer.recipes import RECIPES, Recipe
from transfer.run_folder import RunFolder
from transfer.settings import configured
from transfer.training.run import Console, RunRequest, finetune

KEEP_ALL: Final = 10**6
"""Snapshots to keep: every one is a point of a recipe's curve."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What an ablation compares. ``settings`` hold for every recipe, by the names of ``--config``, where the recipe
    itself says nothing else."""

    manifest: Manifest
    init: Path
    out: Path
    recipes: Sequence[Recipe]
    seeds: Sequence[int]
    kimg: float
    settings: Mapping[str, object]
    split: str
    device: torch.device

    def __post_init__(self) -> None:
        names = [recipe.name for recipe in self.recipes]
        if not names or len(set(names)) < len(names) or not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError("an ablation takes one recipe and one seed at least, each named once")

    @property
    def cells(self) -> list[Cell]:
        """Every recipe with every seed, recipe by recipe."""
        return [Cell(self, recipe, seed) for recipe in self.recipes for seed in self.seeds]


@dataclass(frozen=True)
class Cell:
    """One recipe with one seed."""

    grid: Grid
    recipe: Recipe
    seed: int

    @property
    def name(self) -> str:
        return f"{self.recipe.name}-seed{self.seed}"

    @property
    def folder(self) -> RunFolder:
        """The run it was trained as."""
        return RunFolder(self.grid.out / "cells" / f"{training_name(self.recipe)}-seed{self.seed}")

    @property
    def settings(self) -> tuple[TrainConfig, Schedule]:
        """What decides its training."""
        named = dict(self.grid.settings) | dict(self.recipe.settings) | {"seed": self.seed, "keep": KEEP_ALL}
        return configured(
            named, kimg=self.grid.kimg, freeze_mapping=True, weights=self.recipe.weights, every=self.recipe.every
        )

    @property
    def snapshots(self) -> dict[int, Path]:
        """Its kept generators by images shown, in order; a cell that trains nothing has the source, at 0."""
        if self.recipe.direct:
            return {0: self.grid.init}
        found = (self.folder.root / "kept").glob("g_ema-*.safetensors")
        return {int(path.stem.removeprefix("g_ema-")): path for path in sorted(found)}

    @property
    def finished(self) -> bool:
        """Whether it has been trained as long as asked for."""
        return self.recipe.direct or max(self.snapshots, default=0) >= self.grid.kimg * 1000

    def generator(self, images: int) -> Generator:
        """The rendered generator after so many images, as the recipe has it.

        Raises:
            CheckpointError: no such snapshot.
        """
        path = self.snapshots.get(images)
        if path is None:
            raise CheckpointError(f"{self.name} has no snapshot after {images} images in {self.folder.root}")
        tuned = load_checkpoint(path).generator
        if self.recipe.swap_from is None:
            return tuned
        return swapped(tuned, load_checkpoint(self.grid.init).generator, self.recipe.swap_from)


def training_name(recipe: Recipe) -> str:
    """The recipe that trains as this one does: itself, or for one that swaps layers afterwards, one that does not."""
    if recipe.swap_from is None:
        return recipe.name
    trained = replace(recipe, swap_from=None)
    alike = (name for name, known in RECIPES.items() if replace(known, name=recipe.name) == trained)
    return next(alike, recipe.name)


def claim(grid: Grid) -> None:
    """Begin the grid in its folder, or make sure that what was begun there is the same.

    Raises:
        ConfigError: another data set, source, length or setting; the message names it.
    """
    path = grid.out / "ablation.json"
    before = _read(path)
    shared: dict[str, object] = {
        "data_digest": grid.manifest.digest,
        "init_sha256": sha256_file(grid.init),
        "split": grid.split,
        "kimg": grid.kimg,
    }
    cells: dict[str, dict[str, object]] = {}
    for cell in grid.cells:
        config, schedule = cell.settings
        swap = {"swap_from": cell.recipe.swap_from, "direct": cell.recipe.direct}
        cells[cell.name] = config.to_dict() | swap | {"snapshot_kimg": schedule.snapshot_kimg}
    shared, cells = json.loads(json.dumps([shared, cells]))
    known = before.get("cells", {})
    assert isinstance(known, dict)
    changed = [name for name, value in shared.items() if name in before and before[name] != value]
    changed += sorted({_differing(known[name], value) for name, value in cells.items() if name in known} - {""})
    if changed:
        raise ConfigError(
            f"{grid.out} holds an ablation with another {', '.join(changed)}: go on with what it was begun with, or"
            " give another --out"
        )
    write_file(path, (json.dumps(shared | {"cells": known | cells}, indent=1) + "\n").encode())


def train(grid: Grid, console: Console) -> None:
    """Train every cell that is not finished, in the grid's order; cut at any time, the same call goes on."""
    done: set[Path] = set()
    for cell in _trained(grid):
        if cell.folder.root in done or cell.finished:
            continue
        done.add(cell.folder.root)
        console.say(f"training {cell.folder.root.name}")
        config, schedule = cell.settings
        request = RunRequest(
            manifest=grid.manifest,
            out=cell.folder.root,
            config=config,
            schedule=schedule,
            device=grid.device,
            split=grid.split,
        )
        finetune(request, grid.init, console)
        _forget_states(cell.folder)


def training_seconds(folder: RunFolder) -> float:
    """Wall seconds of the run's steps, its snapshots' included, from its log; time lost by a kill is left out."""
    if not folder.log.is_file():
        return 0.0
    total = before = 0.0
    for line in folder.log.read_text(encoding="utf-8").splitlines():
        seconds = float(json.loads(line)["seconds"])  # counted from the start of the process that wrote it
        total += seconds - before if seconds >= before else seconds
        before = seconds
    return total


def _trained(grid: Grid) -> Iterator[Cell]:
    """By seed, then by recipe: what is compared is there for a first seed before the second begins."""
    for seed in grid.seeds:
        yield from (cell for cell in grid.cells if cell.seed == seed and not cell.recipe.direct)


def _forget_states(folder: RunFolder) -> None:
    """Remove what only a resume from an earlier snapshot would need: it is most of a finished cell's size."""
    for images in folder.kept():
        folder.kept_state(images).unlink(missing_ok=True)


def _differing(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """The names of settings that are not what they were, as words; none for settings newer than the grid."""
    return ", ".join(sorted(name for name, value in now.items() if before.get(name, value) != value))


def _read(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path} ({error}): give another --out") from error
