"""Pictures decoded once into a memory-mapped array (N, R, R, 3) uint8, by several processes.

``x.npy`` is the array; ``x.json`` beside it says what it is of, and is written last: the mark that it is whole. While
it is filled it is ``x.npy.part``, and ``x.journal`` names the rows that have reached the disk, so that a fill that was
stopped goes on. A lock lets one process fill, and others that want the same wait for it.

A picture that is not there, cannot be decoded or is not the one the manifest names by its hash leaves its row black and
is listed with the reason.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from filelock import FileLock

from drfhq_tools.atomic import write_file
from drfhq_tools.errors import DrfhqError
from drfhq_tools.hashing import sha256_bytes
from drfhq_tools.imageio import decode_picture
from drfhq_tools.manifest import Manifest
from drfhq_tools.workers import run_tasks
from transfer.errors import ConfigError, TransferError
from transfer.pictures.places import GroupPiece, Piece, pieces
from transfer.pictures.resize import Pixels, resized

FORMAT: Final = 1
TOLERATED: Final = 3
TOLERATED_SHARE: Final = 0.1
"""Pictures that may be unreadable: so many, or that share of all if it is more."""
PICTURES_A_WORKER: Final = 100
"""Fewer are decoded sooner than another process starts."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A face without a picture, and why."""

    row: int
    face_id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """``pixels`` (N, R, R, 3) uint8, mapped from the disk and not to be written to; black where ``skipped`` says."""

    pixels: Pixels
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which pictures, at which side in pixels, by how many processes (None: as the machine suggests)."""

    manifest: Manifest
    split: str
    resolution: int
    workers: int | None = None

    @property
    def key(self) -> dict[str, object]:
        """What decides the array's bytes."""
        return {
            "format": FORMAT,
            "data_digest": self.manifest.digest,
            "split": self.split,
            "resolution": self.resolution,
            "faces": sum(self.split in ("all", face.split) for face in self.manifest.faces),
        }


def decoded(request: Request, cache: Path, say: Callable[[str], None] = lambda _: None) -> Decoded:
    """The faces of one split (or ``all``) from ``cache`` (a .npy), which is filled where it is not there.

    Raises:
        ConfigError: the split is empty, or the cache is of another data set, state of it, split or resolution.
        TransferError: too many pictures are unreadable, or the disk is full.
    """
    manifest, split = request.manifest, request.split
    faces = [face for face in manifest.faces if split in ("all", face.split)]
    if not faces:
        raise ConfigError(f"{manifest.root} has no faces in split {split!r}; use --split all or build with another")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(cache.with_suffix(".lock")):
            skipped = _listed(cache, request)
            if skipped is None:
                skipped = _fill(request, cache, pieces(manifest, faces), say)
    except OSError as error:
        raise TransferError(
            f"cannot write {cache} ({error.strerror or error}): free some space; work so far stays"
        ) from error
    shape = (len(faces), request.resolution, request.resolution, 3)
    pixels = np.load(cache, mmap_mode="r")
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise ConfigError(f"{cache} is not the array that {cache.with_suffix('.json').name} describes: remove both")
    return Decoded(pixels, skipped)


