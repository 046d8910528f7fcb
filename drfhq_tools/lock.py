"""One at a time in a folder: a lock of the operating system, which vanishes with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from drfhq_tools.errors import DrfhqError

LOCK_NAME: Final = ".drfhq-lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder``, made where it is missing, against every other process that asks for it this way.

    The lock's file goes before the lock: who opened it meanwhile finds that it is gone and takes another.

    Raises:
        DrfhqError: another process holds it, or the folder cannot be written to.
    """
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise DrfhqError(
            f"another build, filter, merge or removal is at work in {folder}: wait until it ends, or stop it"
        ) from error
    except OSError as error:
        raise DrfhqError(f"cannot write to {folder}: {error.strerror or error}; choose another folder") from error
    try:
        yield
    finally:
        _remove(Path(lock.lock_file))
        lock.release()


def _remove(file: Path) -> None:
    try:
        file.unlink()
    except OSError:  # Windows lets nobody remove an open file; one left there locks nothing
        return
