"""One raw picture → its faces, measured, and aligned where they pass the rules: what a worker process does.

It depends on the picture and the settings alone, and ends as an entry of the ledger. What is said of the picture, and
what the rules make of it, is joined later (:mod:`drfhq_tools.build.rows`); the rules only save crops nobody would keep.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2

from drfhq_tools.align import align
from drfhq_tools.atomic import disk_trouble_told, write_file
from drfhq_tools.build.ledger import Ledger, Looked, Seen
from drfhq_tools.config import BuildConfig
from drfhq_tools.detect import DetectorSettings, make_detector
from drfhq_tools.errors import DecodeError, DrfhqError, ModelFileError, SidecarError, UsageError
from drfhq_tools.filters import judge
from drfhq_tools.geometry import points_in_crop
from drfhq_tools.hashing import sha256_bytes, sha256_file
from drfhq_tools.identity import embed
from drfhq_tools.imageio import TooLargeError, decode_picture, encode_png, read_picture
from drfhq_tools.labels import Labeler, labeler_weights, make_labeler
from drfhq_tools.labels.asked import answers, asked, unanswered
from drfhq_tools.quality import measure
from drfhq_tools.records import Detection, FoundFace, Pixels, Reject, RejectReason, SourceImage
from drfhq_tools.sources.base import Found
from drfhq_tools.workers import Engine, run_tasks

Progress = Callable[[str, int, int], None]
"""Called with the stage (``read``, ``faces``), how many are done and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """The files of the networks that a build asks: of a detector that brings none, and of labelers by name."""

    detector: Path | None = None
    labelers: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One picture to work on; crops and what was seen go to the ledger in the folder ``work``. Where the faces are
    ``known``, none are looked for: those of ``cut``, by index, are aligned anew, those of ``ask`` have a crop, at the
    place given, of which networks are asked what they were not, and the others stay as they are."""

    found: Found
    work: Path
    config: BuildConfig
    models: Models = field(default_factory=Models)
    known: Looked | None = None
    cut: frozenset[int] = frozenset()
    ask: Mapping[int, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Who does the work: how many at once, on what, and who is told; none of it can change a result."""

    workers: int
    progress: Progress
    engine: Engine = run_tasks

    def __post_init__(self) -> None:
        """Raises UsageError where nobody is to work."""
        if self.workers < 1:
            raise UsageError(f"workers is {self.workers}, must be at least 1")


def with_labelers(config: BuildConfig, given: Mapping[str, Path]) -> tuple[BuildConfig, dict[str, Path]]:
    """The settings with the hashes of the labelers' weights, and the files by labeler: those ``given``, else the
    registry's. Missing ones show before any work.

    Raises:
        UsageError: a file is given for a labeler that is not asked, it is not the one the settings name, or race is
            asked for and no labeler knows it.
        ModelFileError: a file is missing or damaged.
    """
    wanted = config.labeler_hashes
    idle = sorted(set(given) - set(wanted))
    if idle:
        raise UsageError(f"a model file is given for {', '.join(idle)}, which is not asked: name it with --labeler")
    if config.predict_race and not any("race" in attributes for attributes in asked(config).values()):
        raise UsageError(f"predict_race asks for race, of which none of {config.labelers} knows")
    files = {name: labeler_weights(name, given.get(name)) for name in wanted}
    for name, file in files.items():
        if wanted[name] not in {"", file.sha256}:
            raise UsageError(
                f"{file.path} is not the model file of {name} in labeler_weights: its sha256 is {file.sha256}, not "
                f"{wanted[name]}"
            )
    hashes = ",".join(file.sha256 for file in files.values())
    return replace(config, labeler_weights=hashes), {name: file.path for name, file in files.items()}