def _listed(cache: Path, request: Request) -> tuple[Skipped, ...] | None:
    """What was skipped, if the cache is whole; None if there is none."""
    try:
        about = json.loads(cache.with_suffix(".json").read_text(encoding="utf-8"))
        skipped = tuple(Skipped(**face) for face in about.pop("skipped"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not cache.is_file():
        return None
    if names := sorted(name for name, value in request.key.items() if about.get(name) != value):
        raise ConfigError(
            f"{cache} holds other pictures than {request.manifest.root} (another {', '.join(names)}): the data set"
            " changed, or the cache is of another one; remove it or use another folder"
        )
    return skipped


def _fill(request: Request, cache: Path, todo: Sequence[Piece], say: Callable[[str], None]) -> tuple[Skipped, ...]:
    part, journal = cache.with_name(cache.name + ".part"), cache.with_suffix(".journal")
    total = sum(len(piece.wanted) for piece in todo)
    done, skipped = _recalled(journal, request.key) if part.is_file() else (set(), [])
    if not done:
        _begin(part, journal, request, total)
    left = [rest for piece in todo if (rest := _without(piece, done)) is not None]
    tasks = [_Task(piece, part, request.resolution) for piece in left]
    told = 0
    with journal.open("a", encoding="utf-8") as notes:
        for task, unread in _run(tasks, request.workers, total - len(done)):
            rows = [face.row for face in task.piece.wanted]
            notes.write(json.dumps({"rows": rows, "skipped": [asdict(face) for face in unread]}) + "\n")
            notes.flush()
            os.fsync(notes.fileno())
            done.update(rows)
            skipped += unread
            if 10 * len(done) // total > told and len(left) > 10:
                told = 10 * len(done) // total
                say(f"decoded {len(done)} of {total} pictures to {request.resolution}²")
    skipped.sort(key=lambda face: face.row)
    _judge(skipped, total, request, part, journal)
    part.replace(cache)
    about = request.key | {"skipped": [asdict(face) for face in skipped]}
    write_file(cache.with_suffix(".json"), (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())
    journal.unlink()
    return tuple(skipped)


def _begin(part: Path, journal: Path, request: Request, total: int) -> None:
    shape = (total, request.resolution, request.resolution, 3)
    array = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    array.flush()
    del array  # Windows renames no file that is mapped
    write_file(journal, (json.dumps({"key": request.key}) + "\n").encode())


def _recalled(journal: Path, key: dict[str, object]) -> tuple[set[int], list[Skipped]]:
    """Rows that are done, and the faces skipped, by a journal of the same array; a torn last line is not."""
    try:
        first, *lines = journal.read_text(encoding="utf-8").splitlines()
        if json.loads(first)["key"] != key:
            return set(), []
    except (OSError, ValueError, KeyError, TypeError):
        return set(), []
    done: set[int] = set()
    skipped: list[Skipped] = []
    for line in lines:
        try:
            note = json.loads(line)
        except ValueError:
            continue
        done.update(note["rows"])
        skipped += [Skipped(**face) for face in note["skipped"]]
    return done, skipped


def _without(piece: Piece, done: set[int]) -> Piece | None:
    kept = [i for i, face in enumerate(piece.wanted) if face.row not in done]
    if not kept:
        return None
    wanted = tuple(piece.wanted[i] for i in kept)
    if isinstance(piece, GroupPiece):
        return replace(piece, wanted=wanted, offsets=tuple(piece.offsets[i] for i in kept))
    return replace(piece, wanted=wanted)


@dataclass(frozen=True, slots=True)
class _Task:
    piece: Piece
    part: Path
    resolution: int


def _run(tasks: Sequence[_Task], workers: int | None, pictures: int) -> Iterable[tuple[_Task, list[Skipped]]]:
    count = min(workers or min(os.cpu_count() or 1, ceil(pictures / PICTURES_A_WORKER)), len(tasks))
    if count <= 1:
        yield from ((task, _decode_piece(task)) for task in tasks)
        return
    for task, unread in run_tasks(_decode_piece, tasks, count, _prepare):
        if unread is None:
            names = ", ".join(face.name for face in task.piece.wanted[:3])
            raise TransferError(f"decoding {names} or one after it ended its process: memory may be short")
        yield task, unread


def _prepare() -> None:
    cv2.setNumThreads(1)


def _decode_piece(task: _Task) -> list[Skipped]:
    """Decode into the array on the disk; returns what could not be."""
    array = np.lib.format.open_memmap(task.part, mode="r+")
    skipped = []
    for face, data in zip(task.piece.wanted, task.piece.read(), strict=True):
        try:
            array[face.row] = resized(_checked(data, face.sha256), task.resolution)
        except DrfhqError as error:
            array[face.row] = 0
            skipped.append(Skipped(face.row, face.face_id, face.name, str(error)))
    array.flush()
    return skipped


def _checked(data: bytes, sha256: str) -> Pixels:
    if not data:
        raise TransferError("missing, empty or not readable")
    picture = decode_picture(data)
    if sha256_bytes(data) != sha256:
        raise TransferError("not the picture that the manifest names: its bytes have changed")
    return picture


def _judge(skipped: Sequence[Skipped], total: int, request: Request, part: Path, journal: Path) -> None:
    if len(skipped) <= min(max(TOLERATED, total * TOLERATED_SHARE), total - 1):
        return
    for path in (part, journal):  # mended pictures are to be read again
        path.unlink()
    first = "; ".join(f"{face.name}: {face.reason}" for face in skipped[:3])
    raise TransferError(
        f"{len(skipped)} of {total} pictures of {request.manifest.root} cannot be used, and at most {TOLERATED} or"
        f" {TOLERATED_SHARE:.0%} may be: {first}{'; …' if len(skipped) > 3 else ''}. `drfhq verify` lists them; rebuild"
    )
