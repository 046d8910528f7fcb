"""Raw pictures → a data set: scan, recall or look at each picture, and what all of them make.

The same command goes on where it was stopped, whatever stopped it, and redoes no picture that was finished: neither of
a run that was cut nor of a data set that lies there. A folder with a manifest is whole, one without is no data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from drfhq_tools import __version__
from drfhq_tools.atomic import disk_trouble_told
from drfhq_tools.build.assemble import STAGING_NAME, BuildSummary, commit, finish_interrupted, stage, staging_in
from drfhq_tools.build.gather import Gathering, Memory
from drfhq_tools.build.ledger import WORK_NAME, Looked, differing, entry_digest, looked_of, open_ledger
from drfhq_tools.build.look import Hands, Models, with_labelers
from drfhq_tools.build.shards import (
    SHARDS_NAME,
    Shard,
    ShardSummary,
    discard_shards,
    finish_shard,
    read_shards,
    shards_held,
)
from drfhq_tools.build.withheld import withhold
from drfhq_tools.config import BuildConfig
from drfhq_tools.detect import weights_for
from drfhq_tools.errors import ManifestError, UsageError
from drfhq_tools.lock import LOCK_NAME, locked
from drfhq_tools.manifest.built import Built, read_build
from drfhq_tools.manifest.reader import MANIFEST_NAME, open_manifest, read_labels, read_rejects
from drfhq_tools.manifest.reviews import FILE_NAME as REVIEWS_NAME
from drfhq_tools.manifest.reviews import read_reviews
from drfhq_tools.manifest.tombstones import FILE_NAME as TOMBSTONES_NAME
from drfhq_tools.manifest.tombstones import gather_tombstones
from drfhq_tools.sources.base import Found, Scan
from drfhq_tools.sources.folder import FolderSource

_OURS: Final = frozenset({LOCK_NAME, STAGING_NAME, WORK_NAME, SHARDS_NAME, TOMBSTONES_NAME, REVIEWS_NAME})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """The data set that lies in the output folder: what it says of its pictures, where its crops are, how its faces
    were dealt, and the hashes of their pictures; empty where there is none."""

    looked: Mapping[str, Looked] = field(default_factory=dict)
    crops: Mapping[str, Path] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    pictures: frozenset[str] = frozenset()


def build(
    raw: Path,
    out: Path,
    config: BuildConfig,
    *,
    hands: Hands,
    models: Models | None = None,
    tombstones: Sequence[Path] = (),
) -> BuildSummary:
    """Build the data set of the pictures under ``raw`` in ``out``. An earlier one there with crops alike is brought up
    to date, and stays whole until the new one is. ``models`` are model files that are not to be taken from the models
    folder. Pictures named in the files ``tombstones``, or in those of either folder, stay out. What people decided of
    faces, in ``out``, is applied.

    Raises:
        UsageError: ``raw`` is no folder, the two lie in each other, ``out`` holds something else or crops of other
            settings, or a file of tombstones is missing.
        DrfhqError: weights are missing, the disk is full, or another build is at work in ``out``; finished pictures
            are kept.
    """
    config, models = _prepare(raw, out, config, models or Models())
    with locked(out):
        finish_interrupted(out)
        earlier = _earlier(out, config)
        scan = _scan(raw, hands)
        _check_same_pictures(out, earlier.pictures, scan.found)
        scan = withhold(scan, gather_tombstones([raw, out], tombstones), keep_mature=config.keep_mature)
        reviews = read_reviews(out)
        with disk_trouble_told(out):
            ledger = open_ledger(out / WORK_NAME, config)
        memory = Memory(ledger=ledger, earlier=earlier.looked, earlier_crops=earlier.crops)
        gathering = Gathering(scan=scan, memory=memory, config=config, models=models, reviews=reviews)
        gathered = gathering.gather(hands, earlier.splits)
        with staging_in(out) as staging:
            summary = stage(staging, gathered, config)
        commit(out)
        ledger.discard()
    return summary


def build_shard(
    raw: Path,
    out: Path,
    config: BuildConfig,
    shard: Shard,
    *,
    hands: Hands,
    models: Models | None = None,
    tombstones: Sequence[Path] = (),
) -> ShardSummary:
    """Look at one share of the pictures under ``raw``, for :func:`merge_shards` to make a data set of all shares.

    Raises:
        UsageError: as :func:`build` does.
        DrfhqError: as :func:`build` does.
    """
    config, models = _prepare(raw, out, config, models or Models())
    folder = shard.folder(out)
    earlier = _earlier(out, config)
    with locked(folder), disk_trouble_told(out):
        shard.unmark(out)
        ledger = open_ledger(folder, config)
        scan = _scan(raw, hands, shard)
        listing = scan.listing
        scan = withhold(scan, gather_tombstones([raw, out], tombstones), keep_mature=config.keep_mature)
        memory = Memory(ledger=ledger, earlier=earlier.looked, earlier_crops=earlier.crops)
        # Verdicts may be taken back before the merge, which cuts nothing: they are applied there alone.
        gathering = Gathering(scan=scan, memory=memory, config=config, models=models)
        return finish_shard(shard, out, gathering, listing, hands)


def merge_shards(data: Path) -> BuildSummary | None:
    """Make the data set of all shards in ``data``, the same as one build gives, and take the shards away; None where
    all was merged before.

    Raises:
        UsageError: shards are missing, or not of one build.
        DrfhqError: the disk is full, or a shard is at work.
    """
    if not data.is_dir():
        raise UsageError(f"there is no folder {data}")
    with locked(data):
        finish_interrupted(data)
        if not (data / SHARDS_NAME).is_dir():
            if (data / MANIFEST_NAME).is_file():
                return None
            raise UsageError(f"{data} has no shards: run `drfhq build --shard i/N` for each i first")
        with shards_held(data):
            shares = read_shards(data)
            config = shares.config
            scan = withhold(shares.scan, gather_tombstones([data]), keep_mature=config.keep_mature)
            gathered = shares.gathered(scan, _earlier(data, config).splits, read_reviews(data))
            with staging_in(data) as staging:
                summary = stage(staging, gathered, config)
            commit(data)
        discard_shards(data)
    return summary


def _prepare(raw: Path, out: Path, config: BuildConfig, given: Models) -> tuple[BuildConfig, Models]:
    """What can be wrong without a look at a picture; the settings with the hashes of models, and their files."""
    _check_folders(raw, out)
    config, detector = _settle_weights(config, given.detector)
    config, labelers = with_labelers(config, given.labelers)
    return config, Models(detector=detector, labelers=labelers)


def _scan(raw: Path, hands: Hands, shard: Shard | None = None) -> Scan:
    source = FolderSource(
        root=raw,
        on_file=lambda done, total: hands.progress("read", done, total),
        share=(shard.index, shard.count) if shard else None,
    )
    return source.scan()


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
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; choose a folder")
    names = {entry.name for entry in out.iterdir()} if out.exists() else set()
    if MANIFEST_NAME not in names and names and not names & _OURS:
        raise UsageError(f"--out {out} holds other files and no data set; choose an empty or a new folder")


def _earlier(out: Path, config: BuildConfig) -> _Earlier:
    """The data set already there; refuses one whose crops are of other settings."""
    if not (out / MANIFEST_NAME).is_file():
        return _Earlier()
    faces = open_manifest(out).faces
    built = _built(out)
    if {face.pixels_digest for face in faces} - {config.pixels_digest} or (
        built and built.config.pixels_digest != config.pixels_digest
    ):
        how = f" ({differing(built.config, config)})" if built else ""
        raise UsageError(
            f"{out} holds a data set of other settings{how}, so all its crops would change: choose another --out, or"
            " delete that folder"
        )
    looked: dict[str, Looked] = {}
    same = built and built.tool_version == __version__ and entry_digest(built.config) == entry_digest(config)
    if same:
        try:
            looked = looked_of(faces, read_rejects(out), read_labels(out))
        except ManifestError:
            looked = {}  # a damaged table is made anew
    dealt_alike = built is None or config.deals_like(built.config)
    return _Earlier(
        looked=looked,
        crops={face.face_id: out / face.image_path for face in faces},
        splits={face.face_id: face.split for face in faces} if dealt_alike else {},
        pictures=frozenset(face.source_sha256 for face in faces),
    )


def _built(out: Path) -> Built | None:
    try:
        return read_build(out)
    except ManifestError:
        return None


def _check_same_pictures(out: Path, earlier: frozenset[str], found: Iterable[Found]) -> None:
    if earlier and earlier.isdisjoint(one.source.sha256 for one in found):
        raise UsageError(f"{out} holds a data set of other pictures; choose another --out, or delete that folder")
