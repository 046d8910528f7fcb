"""Write a file so that its name stands for whole content: temporary name, flush, rename."""

from __future__ import annotations

import os
from pathlib import Path


def write_file(path: Path, data: bytes) -> None:
    """Replace ``path`` with ``data``; a reader, or a crash, meets the old content or the new, never a part.

    Raises:
        OSError: the folder is missing, full or not ours to write.
    """
    temporary = path.with_name(f"{path.name}.part{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
