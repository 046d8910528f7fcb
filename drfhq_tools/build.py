"""Raw pictures → a data set: scan, a map over the pictures, a barrier that sees all of them, a commit.

The map is parallel and knows nothing of other pictures; the barrier orders its results, so that neither the number
of workers nor the order they finish in leaves a trace. Everything is made in a staging folder inside the output; the
commit is a few renames, and the manifest comes last: a folder with a manifest is whole, one without is no data set.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

from drfhq_tools import __version__
from drfhq_tools.atomic import write_file
from drfhq_tools.config import BuildConfig
from drfhq_tools.dedupe import duplicate_groups
from drfhq_tools.errors import UsageError
from drfhq_tools.faces import Extracted, Task, extract_faces, failure, prepare_process
from drfhq_tools.geometry import IBUG68
from drfhq_tools.manifest.reader import MANIFEST_NAME, read_columns
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.manifest.writer import labels_bytes, manifest_bytes, rejects_bytes
from drfhq_tools.records import FaceRecord, LabelScores, Reject
from drfhq_tools.sources.base import Found
from drfhq_tools.sources.folder import FolderSource
from drfhq_tools.split import assign_splits
from drfhq_tools.workers import run_tasks

STAGING_NAME: Final = ".drfhq-staging"
IMAGES_PER_FOLDER: Final = 1000
_LIBRARIES: Final = ("dlib-bin", "numpy", "opencv-python-headless", "pillow", "pyarrow")

Progress = Callable[[str, int, int], None]
"""Called with the stage (``read``, ``faces``), how many are done and how many there are."""


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
class _Merged:
    """What the barrier makes of all pictures, in final order; ``staged`` names each face's file in staging."""

    faces: list[FaceRecord]
    staged: list[str]
    labels: list[tuple[str, LabelScores]]
    rejects: list[Reject]


def build(raw: Path, out: Path, config: BuildConfig, *, workers: int, progress: Progress) -> BuildSummary:
    """Build the data set of the pictures under ``raw`` in ``out``; an earlier one there with the same settings is
    replaced once the new one is complete.

    Raises:
        UsageError: ``raw`` is no folder, the two lie in each other, or ``out`` holds something else.
        DrfhqError: weights are missing or the disk is full.
    """
    if workers < 1:
        raise UsageError(f"workers is {workers}, must be at least 1")
    _check_folders(raw, out)
    earlier = _check_output(out, config)
    scan = FolderSource(root=raw, on_file=lambda done, total: progress("read", done, total)).scan()
    _check_same_pictures(out, earlier, scan.found)
    staging = out / STAGING_NAME
    shutil.rmtree(staging, ignore_errors=True)
    (staging / "faces").mkdir(parents=True)
    try:
        extracted = _map(scan.found, staging / "faces", config, workers, progress)
        merged = _merge(extracted, scan.rejects, config)
        summary = _summary(len(scan.found), merged)
        files = _stage(staging, merged, config, summary)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _commit(out, staging, files)
    return summary


def _map(
    found: Sequence[Found], staging: Path, config: BuildConfig, workers: int, progress: Progress
) -> list[Extracted]:
    tasks = (Task(found=one, staging=staging, config=config) for one in found)
    results: list[Extracted] = []
    for task, result in run_tasks(extract_faces, tasks, min(workers, len(found) or 1), prepare_process):
        died = failure(task.found.source, "the process died of it, perhaps for lack of memory")
        results.append(result or Extracted(source=task.found.source, rejects=(died,)))
        progress("faces", len(results), len(found))
    return results


