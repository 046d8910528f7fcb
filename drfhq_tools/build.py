"""Raw pictures → a data set: scan, a map over the pictures, and what :mod:`drfhq_tools.assemble` makes of it.

The map is parallel and knows nothing of other pictures. A folder with a manifest is whole, one without is no data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from drfhq_tools.assemble import (
    STAGING_NAME,
    BuildSummary,
    Gathered,
    commit,
    finish_interrupted,
    stage,
    staging_in,
)
from drfhq_tools.config import BuildConfig
from drfhq_tools.detect import weights_for
from drfhq_tools.errors import UsageError
from drfhq_tools.faces import Extracted, Progress, Task, extract_all
from drfhq_tools.manifest.reader import MANIFEST_NAME, read_columns
from drfhq_tools.sources.base import Found, Scan
from drfhq_tools.sources.folder import FolderSource
from drfhq_tools.tombstones import gather_tombstones
from drfhq_tools.withheld import withhold


def build(
    raw: Path,
    out: Path,
    config: BuildConfig,
    *,
    workers: int,
    progress: Progress,
    detector_model: Path | None = None,
    tombstones: Sequence[Path] = (),
) -> BuildSummary:
    """Build the data set of the pictures under ``raw`` in ``out``; an earlier one there with the same settings is
    replaced once the new one is complete. ``detector_model`` is the detector's model file, for one that brings none and
    whose own is not to be taken from the models folder. Pictures named in the files ``tombstones``, or in those of
    either folder, stay out.

    Raises:
        UsageError: ``raw`` is no folder, the two lie in each other, ``out`` holds something else, or a file of
            tombstones is missing.
        DrfhqError: weights are missing or the disk is full.
    """
    if workers < 1:
        raise UsageError(f"workers is {workers}, must be at least 1")
    _check_folders(raw, out)
    config, detector_model = _settle_weights(config, detector_model)
    finish_interrupted(out)
    pictures, splits = _check_output(out, config)
    scan = FolderSource(root=raw, on_file=lambda done, total: progress("read", done, total)).scan()
    _check_same_pictures(out, pictures, scan.found)
    stones = gather_tombstones([raw, out], tombstones)
    scan = withhold(scan, stones, keep_mature=config.keep_mature)
    with staging_in(out) as staging:
        crops = staging / "faces"
        tasks = [Task(found=one, staging=crops, config=config, detector_model=detector_model) for one in scan.found]
        gathered = _gather(scan, extract_all(tasks, workers, progress), crops)
        summary = stage(staging, replace(gathered, earlier_splits=splits), config)
    commit(out)
    return summary


def _gather(scan: Scan, extracted: Sequence[Extracted], crops: Path) -> Gathered:
    """All pictures' faces and rejects; what was rejected of identical files is said of each."""
    rejects = (
        replace(reject, source_path=path) for one in extracted for reject in one.rejects for path in one.source.paths
    )
    return Gathered(
        pictures=len(scan.found),
        faces=[face for one in extracted for face in one.faces],
        crops={face.face_id: crops / face.image_path for one in extracted for face in one.faces},
        labels={face: labels for one in extracted for face, labels in one.labels.items()},
        rejects=[*scan.rejects, *rejects],
    )


def _settle_weights(config: BuildConfig, model: Path | None) -> tuple[BuildConfig, Path | None]:
    """The settings with the hash of the detector's model file, and that file; missing weights show before any work."""
    weights = weights_for(config.detector, model)
    if weights is None:
        return config, None
    if config.detector_weights not in {"", weights.sha256}:
        raise UsageError(
            f"{weights.path} is not the model file of detector_weights: its sha256 is {weights.sha256}, not "
            f"{config.detector_weights}"
        )
    return replace(config, detector_weights=weights.sha256), weights.path


def _check_folders(raw: Path, out: Path) -> None:
    if not raw.is_dir():
        raise UsageError(f"--raw {raw} is no folder; name the folder that holds your pictures")
    inner, outer = out.resolve(), raw.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise UsageError(f"--out {out} and --raw {raw} lie in each other; choose a folder of its own for --out")


def _check_output(out: Path, config: BuildConfig) -> tuple[set[str], dict[str, str]]:
    """Hashes of the pictures of the data set already there and the splits of its faces, none if there is none; refuses
    what is not ours."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; choose a folder")
    names = {entry.name for entry in out.iterdir()} if out.exists() else set()
    if MANIFEST_NAME not in names:
        if names and STAGING_NAME not in names:
            raise UsageError(f"--out {out} holds other files and no data set; choose an empty or a new folder")
        return set(), {}
    columns = read_columns(out, ["pixels_digest", "rules_digest", "source_sha256", "face_id", "split"]).to_pydict()
    for name, ours in (("pixels_digest", config.pixels_digest), ("rules_digest", config.rules_digest)):
        if set(columns[name]) - {ours}:
            raise UsageError(f"{out} holds a data set of other settings; choose another --out, or delete that folder")
    return set(columns["source_sha256"]), dict(zip(columns["face_id"], columns["split"], strict=True))


def _check_same_pictures(out: Path, earlier: set[str], found: Iterable[Found]) -> None:
    if earlier and earlier.isdisjoint(one.source.sha256 for one in found):
        raise UsageError(f"{out} holds a data set of other pictures; choose another --out, or delete that folder")