def prepare_process() -> None:
    """Leave Ctrl-C to the parent, and the cores to the other processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # read by what a labeler may load later


def look_at_all(tasks: Sequence[Task], hands: Hands, done: int = 0) -> dict[str, Looked | Reject]:
    """:func:`look_at` of each task, by its picture's hash; a picture that kills its process is a reject. ``done`` are
    those that need no work, for the progress."""
    results: dict[str, Looked | Reject] = {}
    hands.progress("faces", done, done + len(tasks))
    for task, result in hands.engine(look_at, tasks, min(hands.workers, len(tasks) or 1), prepare_process):
        source = task.found.source
        results[source.sha256] = result or failure(source, "the process died of it, perhaps for lack of memory")
        hands.progress("faces", done + len(results), done + len(tasks))
    return results


def look_at(task: Task) -> Looked | Reject:
    """All faces of one picture, noted in the ledger; trouble with the picture is a reject, and is not.

    Raises:
        DrfhqError: trouble that is not the picture's, such as missing weights or a full disk.
    """
    source = task.found.source
    try:
        looked, crops = _look_at(task)
    except DecodeError as error:
        return _undecoded(source, error, task.config)
    except SidecarError as error:
        return Reject.of_picture(source, RejectReason.BAD_SIDECAR, str(error))
    except DrfhqError:
        raise
    except Exception as error:  # an item's failure is data
        return failure(source, f"{type(error).__name__}: {error}")
    ledger = Ledger(task.work)
    with disk_trouble_told(task.work):
        for face, png in crops.items():
            write_file(ledger.crop(face), png)
        ledger.write(looked)
    return looked


def failure(source: SourceImage, message: str) -> Reject:
    """The reject of a picture the program failed on."""
    return Reject.of_picture(source, RejectReason.FAILED, message)


def _undecoded(source: SourceImage, error: DecodeError, config: BuildConfig) -> Reject:
    reject = Reject.of_picture(source, RejectReason(error.reason), str(error))
    if not isinstance(error, TooLargeError):
        return reject
    return replace(reject, rule="max_megapixels", value=error.pixels / 1e6, threshold=config.max_megapixels)


def _look_at(task: Task) -> tuple[Looked, dict[str, bytes]]:
    """What is seen, and the files of new crops by face_id."""
    if task.known is None:
        pixels = _read(task)
        detections = _look_for_faces(pixels, task)
        cut = {index: (detection, len(detections)) for index, detection in enumerate(detections)}
        return _cut(task, pixels, Looked(sha256=task.found.source.sha256), cut)
    faces = {face.face_index: face for face in task.known.faces}
    for index, crop in task.ask.items():
        faces[index] = _ask(task, faces[index], decode_picture(crop.read_bytes(), task.config.size**2))
    known = replace(task.known, faces=tuple(faces[index] for index in sorted(faces)))
    if not task.cut:
        return known, {}
    cut = {index: (faces[index].found.detection, faces[index].found.num_faces) for index in sorted(task.cut)}
    return _cut(task, _read(task), known, cut)


def _read(task: Task) -> Pixels:
    pixels = read_picture(task.found.file, task.config.max_pixels)
    if sha256_file(task.found.file) != task.found.source.sha256:
        raise DecodeError(RejectReason.CHANGED, "the file changed while the build ran; run it again")
    return pixels


def _look_for_faces(pixels: Pixels, task: Task) -> list[Detection]:
    settings = DetectorSettings(weights=task.models.detector, given=task.found.source.faces)
    return make_detector(task.config.detector, settings).detect(pixels)


def _cut(
    task: Task, pixels: Pixels, known: Looked, cut: Mapping[int, tuple[Detection, int]]
) -> tuple[Looked, dict[str, bytes]]:
    """The same with these faces aligned; each comes with how many its picture has."""
    faces = {face.face_index: face for face in known.faces}
    crops: dict[str, bytes] = {}
    for index, (detection, num_faces) in cut.items():
        faces[index], png = _see(task, pixels, detection, index, num_faces)
        if png is not None:
            crops[faces[index].face_id] = png
    height, width = pixels.shape[:2]
    seen = tuple(faces[index] for index in sorted(faces))
    return replace(known, faces=seen, width_px=width, height_px=height), crops


def _see(task: Task, pixels: Pixels, detection: Detection, index: int, num_faces: int) -> tuple[Seen, bytes | None]:
    config, sha256 = task.config, task.found.source.sha256
    aligned = align(pixels, detection.quad, config.size)
    measures = measure(aligned.pixels, aligned.pad_fraction, pixels, detection)
    found = FoundFace.of(detection, aligned.pixels, source_sha256=sha256, num_faces=num_faces)
    seen = Seen(face_index=index, found=found, measures=measures)
    if not all(verdict.keep for verdict in judge(measures, config)):
        return seen, None
    png = encode_png(aligned.pixels)
    return _ask(task, replace(seen, image_sha256=sha256_bytes(png)), aligned.pixels), png


def _ask(task: Task, seen: Seen, crop: Pixels) -> Seen:
    """The same with all that the settings ask networks of its crop."""
    config = task.config
    embedding = seen.embedding
    if config.identity_distance and embedding is None:
        embedding = embed(crop)
    detection = seen.found.detection
    landmarks = points_in_crop(detection.landmarks, detection.quad, config.size)
    new = unanswered(seen.predictions, config)
    said = [label for label in seen.predictions if label.labeler not in new]
    for name in new:
        said += _labeler(name, task.models.labelers[name], config.labeler_hashes[name]).label(crop, landmarks)
    predictions = answers(said, config)
    assert not unanswered(predictions, config), "a labeler says all that it speaks of"
    return replace(seen, embedding=embedding, predictions=predictions)


@functools.cache
def _labeler(name: str, weights: Path, sha256: str) -> Labeler:
    """One a process.

    Raises:
        ModelFileError: the file is another than when the build began.
    """
    labeler = make_labeler(name, weights)
    if labeler.weights_sha256 != sha256:
        raise ModelFileError(f"{weights} changed while the build ran; run it again")
    return labeler
