"""Faces from many pictures → a data set: a barrier that sees all of them, a staging folder, a commit.

The barrier orders what it is given, so that neither the number of workers nor the order they finish in leaves a trace.
Everything is laid out in a staging folder inside the data set; the commit is a few renames, and the manifest comes
last. A run that is cut at any moment leaves the old data set, or a commit that :func:`finish_interrupted` completes: a
manifest in staging and none in its place says that the commit had begun.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from drfhq_tools import __version__
from drfhq_tools.atomic import disk_trouble_told, link_or_copy, write_file
from drfhq_tools.barrier.merge import merge
from drfhq_tools.config import BuildConfig
from drfhq_tools.errors import ManifestError
from drfhq_tools.geometry import IBUG68
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import history
from drfhq_tools.manifest.built import BUILD_NAME, image_path
from drfhq_tools.manifest.reader import LABELS_NAME, MANIFEST_NAME, REJECTS_NAME
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.manifest.writer import labels_bytes, manifest_bytes, rejects_bytes
from drfhq_tools.records import FaceRecord, LabelScores, Reject

STAGING_NAME: Final = ".drfhq-staging"
_TABLES: Final = (LABELS_NAME, REJECTS_NAME, BUILD_NAME, MANIFEST_NAME)  # in the order they are put in place
_LIBRARIES: Final = ("dlib-bin", "numpy", "opencv-python-headless", "pillow", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """What a build came to. ``rejects`` counts rows of rejects.parquet by reason."""

    pictures: int
    faces: int
    splits: dict[str, int]
    rejects: dict[str, int]
    failed_inputs: int
    unmapped_words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What a data set is made of, in any order. ``crops`` and ``labels`` are by face_id; a crop in staging is moved
    from there, any other is left where it is. Of ``faces``, image_path, duplicate_group, identity_group and split are
    the barrier's. ``earlier_splits`` are those of the data set that this one replaces, by face_id: faces keep them."""

    pictures: int
    faces: Sequence[FaceRecord]
    crops: Mapping[str, Path]
    labels: Mapping[str, Sequence[LabelScores]]
    rejects: Sequence[Reject]
    earlier_splits: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def staging_in(out: Path) -> Iterator[Path]:
    """A fresh staging folder in ``out``; thrown away if the block fails.

    Raises:
        DrfhqError: the disk is full, or ``out`` cannot be written to.
    """
    staging = out / STAGING_NAME
    with disk_trouble_told(out):
        _discard(staging)
        staging.mkdir(parents=True)
        try:
            yield staging
        except BaseException:
            _discard(staging)
            raise


def stage(staging: Path, gathered: Gathered, config: BuildConfig) -> BuildSummary:
    """Lay the data set out in ``staging``, its manifest last.

    Raises:
        ManifestError: a crop is not where ``gathered`` says.
    """
    merged = _merge(gathered, config)
    new = staging / "new"
    (new / "images").mkdir(parents=True)
    for face in merged.faces:
        target = new / face.image_path
        target.parent.mkdir(exist_ok=True)
        _place(gathered.crops[face.face_id], target, staging)
    summary = _summary(merged)
    contents = (
        labels_bytes((face.face_id, label) for face in merged.faces for label in merged.labels.get(face.face_id, ())),
        rejects_bytes(merged.rejects),
        _build_json(config, summary),
        manifest_bytes(merged.faces, size_px=config.size, landmark_scheme=IBUG68),
    )
    for name, data in zip(_TABLES, contents, strict=True):
        write_file(new / name, data)
    return summary


def commit(out: Path) -> None:
    """Put the staged data set in place of an old one, whose manifest goes first: at no time does a manifest stand
    beside images of another, and which faces it had is noted first. Staging goes last. Begun and cut, it goes on where
    it was.

    Raises:
        DrfhqError: something in ``out`` cannot be moved; what is left to do, :func:`finish_interrupted` does.
    """
    staging = out / STAGING_NAME
    new = staging / "new"
    with disk_trouble_told(out):
        staged = new / MANIFEST_NAME
        history.record(out, unless=sha256_file(staged) if staged.exists() else "")
        (out / MANIFEST_NAME).unlink(missing_ok=True)
        if (new / "images").exists():
            if (out / "images").exists():
                (out / "images").replace(staging / "old-images")
            (new / "images").replace(out / "images")
        for name in _TABLES:
            if (new / name).exists():
                (new / name).replace(out / name)
    shutil.rmtree(staging, ignore_errors=True)


def finish_interrupted(out: Path) -> None:
    """Finish the commit an earlier run was cut in, if one was."""
    staged = out / STAGING_NAME / "new" / MANIFEST_NAME
    if staged.exists() and not (out / MANIFEST_NAME).exists():
        commit(out)


def _merge(gathered: Gathered, config: BuildConfig) -> Gathered:
    """The barrier, and the numbers it leads to."""
    faces, rejects = merge(gathered.faces, gathered.rejects, config, gathered.earlier_splits)
    faces = [replace(face, image_path=image_path(number)) for number, face in enumerate(faces)]
    return replace(gathered, faces=faces, rejects=rejects)


def _place(crop: Path, target: Path, staging: Path) -> None:
    """Put a crop into the staged data set; one of the old data set must stay, so it gets a second name or is copied."""
    try:
        if crop.is_relative_to(staging):
            crop.replace(target)
        else:
            link_or_copy(crop, target)
    except FileNotFoundError as error:
        raise ManifestError(f"{crop} is missing: the data set is damaged; build it anew") from error


def _discard(staging: Path) -> None:
    """The manifest goes first, lest a cut in between leave what looks like a whole data set."""
    (staging / "new" / MANIFEST_NAME).unlink(missing_ok=True)
    shutil.rmtree(staging, ignore_errors=True)


def _build_json(config: BuildConfig, summary: BuildSummary) -> bytes:
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "pixels_digest": config.pixels_digest,
        "rules_digest": config.rules_digest,
        "settings": asdict(config),
        "counts": asdict(summary),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _summary(merged: Gathered) -> BuildSummary:
    labels = (label for face in merged.faces for label in merged.labels.get(face.face_id, ()))
    return BuildSummary(
        pictures=merged.pictures,
        faces=len(merged.faces),
        splits={split: sum(face.split == split for face in merged.faces) for split in ("train", "val", "test")},
        rejects=dict(sorted(Counter(reject.reason.value for reject in merged.rejects).items())),
        failed_inputs=sum(reject.reason.failed_input for reject in merged.rejects),
        unmapped_words=sum(label.value is None and label.declared is not None for label in labels),
    )
