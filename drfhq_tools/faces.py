"""One raw picture → its aligned faces, measured, judged and labelled: what a worker process does.

It depends on the picture and the settings alone. What needs all pictures at once (numbers, duplicates, splits) is left
to the barrier of :mod:`drfhq_tools.assemble`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import cv2

from drfhq_tools import __version__
from drfhq_tools.align import align
from drfhq_tools.atomic import write_file
from drfhq_tools.config import BuildConfig
from drfhq_tools.detect import DetectorSettings, make_detector
from drfhq_tools.errors import DecodeError, DrfhqError, SidecarError
from drfhq_tools.filters import judge, reject_for
from drfhq_tools.hashing import face_id, sha256_bytes, sha256_file
from drfhq_tools.identity import embed
from drfhq_tools.imageio import TooLargeError, encode_png, read_picture
from drfhq_tools.labels.declared import DeclaredLabeler
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.quality import measure
from drfhq_tools.ratings import is_minor
from drfhq_tools.records import (
    Detection,
    FaceRecord,
    FoundFace,
    LabelScores,
    Pixels,
    Reject,
    RejectReason,
    SourceImage,
)
from drfhq_tools.sources.base import Found
from drfhq_tools.withheld import mature_minor
from drfhq_tools.workers import run_tasks

_LABELERS: Final = (DeclaredLabeler(),)


Progress = Callable[[str, int, int], None]
"""Called with the stage (``read``, ``faces``), how many are done and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Faces found in a picture earlier: some or all of its ``num_faces``, by face index."""

    num_faces: int
    detections: Mapping[int, Detection]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One picture to work on; crops are written to ``staging`` as FACE_ID.png. Only where no face is ``known``, faces
    are looked for, with the weights in ``detector_model`` by a detector that brings none."""

    found: Found
    staging: Path
    config: BuildConfig
    detector_model: Path | None = None
    known: Known | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What became of one picture. In ``faces``, ``image_path`` is the name in the staging folder, and
    ``duplicate_group`` and ``split`` are empty: all three are the barrier's to fill. ``labels`` are by face_id."""

    source: SourceImage
    faces: tuple[FaceRecord, ...] = ()
    labels: Mapping[str, tuple[LabelScores, ...]] = field(default_factory=dict)
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    record: FaceRecord
    labels: tuple[LabelScores, ...]
    png: bytes


