"""Write a file so that its name stands for whole content: temporary name, flush, rename."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drfhq_tools.errors import DrfhqError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to; when the block ends well it becomes ``path``, else it is removed.

    A reader, or a crash, meets the old content or the new, never a part. The folder is made where it is missing.

    Raises:
        OSError: the folder is full or not ours to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Replace ``path`` with ``data``, as :func:`replacing` does."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def link_or_copy(file: Path, target: Path) -> None:
    """Give ``file`` a second name, or a copy where the disk knows no links; ``target`` is replaced."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:  # not every disk knows links
        write_file(target, file.read_bytes())


@contextmanager
def disk_trouble_told(out: Path) -> Iterator[None]:
    """Says of an error of the operating system what it means for ``out``, where a cut write leaves finished work whole.

    Raises:
        DrfhqError: there was one.
    """
    try:
        yield
    except OSError as error:
        raise DrfhqError(
            f"cannot write to {out}: {error.strerror or error}; free some space or close what uses it, then run it"
            " again: nothing finished is lost"
        ) from error
