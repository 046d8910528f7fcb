"""Write a file so that its name stands for whole content: temporary name, flush, rename."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
