"""Curves → one row a recipe: where it ends, what it keeps there, and what it keeps where the reference ends."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from transfer.evaluation.curves import Curve, Point
from transfer.evaluation.held_out import Pooled
from transfer.evaluation.matched import Matched, match, over_latents
from transfer.evaluation.report import markdown_table
from transfer.metrics.intervals import Estimate

FloatArray = npt.NDArray[np.float64]

FIGURES: Final[Mapping[str, Callable[[Point], FloatArray]]] = {
    "identity": lambda point: point.similarity,
    "identity_resnet": lambda point: point.resnet_similarity,
    "landmark_error": lambda point: point.landmark_error,
    "skin_delta_e": lambda point: point.skin,
}
"""What is told of every latent, with an interval over latents."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One recipe over its seeds. ``kernel`` at the end of each; ``end`` and ``matched`` hold :data:`FIGURES`, the
    latter where the recipe is compared with the reference, None where it has not moved; ``reference`` is the identity
    the reference keeps there, ``lead`` how much more that is, latent by latent."""

    recipe: str
    judge: str
    seeds: tuple[int, ...]
    images: int
    kernel: tuple[float, ...]
    kernel_matched: tuple[float, ...]
    end: Mapping[str, Estimate]
    matched: Mapping[str, Estimate] | None
    reference: Estimate | None
    lead: Estimate | None
    missed: float
    diversity: float
    spread: float
    seconds: float
    portraits: Pooled | None = None
    """Held-out portraits, where there are any."""

    def flat(self) -> dict[str, str | float | int]:
        """By column, for a CSV; empty where unknown."""
        columns: dict[str, str | float | int] = {
            "recipe": self.recipe,
            "seeds": " ".join(map(str, self.seeds)),
            "images": self.images,
            "judge": self.judge,
            "kernel_distance": float(np.mean(self.kernel)),
        }
        columns |= {f"kernel_distance_seed{seed}": value for seed, value in zip(self.seeds, self.kernel, strict=True)}
        columns |= _columns(self.end, "")
        columns |= {
            "faces_not_found": self.missed,
            "diversity": self.diversity,
            "spread": self.spread,
            "seconds": self.seconds,
            "matched_kernel_distance": float(np.mean(self.kernel_matched)) if self.kernel_matched else "",
        }
        columns |= _columns(self.matched or {}, "matched_")
        versus = {"reference_identity": self.reference, "reference_lead": self.lead}
        columns |= _columns({name: value for name, value in versus.items() if value}, "matched_")
        return columns | (_portrait_columns(self.portraits) if self.portraits else {})


def compare(curves: Sequence[Curve], seconds: Mapping[str, float]) -> tuple[list[Row], Matched]:
    """A row a recipe, in the curves' order; the first recipe is the one the others are matched to."""
    matched = match(curves, curves[0].recipe)
    recipes = list(dict.fromkeys(curve.recipe for curve in curves))
    by_recipe = {recipe: [curve for curve in curves if curve.recipe == recipe] for recipe in recipes}
    reference = by_recipe[recipes[0]]
    return [_row(ours, reference, matched, seconds[recipe]) for recipe, ours in by_recipe.items()], matched


