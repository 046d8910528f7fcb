"""One raw picture → its faces, measured, and aligned where they pass the rules: what a worker process does.

It depends on the picture and the settings alone, and ends as an entry of the ledger. What is said of the picture, and
what the rules make of it, is joined later (:mod:`drfhq_tools.rows`); the rules only save crops nobody would keep.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from drfhq_tools.align import align
from drfhq_tools.atomic import write_file
from drfhq_tools.config import BuildConfig
from drfhq_tools.detect import DetectorSettings, make_detector
from drfhq_tools.errors import DecodeError, DrfhqError, SidecarError
from drfhq_tools.filters import judge
from drfhq_tools.hashing import sha256_bytes, sha256_file
from drfhq_tools.identity import embed
from drfhq_tools.imageio import TooLargeError, encode_png, read_picture
from drfhq_tools.ledger import Ledger, Looked, Seen
from drfhq_tools.quality import measure
from drfhq_tools.records import Detection, FoundFace, Pixels, Reject, RejectReason, SourceImage
from drfhq_tools.sources.base import Found
from drfhq_tools.workers import Engine, run_tasks

Progress = Callable[[str, int, int], None]
"""Called with the stage (``read``, ``faces``), how many are done and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One picture to work on; crops and what was seen go to the ledger in the folder ``work``. Where the faces are
    ``known``, none are looked for: those of ``cut``, by index, are aligned anew, the others stay as they are. Else
    ``detector_model`` holds the weights of a detector that brings none."""

    found: Found
    work: Path
    config: BuildConfig
    detector_model: Path | None = None
    known: Looked | None = None
    cut: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Who does the work: how many at once, on what, and who is told; none of it can change a result."""

    workers: int
    progress: Progress
    engine: Engine = run_tasks


def prepare_process() -> None:
    """Leave Ctrl-C to the parent, and the cores to the other processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


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
    try:
        for face, png in crops.items():
            write_file(ledger.crop(face), png)
        ledger.write(looked)
    except OSError as error:
        raise DrfhqError(
            f"cannot write to {task.work}: {error.strerror}; free some space and run it again: finished pictures are"
            " kept"
        ) from error
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
    """What is seen, and the crops' files by face_id."""
    source = task.found.source
    pixels = read_picture(task.found.file, task.config.max_pixels)
    if sha256_file(task.found.file) != source.sha256:
        raise DecodeError(RejectReason.CHANGED, "the file changed while the build ran; run it again")
    faces: dict[int, Seen] = {}
    crops: dict[str, bytes] = {}
    if task.known:
        faces = {face.face_index: face for face in task.known.faces}
        found = {index: (faces[index].found.detection, faces[index].found.num_faces) for index in sorted(task.cut)}
    else:
        detections = _look_for_faces(pixels, task)
        found = {index: (detection, len(detections)) for index, detection in enumerate(detections)}
    for index, (detection, num_faces) in found.items():
        faces[index], png = _see(task, pixels, detection, index, num_faces)
        if png is not None:
            crops[faces[index].face_id] = png
    height, width = pixels.shape[:2]
    seen = tuple(faces[index] for index in sorted(faces))
    return Looked(sha256=source.sha256, faces=seen, width_px=width, height_px=height), crops


def _look_for_faces(pixels: Pixels, task: Task) -> list[Detection]:
    settings = DetectorSettings(weights=task.detector_model, given=task.found.source.faces)
    return make_detector(task.config.detector, settings).detect(pixels)


def _see(task: Task, pixels: Pixels, detection: Detection, index: int, num_faces: int) -> tuple[Seen, bytes | None]:
    config, sha256 = task.config, task.found.source.sha256
    aligned = align(pixels, detection.quad, config.size)
    measures = measure(aligned.pixels, aligned.pad_fraction, pixels, detection)
    found = FoundFace.of(detection, aligned.pixels, source_sha256=sha256, num_faces=num_faces)
    seen = Seen(face_index=index, found=found, measures=measures)
    if not all(verdict.keep for verdict in judge(measures, config)):
        return seen, None
    png = encode_png(aligned.pixels)
    embedding = embed(aligned.pixels) if config.identity_distance else None
    return replace(seen, image_sha256=sha256_bytes(png), embedding=embedding), png