def _merge(extracted: Iterable[Extracted], scan_rejects: Iterable[Reject], config: BuildConfig) -> _Merged:
    """The barrier: order, number, find duplicates, split."""
    ordered = sorted(extracted, key=lambda result: result.source.path)
    faces = [face for result in ordered for face in result.faces]
    staged = [face.image_path for face in faces]
    faces = [replace(face, duplicate_group=group) for face, group in zip(faces, duplicate_groups(faces), strict=True)]
    splits = assign_splits(
        faces, val_fraction=config.val_fraction, test_fraction=config.test_fraction, seed=config.split_seed
    )
    faces = [
        replace(face, image_path=image_path(number), split=split)
        for number, (face, split) in enumerate(zip(faces, splits, strict=True))
    ]
    rejects = [*scan_rejects]
    for result in ordered:
        rejects += (replace(reject, source_path=path) for reject in result.rejects for path in result.source.paths)
    rejects.sort(key=lambda r: (r.source_path, -1 if r.face_index is None else r.face_index, r.message))
    labels = [label for result in ordered for label in result.labels]
    return _Merged(faces=faces, staged=staged, labels=labels, rejects=rejects)


def image_path(number: int) -> str:
    """FFHQ's layout: a folder is named by its first number."""
    return f"images/{number - number % IMAGES_PER_FOLDER:05d}/{number:05d}.png"


def _stage(staging: Path, merged: _Merged, config: BuildConfig, summary: BuildSummary) -> list[str]:
    """Lay the new data set out in ``staging/new``; returns its entries, the manifest last."""
    new = staging / "new"
    (new / "images").mkdir(parents=True)
    for name, face in zip(merged.staged, merged.faces, strict=True):
        target = new / face.image_path
        target.parent.mkdir(exist_ok=True)
        (staging / "faces" / name).replace(target)
    tables = {
        "labels.parquet": labels_bytes(merged.labels),
        "rejects.parquet": rejects_bytes(merged.rejects),
        "build.json": _build_json(config, summary),
        MANIFEST_NAME: manifest_bytes(merged.faces, size_px=config.size, landmark_scheme=IBUG68),
    }
    for name, data in tables.items():
        write_file(new / name, data)
    return ["images", *tables]


def _commit(out: Path, staging: Path, names: Sequence[str]) -> None:
    """Put the new data set in place of an old one, whose manifest goes first: at no time does a manifest stand beside
    images of another. Staging goes last, since it marks an unfinished folder as ours to finish."""
    (out / MANIFEST_NAME).unlink(missing_ok=True)
    if (out / "images").exists():
        (out / "images").replace(staging / "old-images")
    for name in names:
        (staging / "new" / name).replace(out / name)
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


def _summary(pictures: int, merged: _Merged) -> BuildSummary:
    return BuildSummary(
        pictures=pictures,
        faces=len(merged.faces),
        splits={split: sum(face.split == split for face in merged.faces) for split in ("train", "val", "test")},
        rejects=dict(sorted(Counter(reject.reason.value for reject in merged.rejects).items())),
        failed_inputs=sum(reject.reason.failed_input for reject in merged.rejects),
        unmapped_words=sum(label.value is None for _, label in merged.labels),
    )


def _check_folders(raw: Path, out: Path) -> None:
    if not raw.is_dir():
        raise UsageError(f"--raw {raw} is no folder; name the folder that holds your pictures")
    inner, outer = out.resolve(), raw.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise UsageError(f"--out {out} and --raw {raw} lie in each other; choose a folder of its own for --out")


def _check_output(out: Path, config: BuildConfig) -> set[str]:
    """Hashes of the pictures of the data set already there, none if there is none; refuses what is not ours."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; choose a folder")
    names = {entry.name for entry in out.iterdir()} if out.exists() else set()
    if MANIFEST_NAME not in names:
        if names and STAGING_NAME not in names:
            raise UsageError(f"--out {out} holds other files and no data set; choose an empty or a new folder")
        return set()
    columns = read_columns(out, ["pixels_digest", "rules_digest", "source_sha256"]).to_pydict()
    for name, ours in (("pixels_digest", config.pixels_digest), ("rules_digest", config.rules_digest)):
        if set(columns[name]) - {ours}:
            raise UsageError(f"{out} holds a data set of other settings; choose another --out, or delete that folder")
    return set(columns["source_sha256"])


def _check_same_pictures(out: Path, earlier: set[str], found: Iterable[Found]) -> None:
    if earlier and earlier.isdisjoint(one.source.sha256 for one in found):
        raise UsageError(f"{out} holds a data set of other pictures; choose another --out, or delete that folder")
