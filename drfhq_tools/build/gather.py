"""Pictures and what is remembered of them → all that a data set is made of; workers look at the rest.

A picture is looked at once. When it is known and a face of it lacks its crop, since the rules had no use for it, that
face alone is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drfhq_tools.barrier.merge import merge
from drfhq_tools.build.assemble import Gathered
from drfhq_tools.build.ledger import Ledger, Looked, shows_given, with_whole_crops
from drfhq_tools.build.look import Hands, Models, Task, look_at_all
from drfhq_tools.build.rows import describe
from drfhq_tools.config import BuildConfig
from drfhq_tools.labels.asked import unanswered
from drfhq_tools.manifest.reviews import Review
from drfhq_tools.records import FaceRecord, LabelScores, Reject, SourceImage
from drfhq_tools.sources.base import Scan


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is known of pictures: ``ledger`` of the work under way, and an earlier data set's, by hash, with the places
    of its crops by face_id."""

    ledger: Ledger
    earlier: Mapping[str, Looked] = field(default_factory=dict)
    earlier_crops: Mapping[str, Path] = field(default_factory=dict)

    def recall(self, source: SourceImage, config: BuildConfig) -> Looked | None:
        """What was seen in the picture; None where it has to be looked at."""
        looked = self.ledger.read(source.sha256) or self.earlier.get(source.sha256)
        if looked is None or (config.detector == "precomputed" and not shows_given(looked, source.faces)):
            return None
        return with_whole_crops(looked, self.crop)

    def crop(self, face: str) -> Path:
        """Where the crop of the face of this name lies."""
        ours = self.ledger.crop(face)
        return self.earlier_crops.get(face, ours) if not ours.exists() else ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """The pictures of a build, what is known of them, the settings, the networks' files, and what people decided of
    faces, by face_id."""

    scan: Scan
    memory: Memory
    config: BuildConfig
    models: Models = field(default_factory=Models)
    reviews: Mapping[str, Review] = field(default_factory=dict)

    def see(self, hands: Hands) -> dict[str, Looked | Reject]:
        """What is to be seen in each picture, by its hash; those not known are looked at."""
        seen: dict[str, Looked | Reject] = {}
        for one in self.scan.found:
            looked = self.memory.recall(one.source, self.config)
            if looked is not None:
                seen[one.source.sha256] = looked
        tasks = [
            Task(found=one, work=self.memory.ledger.folder, config=self.config, models=self.models)
            for one in self.scan.found
            if one.source.sha256 not in seen
        ]
        return seen | look_at_all(tasks, hands, done=len(seen))

    def gather(self, hands: Hands, splits: Mapping[str, str]) -> Gathered:
        """All rows, with a crop for every face that stays; ``splits`` are those of an earlier data set by face_id."""
        seen = self.see(hands)
        while True:
            gathered = self.describe(seen, splits)
            lacking = self.lacking(gathered)
            if lacking:
                stay = {face.face_id for face in merge(gathered.faces, gathered.rejects, self.config, splits)[0]}
                lacking = [face for face in lacking if face.face_id in stay]
            if not lacking:
                return gathered
            seen |= self.cut(lacking, seen, hands)

    def describe(self, seen: Mapping[str, Looked | Reject], splits: Mapping[str, str]) -> Gathered:
        """The rows of what was seen, whether or not the crops are there."""
        faces: list[FaceRecord] = []
        rejects = list(self.scan.rejects)
        labels: dict[str, tuple[LabelScores, ...]] = {}
        for one in self.scan.found:
            looked = seen[one.source.sha256]
            if isinstance(looked, Reject):
                rejects += looked.at_each(one.source.paths)
                continue
            described = describe(one.source, looked, self.config, self.reviews)
            faces += described.faces
            rejects += described.rejects
            labels |= described.labels
        return Gathered(
            pictures=len(self.scan.found),
            faces=faces,
            crops={face.face_id: self.memory.crop(face.face_id) for face in faces},
            labels=labels,
            rejects=rejects,
            earlier_splits=splits,
        )

    def lacking(self, gathered: Gathered) -> list[FaceRecord]:
        """The faces that have no crop yet, or lack what networks are to say of it."""
        embedded = self.config.identity_distance > 0
        return [
            face
            for face in gathered.faces
            if not face.image_sha256
            or (embedded and face.identity_embedding is None)
            or unanswered(gathered.labels[face.face_id], self.config)
        ]

    def cut(
        self, faces: Sequence[FaceRecord], seen: Mapping[str, Looked | Reject], hands: Hands
    ) -> dict[str, Looked | Reject]:
        """Cut these faces, or ask networks of their crops where they have one: their pictures' entries by hash."""
        wanted: dict[str, list[FaceRecord]] = {}
        for face in faces:
            wanted.setdefault(face.source_sha256, []).append(face)
        tasks = []
        for one in self.scan.found:
            known = seen[one.source.sha256]
            here = wanted.get(one.source.sha256)
            if here and isinstance(known, Looked):
                task = Task(
                    found=one,
                    work=self.memory.ledger.folder,
                    config=self.config,
                    models=self.models,
                    known=known,
                    cut=frozenset(face.face_index for face in here if not face.image_sha256),
                    ask={face.face_index: self.memory.crop(face.face_id) for face in here if face.image_sha256},
                )
                tasks.append(task)
        return look_at_all(tasks, hands)