def _row(curves: Sequence[Curve], reference: Sequence[Curve], matched: Matched, seconds: float) -> Row:
    ends = [curve.points[-1] for curve in curves]
    latents = len(ends[0].similarity)
    there = {name: matched.values(curves, of) for name, of in FIGURES.items()}
    kernels = matched.values(curves, lambda point: np.array([point.kernel]))
    ours, theirs = there["identity"], None
    if curves[0].recipe != matched.reference:
        theirs = matched.reference_values(curves, reference, FIGURES["identity"])
    return Row(
        recipe=curves[0].recipe,
        judge=curves[0].judge,
        seeds=tuple(curve.seed for curve in curves),
        images=ends[0].images,
        kernel=tuple(point.kernel for point in ends),
        kernel_matched=() if kernels is None else tuple(kernels.tolist()),
        end={
            name: over_latents(np.concatenate([of(point) for point in ends]), latents) for name, of in FIGURES.items()
        },
        matched={name: over_latents(values, latents) for name, values in there.items() if values is not None} or None,
        reference=None if theirs is None else over_latents(theirs, latents),
        lead=None if theirs is None or ours is None else over_latents(theirs - ours, latents),
        missed=float(np.mean([point.missed for point in ends])),
        diversity=float(np.mean([point.diversity for point in ends])),
        spread=float(np.mean([point.spread for point in ends])),
        seconds=seconds,
    )


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """All columns that any row has, in the order they come."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _plain(value) for name, value in row.items()} for row in rows])
    return file.getvalue()


def to_markdown(rows: Sequence[Row]) -> str:
    """Two tables: at the end of each recipe's budget, and where the reference ends."""
    judge = rows[0].judge if rows[0].judge == "densenet" else "resnet, which the identity term trains against"
    first = [
        "recipe",
        "kernel distance",
        "identity",
        "landmark error",
        "skin ΔE",
        "no face",
        "diversity",
        "spread",
        "s",
    ]
    ends = [
        [
            *(row.recipe, " / ".join(f"{value:.4f}" for value in row.kernel), shown(row.end["identity"])),
            *(shown(row.end["landmark_error"]), shown(row.end["skin_delta_e"], 1), f"{row.missed:.1%}"),
            *(f"{row.diversity:.3f}", f"{row.spread:.3f}", f"{row.seconds:.0f}"),
        ]
        for row in rows
    ]
    first_name = rows[0].recipe
    second = ["recipe", "kernel distance", "identity", f"{first_name} there", f"{first_name} keeps more by"]
    second += ["landmark error", "skin ΔE"]
    matched = [[row.recipe, *_matched_words(row)] for row in rows]
    return (
        f"Identity by {judge}: 1 the same picture, 0 strangers; means over {rows[0].end['identity'].people} latents and"
        f" seeds {', '.join(map(str, rows[0].seeds))}, in brackets 95 % intervals over latents.\n\n"
        f"At the end of the budget, {rows[0].images} images:\n\n{markdown_table(first, ends)}\n"
        f"Where {first_name} ends, at its kernel distance to the renders; a recipe that does not come so near is"
        f" compared where it comes nearest, with {first_name} at that distance:\n\n{markdown_table(second, matched)}"
        + _portraits(rows)
    )


def _portraits(rows: Sequence[Row]) -> str:
    """The third table, of held-out portraits."""
    known = [(row.recipe, row.portraits) for row in rows if row.portraits is not None]
    if not known:
        return ""
    head = ["recipe", "images", "identity", f"{known[0][0]} keeps more by", "recognised", "nearer than strangers"]
    head += ["landmark error", "skin ΔE", "outputs' kernel distance to photos", "told from photos, AUC", "worst race"]
    lines = []
    for recipe, found in known:
        names = ("identity", "recognised", "nearer", "landmark_error", "skin_delta_e")
        one, two, three, four, five = (shown(found.figures[name], 1 if name == "skin_delta_e" else 3) for name in names)
        gap = f"{found.worst_race}: {100 * found.worst_race_gap:.0f} points less" if found.worst_race_gap > 0 else "–"
        real = (f"{found.kernel_outputs:.4f}", f"{found.auc_outputs:.3f}")
        lines.append([recipe, str(found.images), one, shown(found.lead), two, three, four, five, *real, gap])
    people = known[0][1].figures["identity"].people
    return (
        f"\nPortraits of {people} people held out, inverted at the snapshot next to there and decoded by the source;"
        f" intervals over people; inputs' kernel distance to photos {known[0][1].kernel_inputs:.4f}:\n\n"
        + markdown_table(head, lines)
    )


def shown(value: Estimate | None, digits: int = 3) -> str:
    """Mean and interval as words."""
    return "–" if value is None else value.words(lambda number: f"{number:.{digits}f}")


def _matched_words(row: Row) -> list[str]:
    if row.matched is None or not row.kernel_matched:
        return ["has not moved", "–", "–", "–", "–", "–"]
    return [
        *(" / ".join(f"{value:.4f}" for value in row.kernel_matched), shown(row.matched["identity"])),
        *(shown(row.reference), shown(row.lead)),
        *(shown(row.matched["landmark_error"]), shown(row.matched["skin_delta_e"], 1)),
    ]


def _columns(estimates: Mapping[str, Estimate], prefix: str) -> dict[str, str | float | int]:
    found: dict[str, str | float | int] = {}
    for name, value in estimates.items():
        found |= {f"{prefix}{name}": value.mean, f"{prefix}{name}_low": value.low, f"{prefix}{name}_high": value.high}
    return found


def _portrait_columns(portraits: Pooled) -> dict[str, str | float | int]:
    lead = {"reference_lead": portraits.lead} if portraits.lead else {}
    plain = {name: value for name, value in vars(portraits).items() if name not in ("figures", "lead")}
    return _columns(portraits.figures | lead, "portraits_") | {
        f"portraits_{name}": value for name, value in plain.items()
    }


def _plain(value: object) -> object:
    """NaN is an empty cell, not a word."""
    if isinstance(value, float):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return value
