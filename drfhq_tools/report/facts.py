"""All that the page tells, gathered from the tables as plain values; no picture is opened here.

The same tables give the same facts, in the same order. Whatever is capped says so by the count beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from math import prod
from pathlib import Path
from typing import Final

from drfhq_tools.config import BuildConfig
from drfhq_tools.manifest import Manifest, open_manifest
from drfhq_tools.manifest.built import Built, read_build
from drfhq_tools.manifest.reader import read_labels, read_rejects
from drfhq_tools.records import FaceRecord, LabelStatus, Reject, RejectReason
from drfhq_tools.report.funnel import Funnel, count_losses, distinct_faces, is_note
from drfhq_tools.report.labels import STATUSES, Composition, Confidence, Word, compositions, confidences, words
from drfhq_tools.report.measures import POSE_AND_FRAMING, QUALITY, Measured, measured
from drfhq_tools.report.origins import Origins, Split, origins, splits
from drfhq_tools.report.picks import Cell, Group, Rejected, cells, copies, identities, rejected
from drfhq_tools.stats import Stats, read_stats

PER_CELL: Final = 6
PER_MEASURE: Final = 6
PER_REASON: Final = 6
PER_GROUP: Final = 6
MOST_CELLS: Final = 40
MOST_GROUPS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a data set. ``settings`` are those it was built with, and whether each is the default."""

    name: str
    manifest: Manifest
    built: Built
    stats: Stats
    funnel: Funnel
    compositions: tuple[Composition, ...]
    words: tuple[Word, ...]
    confidences: tuple[Confidence, ...]
    cells: tuple[Cell, ...]
    pose: tuple[Measured, ...]
    quality: tuple[Measured, ...]
    rejected_faces: tuple[Rejected, ...]
    rejected_files: tuple[Rejected, ...]
    notes: tuple[Rejected, ...]
    copies: tuple[Group, ...]
    identities: tuple[Group, ...]
    origins: Origins
    splits: tuple[Split, ...]
    settings: tuple[tuple[str, object, bool], ...]

    @property
    def combinations(self) -> int:
        """How many cells gender, age group and race span."""
        return prod(map(len, self.stats.classes.values()))

    @property
    def met_statuses(self) -> tuple[LabelStatus, ...]:
        """The ways in which any face's label is known, or is not."""
        met = {name for counts in self.stats.status.values() for name in counts}
        return tuple(status for status in STATUSES if status in met)

    @property
    def shown_cells(self) -> tuple[Cell, ...]:
        """The largest cells, in their own order."""
        largest = sorted(self.cells, key=lambda cell: -cell.count)[:MOST_CELLS]
        return tuple(cell for cell in self.cells if cell in largest)

    @property
    def shown_groups(self) -> tuple[Group, ...]:
        """The largest groups, of copies, then of people."""
        return self.copies[:MOST_GROUPS] + self.identities[:MOST_GROUPS]

    @property
    def shown_faces(self) -> Iterator[FaceRecord]:
        """Every kept face that is shown, some more than once."""
        for cell in self.shown_cells:
            yield from cell.examples
        for one in (*self.pose, *self.quality):
            yield from (face for face, _ in one.worst)
        for group in self.shown_groups:
            yield from group.faces

    @property
    def shown_rejects(self) -> Iterator[Reject]:
        """Every face left out, and every picture without one, that may be shown where the pictures are at hand."""
        for one in self.rejected_faces:
            yield from one.examples
        for group in self.shown_groups:
            yield from group.rejects
        for one in self.rejected_files:
            yield from one.examples if one.shown else ()


def gather(data: Path) -> Facts:
    """The facts of the data set in ``data``.

    Raises:
        ManifestError: a table or build.json is missing, damaged or of another version.
    """
    manifest, built, rejects = open_manifest(data), read_build(data), read_rejects(data)
    labels, stats = read_labels(data), read_stats(data)
    faces, config = manifest.faces, built.config
    left_out = distinct_faces(rejects)
    bodies = [one.measures for one in left_out if one.measures]
    pose, quality = (
        tuple(found for one in group if (found := measured(one, faces, bodies, config, PER_MEASURE)))
        for group in (POSE_AND_FRAMING, QUALITY)
    )
    return Facts(
        name=data.resolve().name,
        manifest=manifest,
        built=built,
        stats=stats,
        funnel=count_losses(faces, rejects),
        compositions=compositions(faces, stats),
        words=words(faces, labels),
        confidences=confidences(chain.from_iterable(labels.values())),
        cells=cells(faces, PER_CELL),
        pose=pose,
        quality=quality,
        rejected_faces=rejected(left_out, PER_REASON),
        rejected_files=rejected((one for one in rejects if one.face_index is None and not is_note(one)), PER_REASON),
        notes=rejected(filter(is_note, rejects), PER_REASON),
        copies=copies(faces, _copies_left_out(left_out), config.near_radius, PER_GROUP),
        identities=identities(faces, PER_GROUP),
        origins=origins(faces),
        splits=splits(faces),
        settings=_settings(config),
    )


def _copies_left_out(rejects: Iterable[Reject]) -> list[Reject]:
    return [reject for reject in rejects if reject.reason is RejectReason.DUPLICATE]


def _settings(config: BuildConfig) -> tuple[tuple[str, object, bool], ...]:
    defaults = asdict(BuildConfig())
    return tuple((name, value, value == defaults[name]) for name, value in asdict(config).items())
