"""What only all rows together show: names given twice, leaks between splits, labels, copies, counts.

Of a row seen before, a hash of 64 bits is kept, not the words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from drfhq_tools.barrier.dedupe import duplicate_groups
from drfhq_tools.config import BuildConfig, config_from
from drfhq_tools.errors import UsageError
from drfhq_tools.labels.settle import REVIEW
from drfhq_tools.manifest.built import BUILD_NAME, image_path
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.records import Candidate, FaceRecord, Reject, RejectReason
from drfhq_tools.records.labels import VOCABULARY
from drfhq_tools.verify.faces import STATUSES
from drfhq_tools.verify.findings import Report

_LABELLED: Final = ("_labeler", "", "_status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What build.json says: the settings, None where they cannot be read, and the counts."""

    config: BuildConfig | None
    counts: dict[str, Any]


def read_said(data: Path, report: Report) -> Said:
    """build.json, with what is wrong in it on its own."""
    try:
        document = json.loads((data / BUILD_NAME).read_text(encoding="utf-8"))
        config, counts = config_from(document["settings"]), dict(document["counts"])
        digests = {name: document[name] for name in ("pixels_digest", "rules_digest")}
        schema = document["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        report.add("build.json", BUILD_NAME, f"cannot be read ({type(error).__name__}: {error})")
        return Said(config=None, counts={})
    if schema != SCHEMA_VERSION:
        report.add("versions", BUILD_NAME, f"is of schema {str(schema)[:80]}, not {SCHEMA_VERSION}")
    for name, digest in digests.items():
        if digest != getattr(config, name):
            report.add("build.json", BUILD_NAME, f"{name} is not that of its settings")
    return Said(config=config, counts=counts)


@dataclass(slots=True, kw_only=True)
class Whole:
    """Takes in rows of the manifest, then of the other tables; tells what does not fit. ``reviewed`` are the faces of
    which a person decided something, None where that is not recorded here."""

    report: Report
    keep_looks: bool
    reviewed: frozenset[str] | None = None
    splits: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    failed_inputs: int = 0
    unmapped_words: int = 0
    sources: set[int] = field(default_factory=set)
    candidates: list[Candidate] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    _faces: set[int] = field(default_factory=set)
    _split_of: dict[int, str] = field(default_factory=dict)
    _winners: dict[int, int] = field(default_factory=dict)
    _last: tuple[str, int] = ("", -1)

    def face(self, number: int, face: FaceRecord) -> None:
        """The row of this number in the manifest."""
        where = face.face_id
        if hash(face.face_id) in self._faces:
            self.report.add("names", where, "has two rows")
        self._faces.add(hash(face.face_id))
        self.sources.add(hash(face.source_sha256))
        if face.image_path != image_path(number):
            self.report.add("images", where, f"image_path is {face.image_path[:80]!r}, must be {image_path(number)!r}")
        if (face.source_path, face.face_index) <= self._last:
            self.report.add("images", where, "is out of order: rows follow source_path and face_index")
        self._last = (face.source_path, face.face_index)
        self.splits[face.split] += 1
        self._leaks(face)
        for name in VOCABULARY:
            labeler, *said = (getattr(face, f"{name}{suffix}") for suffix in _LABELLED)
            word = getattr(face, f"{name}_declared")
            if labeler is not None:
                self._winners[hash((face.face_id, name, labeler, *said))] = number
            elif said[0] is not None:
                self.report.add("labels", where, f"{name} is {said[0]}, but no labeler said so")
            if word is not None:
                self._winners[hash((face.face_id, name, word))] = number
        if self.keep_looks:
            self._look(face)

    def label(self, row: dict[str, Any]) -> None:
        """A row of labels.parquet."""
        where, name = f"{row['face_id']} {row['attribute']}", row["attribute"]
        if hash(row["face_id"]) not in self._faces:
            self.report.add("labels", where, "is of a face that is not in the manifest")
        if name not in VOCABULARY:
            self.report.add("vocabulary", where, f"attribute is none of {', '.join(VOCABULARY)}")
        elif row["value"] is not None and row["value"] not in VOCABULARY[name]:
            self.report.add("vocabulary", where, f"value is {row['value'][:80]!r}")
        if row["status"] not in STATUSES:
            self.report.add("vocabulary", where, f"status is {row['status'][:80]!r}")
        shares = row["probabilities"]
        if len(shares) != len(row["classes"]) or not all(0 <= share <= 1 + 1e-6 for share in shares):
            self.report.add("ranges", where, "probabilities must be as many as classes, each from 0 to 1")
        if row["labeler"] == REVIEW and self.reviewed is not None and row["face_id"] not in self.reviewed:
            self.report.add("labels", where, "is reviewed, but no line of reviews.jsonl is of this face")
        self.unmapped_words += row["value"] is None and row["declared"] is not None
        for key in ((row["labeler"], row["value"], row["status"]), (row["declared"],)):
            self._winners.pop(hash((row["face_id"], name, *key)), None)

    def reject(self, row: dict[str, Any]) -> None:
        """A row of rejects.parquet."""
        where = str(row["source_path"]) + ("" if row["face_index"] is None else f" face {row['face_index']}")
        try:
            reject = Reject.from_row(row)
        except (ValueError, TypeError) as error:
            self.report.add("rejects", where, f"{error}")
            return
        self.rejects[reject.reason.value] += 1
        self.failed_inputs += reject.reason.failed_input
        candidate = reject.candidate
        if candidate and None in (row["phash"], row["landmarks"]):
            self.report.add("rejects", where, "lacks what a face has")
            return
        if candidate and hash(candidate.face_id) in self._faces:
            self.report.add("rejects", where, f"is kept as {candidate.face_id}, and rejected")
        if candidate and self.keep_looks and reject.reason is RejectReason.DUPLICATE:
            self.candidates.append(candidate)

    def finish(self, said: Said, *, labels: bool, rejects: bool) -> None:
        """What is left to tell once the tables that could be read were taken in."""
        if labels:
            for number in sorted(set(self._winners.values())):
                self.report.add("labels", f"row {number}", "labels.parquet does not say what the manifest settles on")
        if self.keep_looks and said.config is not None:
            self._check_groups(said.config)
        counted: dict[str, object] = {"faces": len(self._faces)}
        counted["splits"] = {name: self.splits[name] for name in ("train", "val", "test")}
        if labels:
            counted["unmapped_words"] = self.unmapped_words
        if rejects:
            counted |= {"rejects": dict(sorted(self.rejects.items())), "failed_inputs": self.failed_inputs}
        if said.config is not None:
            self._check_counts(said.counts, counted)

    def _check_counts(self, said: dict[str, Any], counted: dict[str, object]) -> None:
        for name, number in counted.items():
            if said.get(name) != number:
                self.report.add("build.json", f"counts.{name}", f"is {said.get(name)}, the tables have {number}")
        pictures = said.get("pictures")
        if not isinstance(pictures, int) or pictures < len(self.sources):
            self.report.add("build.json", "counts.pictures", f"is {pictures}, of faces from {len(self.sources)}")

    def _leaks(self, face: FaceRecord) -> None:
        for name in ("subject_id", "source_sha256", "duplicate_group"):
            value = getattr(face, name)
            split = self._split_of.setdefault(hash((name, value)), face.split) if value else face.split
            if split != face.split:
                self.report.add(
                    "splits", face.face_id, f"is in {face.split}, others of {name} {value!r} are in {split}"
                )

    def _look(self, face: FaceRecord) -> None:
        names = ("face_id", "source_sha256", "pixels_sha256", "phash", "phash_fine", "native_side_px", "sharpness")
        self.candidates.append(Candidate(**{name: getattr(face, name) for name in names}))
        self.groups.append(face.duplicate_group)

    def _check_groups(self, config: BuildConfig) -> None:
        """Group the faces, and the copies that were left out, anew."""
        try:
            groups = duplicate_groups(self.candidates, config.near_radius)
        except ValueError:  # a hash that is none was told before
            return
        for one, was, now in self._grouped(groups):
            if was != now:
                self.report.add("duplicates", one.face_id, f"duplicate_group is {was[:80]}, must be {now}")
        kept = Counter(group for _, _, group in self._grouped(groups))
        if config.duplicates == "keep-best":
            for group, number in kept.items():
                if number > 1:
                    self.report.add("duplicates", group, f"{number} copies of one picture are kept")

    def _grouped(self, groups: list[str]) -> Iterator[tuple[Candidate, str, str]]:
        """The kept faces, with the group they have and the one they should have."""
        return zip(self.candidates, self.groups, groups, strict=False)
