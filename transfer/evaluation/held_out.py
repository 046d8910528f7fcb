"""Held-out portraits through the cells of an ablation: what `evaluate` says of each, pooled over seeds.

ABL/portraits/CELL/    as :mod:`transfer.evaluation.evaluate` writes it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from transfer.checkpoints import load_checkpoint
from transfer.device import placed
from transfer.evaluation.evaluate import Compared, Evaluated, Inverting, evaluate
from transfer.evaluation.figures import means_by, worst
from transfer.evaluation.grid import Cell
from transfer.evaluation.look import Instruments
from transfer.evaluation.subjects import Subjects
from transfer.evaluation.translated import Way
from transfer.inversion.make import make_inverter
from transfer.metrics.intervals import Estimate, estimate

POOLED: Final = ("identity", "recognised", "nearer", "landmark_error", "skin_delta_e")


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Portraits of people no cell was trained on, what outputs are held against, and how they are inverted."""

    portraits: Subjects
    compared: Compared
    how: Inverting


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """A recipe's portraits over its seeds: ``figures`` with intervals over people; ``lead``, by how much the reference
    keeps more identity, portrait by portrait; how real outputs look, means over seeds; and by how much the worst race
    is recognised less than everyone."""

    images: int
    figures: dict[str, Estimate]
    lead: Estimate | None
    kernel_inputs: float
    kernel_outputs: float
    auc_outputs: float
    taken_for_photo: float
    worst_race_gap: float
    worst_race: str


def through(
    cell: Cell, images: int, held_out: HeldOut, instruments: Instruments, say: Callable[[str], None]
) -> Evaluated:
    """Every portrait inverted in the cell's generator after ``images`` and decoded by the source."""
    device, how = cell.grid.device, held_out.how
    source = placed(load_checkpoint(cell.grid.init).generator, device).eval().requires_grad_(False)
    rendered = placed(cell.generator(images), device).eval().requires_grad_(False)
    name = "optimise" if how.name == "auto" else how.name
    way = Way(
        rendered=rendered,
        real=source,
        inverter=make_inverter(name, cell.folder, instruments.resnet, steps=how.steps, seed=how.seed),
        about={"cell": cell.name, "images": images, **asdict(how)},
    )
    out = cell.grid.out / "portraits" / f"{cell.name}-{images:08d}"
    say(f"portraits through {cell.name} after {images} images")
    return evaluate(way, held_out.portraits, held_out.compared, instruments, out, say)


def pooled(ours: Sequence[Evaluated], reference: Sequence[Evaluated], portraits: Subjects, images: int) -> Pooled:
    """One recipe's evaluations, seed by seed, beside those of the reference recipe."""
    people = portraits.people * len(ours)
    stacked = {name: np.concatenate([one.figures[name] for one in ours]) for name in POOLED}
    real = [one.summary.realism for one in ours if one.summary.realism is not None]
    mean = {
        name: float(np.mean([getattr(one, name) for one in real])) if real else np.nan
        for name in ("kernel_inputs", "kernel_outputs", "auc_outputs", "taken_outputs")
    }
    races = means_by("race", stacked, portraits.faces * len(ours))
    gap = worst("recognised", races, float(np.nanmean(stacked["recognised"])))
    return Pooled(
        images=images,
        figures={name: estimate(values, people) for name, values in stacked.items()},
        lead=_lead(ours, reference, portraits),
        kernel_inputs=mean["kernel_inputs"],
        kernel_outputs=mean["kernel_outputs"],
        auc_outputs=mean["auc_outputs"],
        taken_for_photo=mean["taken_outputs"],
        worst_race_gap=gap.gap,
        worst_race=gap.label,
    )


def _lead(ours: Sequence[Evaluated], reference: Sequence[Evaluated], portraits: Subjects) -> Estimate | None:
    """Over people, of the means over seeds; None for the reference itself."""
    if list(ours) == list(reference):
        return None
    theirs, mine = (np.mean([one.figures["identity"] for one in group], axis=0) for group in (reference, ours))
    return estimate(theirs - mine, portraits.people)
