"""What people decided of faces they looked at: ``reviews.jsonl`` in a data set, which only ever grows.

A line is an object (``face_id``, ``verdict``, ``labels``, ``reviewer``, ``reviewed_at``) that holds all that is settled
of one face after a decision, so a face's last line is what counts, and a decision is undone by stating again what was
settled before it. The next build, filter or merge applies what it finds. Only a removal takes lines out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, Literal

from filelock import FileLock

from drfhq_tools.atomic import write_file
from drfhq_tools.errors import DrfhqError, ManifestError, UsageError
from drfhq_tools.hashing import is_face_id
from drfhq_tools.records.labels import VOCABULARY

FILE_NAME: Final = "reviews.jsonl"
VERDICTS: Final = ("keep", "reject")
_LOCK_NAME: Final = ".drfhq-reviews-lock"
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """All that is settled of one face. ``labels`` has a class of the vocabulary for each attribute that was reviewed,
    None where it was found that it cannot be told; an attribute left out was not reviewed. A review without a verdict
    and labels takes back what was settled before. ``reviewed_at`` is ISO 8601 in UTC."""

    face_id: str
    verdict: Literal["keep", "reject"] | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    reviewer: str
    reviewed_at: str

    def __post_init__(self) -> None:
        """Raises UsageError for what no review can say."""
        if not (isinstance(self.face_id, str) and is_face_id(self.face_id)):
            raise UsageError(f"{self.face_id!r} is no face_id: 32 hexadecimal digits in small letters")
        if self.verdict is not None and self.verdict not in VERDICTS:
            raise UsageError(f"verdict is {self.verdict!r}, must be {' or '.join(VERDICTS)}")
        for attribute, value in self.labels.items():
            if attribute not in VOCABULARY:
                raise UsageError(f"there is no attribute {attribute!r}; known are {', '.join(VOCABULARY)}")
            if value is not None and value not in VOCABULARY[attribute]:
                raise UsageError(f"{attribute} is {value!r}, must be one of {', '.join(VOCABULARY[attribute])}")
        if not isinstance(self.reviewer, str) or not self.reviewer.strip():
            raise UsageError("a review names its reviewer")
        if not _is_utc(self.reviewed_at):
            raise UsageError(f"reviewed_at is {self.reviewed_at!r}, must be ISO 8601 in UTC, as 2026-01-31T12:00:00Z")


def append_reviews(data: Path, *reviews: Review) -> None:
    """Note reviews in the data set ``data``; they are on the disk when this returns. Several processes may do so at
    once.

    Raises:
        DrfhqError: they cannot be written; the first of them may have been.
    """
    lines = (json.dumps(asdict(review), ensure_ascii=False, separators=(",", ":")) + "\n" for review in reviews)
    path = data / FILE_NAME
    try:
        with _held(data), path.open("a+b") as file:
            _mend_end(file)
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # a lock that nobody gives back is one, too
        raise DrfhqError(f"cannot write to {path}: {error.strerror or error}; nothing was noted") from error


def read_reviews(data: Path) -> dict[str, Review]:
    """What is settled of each face, by face_id; empty where nothing was reviewed. A last line that was cut, since its
    writer was, is passed over.

    Raises:
        ManifestError: another line is no review.
    """
    return {review.face_id: review for _, review in _lines(data / FILE_NAME)}


def forget_reviews(data: Path, faces: Iterable[str]) -> None:
    """Take all lines of these faces out, for a removal.

    Raises:
        ManifestError: a line is no review.
        OSError: it cannot be written.
    """
    path, gone = data / FILE_NAME, set(faces)
    with _held(data):
        lines = list(_lines(path))
        kept = [line for line, review in lines if review.face_id not in gone]
        if len(kept) < len(lines):
            write_file(path, b"".join(line + b"\n" for line in kept))


def _lines(path: Path) -> list[tuple[bytes, Review]]:
    try:
        *lines, last = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror or error}") from error
    if _is_whole(last):
        lines.append(last)
    reviews = []
    for number, line in enumerate(lines, start=1):
        try:
            reviews.append((line, _review(line)))
        except (ValueError, TypeError, KeyError, AttributeError, UsageError) as error:
            raise ManifestError(
                f"{path}, line {number} is no review ({error}): mend that line, or take it out"
            ) from error
    return reviews


def _review(line: bytes) -> Review:
    row = json.loads(line)
    return Review(
        face_id=row["face_id"],
        verdict=row["verdict"],
        labels=dict(row["labels"]),
        reviewer=row["reviewer"],
        reviewed_at=row["reviewed_at"],
    )


@contextmanager
def _held(data: Path) -> Iterator[None]:
    """Hold the file against other writers, waiting for them; the lock's file goes before the lock, as in
    :mod:`drfhq_tools.lock`."""
    lock = FileLock(data / _LOCK_NAME, timeout=_PATIENCE_S)
    with lock:
        try:
            yield
        finally:
            with suppress(OSError):  # Windows lets nobody remove an open file; one left there locks nothing
                Path(lock.lock_file).unlink()


def _mend_end(file: BinaryIO) -> None:
    """Let the next line begin on its own: a last one that was cut is taken off, one that lacks but its end gets it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if file.read() in {b"", b"\n"}:
        return
    file.seek(0)
    *_, last = file.read().split(b"\n")
    if _is_whole(last):
        file.write(b"\n")
    else:
        file.truncate(size - len(last))


def _is_whole(line: bytes) -> bool:
    """Whether a line without its end holds all of an object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _is_utc(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False