def prepare_process() -> None:
    """Leave Ctrl-C to the parent, and the cores to the other processes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def extract_all(tasks: Sequence[Task], workers: int, progress: Progress) -> list[Extracted]:
    """:func:`extract_faces` of each task, in the order they finish; a picture that kills its process is a reject."""
    results: list[Extracted] = []
    for task, result in run_tasks(extract_faces, tasks, min(workers, len(tasks) or 1), prepare_process):
        died = failure(task.found.source, "the process died of it, perhaps for lack of memory")
        results.append(result or Extracted(source=task.found.source, rejects=(died,)))
        progress("faces", len(results), len(tasks))
    return results


def extract_faces(task: Task) -> Extracted:
    """Every face of one picture. Trouble with the picture is a reject.

    Raises:
        DrfhqError: trouble that is not the picture's, such as missing weights or a full disk.
    """
    source = task.found.source
    try:
        kept, rejects = _extract(task)
    except DecodeError as error:
        return Extracted(source=source, rejects=(_undecoded(source, error, task.config),))
    except SidecarError as error:
        bad = Reject(source_path=source.path, reason=RejectReason.BAD_SIDECAR, message=str(error))
        return Extracted(source=source, rejects=(bad,))
    except DrfhqError:
        raise
    except Exception as error:  # an item's failure is data
        return Extracted(source=source, rejects=(failure(source, f"{type(error).__name__}: {error}"),))
    try:
        for face in kept:
            write_file(task.staging / face.record.image_path, face.png)
    except OSError as error:
        raise DrfhqError(
            f"cannot write to {task.staging}: {error.strerror}; free some space or choose another --out"
        ) from error
    return Extracted(
        source=source,
        faces=tuple(face.record for face in kept),
        labels={face.record.face_id: face.labels for face in kept},
        rejects=tuple(rejects),
    )


def failure(source: SourceImage, message: str) -> Reject:
    """The reject of a picture the program failed on."""
    return Reject(source_path=source.path, reason=RejectReason.FAILED, message=message)


def _undecoded(source: SourceImage, error: DecodeError, config: BuildConfig) -> Reject:
    reject = Reject(source_path=source.path, reason=RejectReason(error.reason), message=str(error))
    if not isinstance(error, TooLargeError):
        return reject
    return Reject(
        source_path=source.path,
        reason=reject.reason,
        message=reject.message,
        rule="max_megapixels",
        value=error.pixels / 1e6,
        threshold=config.max_megapixels,
    )


def _extract(task: Task) -> tuple[list[_Kept], list[Reject]]:
    source, config = task.found.source, task.config
    pixels = read_picture(task.found.file, config.max_pixels)
    if sha256_file(task.found.file) != source.sha256:
        raise DecodeError(RejectReason.CHANGED, "the file changed while the build ran; run it again")
    known = task.known or _look_for_faces(pixels, task)
    if not known.detections:
        message = "no face is given beside it" if config.detector == "precomputed" else "no face found"
        return [], [Reject(source_path=source.path, reason=RejectReason.NO_FACE, message=message)]
    kept: list[_Kept] = []
    rejects: list[Reject] = []
    for index, detection in known.detections.items():
        face = _face(task, pixels, detection, index, known.num_faces)
        if isinstance(face, Reject):
            rejects.append(face)
        else:
            kept.append(face)
    return kept, rejects


def _look_for_faces(pixels: Pixels, task: Task) -> Known:
    settings = DetectorSettings(weights=task.detector_model, given=task.found.source.faces)
    detections = make_detector(task.config.detector, settings).detect(pixels)
    return Known(num_faces=len(detections), detections=dict(enumerate(detections)))


def _face(task: Task, pixels: Pixels, detection: Detection, index: int, num_faces: int) -> _Kept | Reject:
    source, config = task.found.source, task.config
    quad = detection.quad
    aligned = align(pixels, quad, config.size)
    measures = measure(aligned.pixels, aligned.pad_fraction, pixels, detection)
    found = FoundFace.of(detection, aligned.pixels, source_sha256=source.sha256, num_faces=num_faces)
    labels = tuple(label for labeler in _LABELERS for label in labeler.label(source, num_faces, aligned.pixels))
    origin = _origin(source, num_faces)
    attributes = _attributes(labels)
    minor = is_minor(source.declared.age_years if num_faces == 1 else None, _text(attributes.get("age_group")))
    reject = reject_for(judge(measures, config), source.path, index, measures) or mature_minor(source, index, minor)
    if reject is not None:
        return replace(reject, found=found, measures=measures)
    png = encode_png(aligned.pixels)
    name = face_id(source.sha256, index)
    values: dict[str, Any] = {
        **origin,
        **asdict(found),
        **asdict(measures),
        **attributes,
    }
    record = FaceRecord(
        **values,
        face_id=name,
        image_path=f"{name}.png",
        image_sha256=sha256_bytes(png),
        size_px=config.size,
        source_width_px=pixels.shape[1],
        source_height_px=pixels.shape[0],
        face_index=index,
        minor=minor,
        duplicate_group="",
        identity_embedding=embed(aligned.pixels) if config.identity_distance else None,
        split="",
        schema_version=SCHEMA_VERSION,
        tool_version=__version__,
        pixels_digest=config.pixels_digest,
        rules_digest=config.rules_digest,
    )
    return _Kept(record, labels, png)


def _origin(source: SourceImage, num_faces: int) -> dict[str, object]:
    """The columns that come from the picture; what is said of the person only where there is one."""
    person: dict[str, object] = {}
    if num_faces == 1:
        declared = source.declared
        person = {name: getattr(declared, name) for name in ("subject_id", "age_years", "race_vocabulary")}
    return {
        "source_path": source.path,
        "source_paths": source.paths,
        **asdict(source.provenance),
        **person,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _attributes(labels: Iterable[LabelScores]) -> dict[str, object]:
    """The five columns of each labelled attribute."""
    columns: dict[str, object] = {}
    for label in labels:
        columns |= {
            label.attribute: label.value,
            f"{label.attribute}_status": label.status,
            f"{label.attribute}_probability": max(label.probabilities, default=None),
            f"{label.attribute}_labeler": label.labeler,
            f"{label.attribute}_declared": label.declared,
        }
    return columns
