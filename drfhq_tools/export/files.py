"""An export as files: laid out beside its place, put there by a rename, with a list of what it holds.

The list, ``export.json``, says of which data set the export is and how it was asked for, and has each file's size and
sha256. An export whose list says the same, and whose files are what it says, is left alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from drfhq_tools.atomic import disk_trouble_told, write_file
from drfhq_tools.errors import UsageError
from drfhq_tools.hashing import sha256_file

LIST_NAME: Final = "export.json"
_STAGED, _OLD = ".drfhq-part", ".drfhq-old"
_REVISION: Final = 1  # raised when the same data set and settings begin to give other files

Asked = Mapping[str, str | int | None]
"""What an export depends on: the manifest's hash and the settings, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A file of an export; ``path`` is POSIX, relative to it."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export came to. ``mature`` counts faces of pictures rated mature; ``fresh`` is False where the same
    export stood there already and nothing was written."""

    out: Path
    faces: int
    mature: int
    files: tuple[ExportedFile, ...]
    fresh: bool

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)


def standing(out: Path, asked: Asked) -> tuple[ExportedFile, ...] | None:
    """The files of the export in ``out`` if it is the one that is asked for, each byte of it; else None.

    Raises:
        UsageError: ``out`` holds something that is no export.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / LIST_NAME).is_file()):
        raise UsageError(f"{out} holds something else than an export: choose another --out, or take it away")
    try:
        document = json.loads((out / LIST_NAME).read_text(encoding="utf-8"))
        files = tuple(ExportedFile(**file) for file in document["files"])
        same = document["asked"] == _signed(asked) and all(_is_whole(out, file) for file in files)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if same else None


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """An empty folder beside ``out`` to lay files out in; thrown away if the block fails.

    Raises:
        DrfhqError: the disk is full or not ours to write.
    """
    staging = out.with_name(out.name + _STAGED)
    with disk_trouble_told(out):
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def put_in_place(staging: Path, out: Path, asked: Asked, files: tuple[ExportedFile, ...]) -> None:
    """Write the list into ``staging`` and give it the name ``out``, instead of an earlier export."""
    document = {"asked": _signed(asked), "files": [asdict(file) for file in files]}
    write_file(staging / LIST_NAME, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    old = out.with_name(out.name + _OLD)
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.replace(old)
    staging.replace(out)
    shutil.rmtree(old, ignore_errors=True)


def described(path: Path, root: Path) -> ExportedFile:
    """A file that was written, by its name in ``root``."""
    name = path.relative_to(root).as_posix()
    return ExportedFile(path=name, size_bytes=path.stat().st_size, sha256=sha256_file(path))


def _signed(asked: Asked) -> dict[str, str | int | None]:
    return {"revision": _REVISION, **asked}


def _is_whole(out: Path, file: ExportedFile) -> bool:
    path = out / file.path
    return path.stat().st_size == file.size_bytes and sha256_file(path) == file.sha256
