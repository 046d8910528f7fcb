"""What became of the portraits: figures of each, means by group with their intervals, and how real the whole looks.

Everything here is arithmetic on what was measured (:mod:`transfer.evaluation.look`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from transfer.evaluation.look import RESNET, Kept, Look, kept
from transfer.evaluation.subjects import ATTRIBUTES, Subject
from transfer.metrics.diversity import pairwise_distance, spread
from transfer.metrics.identity import RECOGNISED, Gallery, nearest_stranger
from transfer.metrics.intervals import Estimate, estimate
from transfer.metrics.kernel import kernel_distance
from transfer.metrics.realism import Judged, auc, equal_kernel_distance, jackknife_error, photo_scores

FloatArray = npt.NDArray[np.float64]

HIGHER_IS_BETTER: Final[Mapping[str, bool]] = {
    "identity": True,
    "recognised": True,
    "nearer": True,
    "identity_resnet": True,
    "recognised_resnet": True,
    "landmark_error": False,
    "skin_delta_e": False,
    "reconstruction": False,
}
"""The figures of a portrait, in the order they are shown."""


@dataclass(frozen=True)
class Group:
    """People with one label: means with intervals, by figure."""

    label: str
    figures: Mapping[str, Estimate]


@dataclass(frozen=True)
class Worst:
    """The group a figure is worst in, and by how much it is worse than the mean over everyone with a label."""

    label: str
    gap: float


@dataclass(frozen=True)
class Realism:
    """Inputs and outputs held against photos. Kernel distances at equal counts of ``count``, with their jackknife
    errors over people; AUC of photos against each by judges that have not seen the person (1 told apart always, 0.5
    never); and the share of each that is taken for a photo."""

    count: int
    kernel_inputs: float
    kernel_inputs_error: float
    kernel_outputs: float
    kernel_outputs_error: float
    auc_inputs: float
    auc_outputs: float
    taken_photos: float
    taken_inputs: float
    taken_outputs: float


@dataclass(frozen=True)
class Summary:
    """An evaluation in figures. ``judge`` is the identity network; ``groups`` and ``worst`` go by attribute, the latter
    by figure too; ``diversity`` and ``spread`` are of inputs and outputs; ``missed`` are faces not found in either."""

    judge: str
    portraits: int
    people: int
    overall: Mapping[str, Estimate]
    groups: Mapping[str, Sequence[Group]]
    worst: Mapping[str, Mapping[str, Worst]]
    realism: Realism | None
    diversity: tuple[float, float]
    spread: tuple[float, float]
    missed: tuple[int, int]


def each(
    before: Look, after: Look, subjects: Sequence[Subject], strangers: Gallery, reconstruction: FloatArray
) -> dict[str, FloatArray]:
    """By figure, a value a portrait: NaN where there is none. ``strangers`` are embedded by the judge;
    ``reconstruction`` (N,) is given."""
    judge, theirs = before.judge, kept(before, after)
    people, kinds = [face.person for face in subjects], [face.kind for face in subjects]
    nearest = nearest_stranger(after.embeddings[judge], people, kinds, strangers)
    nearer = np.where(np.isnan(nearest), np.nan, theirs.distance[judge] < nearest)
    figures = {"identity": theirs.similarity[judge], "recognised": _recognised(theirs, judge), "nearer": nearer}
    if judge != RESNET:
        resnet = _recognised(theirs, RESNET)
        figures |= {"identity_resnet": theirs.similarity[RESNET], "recognised_resnet": resnet}
    rest = {"landmark_error": theirs.landmark_error, "skin_delta_e": theirs.skin, "reconstruction": reconstruction}
    return figures | rest


def summarise(
    before: Look, after: Look, figures: Mapping[str, FloatArray], subjects: Sequence[Subject], realism: Realism | None
) -> Summary:
    """Means over all and by group, with intervals over people."""
    people = [face.person for face in subjects]
    everyone = {name: estimate(values, people) for name, values in figures.items()}
    groups = {attribute: means_by(attribute, figures, subjects) for attribute in ATTRIBUTES}
    groups = {attribute: found for attribute, found in groups.items() if found}
    several = len(before) > 1
    embeddings = before.embeddings[before.judge], after.embeddings[after.judge]
    return Summary(
        judge=before.judge,
        portraits=len(before),
        people=len(set(people)),
        overall=everyone,
        groups=groups,
        worst={
            attribute: {
                name: worst(name, found, _labelled(attribute, values, subjects)) for name, values in figures.items()
            }
            for attribute, found in groups.items()
        },
        realism=realism,
        diversity=tuple(pairwise_distance(one) if several else np.nan for one in embeddings),  # type: ignore[arg-type]
        spread=tuple(spread(look.features) if several else np.nan for look in (before, after)),  # type: ignore[arg-type]
        missed=(before.missed, after.missed),
    )


def means_by(attribute: str, figures: Mapping[str, FloatArray], subjects: Sequence[Subject]) -> list[Group]:
    """Means by the labels of an attribute, sorted; those without a label are left out."""
    labels = [getattr(face, attribute) for face in subjects]
    found = []
    for label in sorted({label for label in labels if label}):
        rows = [index for index, other in enumerate(labels) if other == label]
        people = [subjects[row].person for row in rows]
        found.append(Group(label, {name: estimate(values[rows], people) for name, values in figures.items()}))
    return found


def worst(figure: str, groups: Sequence[Group], mean: float) -> Worst:
    """Where ``figure`` is worst, and how far below (or, for errors, above) ``mean``."""
    sign = 1 if HIGHER_IS_BETTER[figure] else -1
    known = [(sign * (mean - group.figures[figure].mean), group.label) for group in groups]
    known = [(gap, label) for gap, label in known if np.isfinite(gap)]
    if not known:
        return Worst("", np.nan)
    gap, label = max(known)
    return Worst(label, gap)


def realism_of(photos: Look, before: Look, after: Look, people: Sequence[str]) -> tuple[Realism | None, Judged | None]:
    """Inputs and outputs against photos; None where there are too few of people or photos to say anything."""
    try:
        judged = photo_scores(photos.features, before.features, after.features, people)
    except ValueError:
        return None, None
    distances = [equal_kernel_distance(look.features, photos.features) for look in (before, after)]
    errors = [_kernel_error(look.features, photos.features, people) for look in (before, after)]
    realism = Realism(
        count=min(len(photos), len(before)),
        kernel_inputs=distances[0],
        kernel_inputs_error=errors[0],
        kernel_outputs=distances[1],
        kernel_outputs_error=errors[1],
        auc_inputs=auc(judged.photos, judged.inputs),
        auc_outputs=auc(judged.photos, judged.outputs),
        taken_photos=float((judged.photos > 0).mean()),
        taken_inputs=float((judged.inputs > 0).mean()),
        taken_outputs=float((judged.outputs > 0).mean()),
    )
    return realism, judged


def _kernel_error(features: FloatArray, photos: FloatArray, people: Sequence[str]) -> float:
    def distance(rows: npt.NDArray[np.bool_]) -> float:
        return kernel_distance(features[rows], photos) if rows.sum() > 1 else np.nan

    return jackknife_error(distance, people)


def _recognised(theirs: Kept, network: str) -> FloatArray:
    return np.asarray(theirs.distance[network] < RECOGNISED[network], dtype=np.float64)


def _labelled(attribute: str, values: FloatArray, subjects: Sequence[Subject]) -> float:
    """The mean over those whose label is known."""
    known = np.array([bool(getattr(face, attribute)) for face in subjects]) & np.isfinite(values)
    return float(values[known].mean()) if known.any() else np.nan
