"""Which faces earlier states of a data set held: ``history/SHA256.parquet``, named by the hash of the manifest.

A training run records the hash of the manifest it learned from, so these lists say which runs saw a face that has left
since. They hold names and hashes alone: face_id, source_sha256, split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.atomic import replacing
from drfhq_tools.errors import ManifestError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest.reader import MANIFEST_NAME, read_columns

FOLDER_NAME: Final = "history"
_COLUMNS: Final = ("face_id", "source_sha256", "split")


def record(data: Path, unless: str = "") -> None:
    """Note the faces of the data set in place, if there is one and its manifest's hash is not ``unless``.

    Raises:
        ManifestError: its manifest cannot be read.
        OSError: ``data`` cannot be written to.
    """
    manifest = data / MANIFEST_NAME
    digest = sha256_file(manifest) if manifest.is_file() else unless
    path = data / FOLDER_NAME / f"{digest}.parquet"
    if digest == unless or path.exists():
        return
    table = read_columns(data, _COLUMNS).select(list(_COLUMNS)).replace_schema_metadata(None)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def face_lists(data: Path) -> Iterator[tuple[str, pa.Table]]:
    """The hash of every past manifest, and of the one in place, with its face_id, source_sha256 and split.

    Raises:
        ManifestError: a list is damaged.
    """
    for path in sorted((data / FOLDER_NAME).glob("*.parquet")):
        try:
            yield path.stem, pq.read_table(path, columns=list(_COLUMNS))
        except (OSError, pa.ArrowException) as error:
            raise ManifestError(f"{path} is no list of faces ({error}): bring it back, or delete it") from error
    manifest = data / MANIFEST_NAME
    if manifest.is_file():
        yield sha256_file(manifest), read_columns(data, _COLUMNS).select(list(_COLUMNS))
