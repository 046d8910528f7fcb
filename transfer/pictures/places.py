"""Where a data set's pictures lie: files beside a manifest, or Parquet shards that carry pictures and rows.

A folder of shards is what ``drfhq export --format parquet`` writes and what a data set's repository on the Hub is:
``data/*.parquet``, each row the manifest's columns and a struct ``image`` of ``bytes`` and ``path``. Its faces come in
the manifest's order, so that one data set gives the same run from either.

A :class:`Piece` is what one process reads in one go: some files, or the pictures of one row group.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.errors import ManifestError
from drfhq_tools.manifest import Manifest, open_manifest
from drfhq_tools.manifest.reader import MANIFEST_NAME
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS, SCHEMA_VERSION
from drfhq_tools.records import FaceRecord

EXPORT_LIST: Final = "export.json"
FILES_A_PIECE: Final = 32
_COLUMNS: Final = [column.name for column in MANIFEST_COLUMNS]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A face's picture: ``row`` of the array it goes to, its file's hash, its name for people."""

    row: int
    face_id: str
    sha256: str
    name: str


@dataclass(frozen=True, slots=True)
class FilePiece:
    """Pictures in files of their own."""

    wanted: tuple[Wanted, ...]
    root: Path

    def read(self) -> Iterator[bytes]:
        """Each file's bytes, none for one that is not there or cannot be read."""
        for face in self.wanted:
            try:
                yield (self.root / face.name).read_bytes()
            except OSError:
                yield b""


@dataclass(frozen=True, slots=True)
class GroupPiece:
    """Pictures in one row group of a shard, each at its ``offset`` there."""

    wanted: tuple[Wanted, ...]
    shard: Path
    group: int
    offsets: tuple[int, ...]

    def read(self) -> Iterator[bytes]:
        """Each picture's bytes, none for all if the group cannot be read."""
        try:
            with pq.ParquetFile(self.shard) as file:
                column = file.read_row_group(self.group, columns=["image.bytes"])["image"].combine_chunks()
            pictures = column.field("bytes")
            found = [pictures[offset].as_py() or b"" for offset in self.offsets]
        except (pa.ArrowException, OSError, IndexError):
            found = [b""] * len(self.offsets)
        yield from found


Piece = FilePiece | GroupPiece


def open_data(root: Path) -> Manifest:
    """A built data set, or the shards of an exported one.

    ``digest`` of shards is that of the manifest they were exported from, where ``export.json`` lies beside them and
    its list of files holds; else a hash of each face's id, picture and split, in order.

    Raises:
        ManifestError: it is neither, its shards are damaged or of another schema, or it mixes landmark schemes.
    """
    if (root / MANIFEST_NAME).is_file() or not (shards := _shards(root)):
        return open_manifest(root)
    table = pa.concat_tables([_rows(shard) for shard in shards])
    faces = sorted((FaceRecord.from_row(row) for row in table.to_pylist()), key=_place_in_manifest)
    schemes, sizes = {face.landmark_scheme for face in faces}, {face.size_px for face in faces}
    if len(schemes) != 1 or len(sizes) != 1:
        raise ManifestError(f"{root} mixes landmark schemes {sorted(schemes)} or sizes {sorted(sizes)}: export it anew")
    return Manifest(
        root=root,
        faces=faces,
        digest=_exported_digest(root) or _rows_digest(faces),
        landmark_scheme=schemes.pop(),
        size_px=sizes.pop(),
    )


def pieces(manifest: Manifest, faces: Sequence[FaceRecord]) -> list[Piece]:
    """What to read for ``faces``, whose pictures go to rows 0, 1, …

    Raises:
        ManifestError: shards that changed since they were opened.
    """
    wanted = [Wanted(row, face.face_id, face.image_sha256, face.image_path) for row, face in enumerate(faces)]
    if (manifest.root / MANIFEST_NAME).is_file():
        cuts = range(0, len(wanted), FILES_A_PIECE)
        return [FilePiece(tuple(wanted[first : first + FILES_A_PIECE]), manifest.root) for first in cuts]
    return list(_groups(_shards(manifest.root), {face.face_id: face for face in wanted}))


def _groups(shards: Sequence[Path], wanted: dict[str, Wanted]) -> Iterator[GroupPiece]:
    for shard in shards:
        with pq.ParquetFile(shard) as file:
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, columns=["face_id"])["face_id"].to_pylist()
                offsets = tuple(offset for offset, face in enumerate(ids) if face in wanted)
                if offsets:
                    yield GroupPiece(tuple(wanted.pop(ids[offset]) for offset in offsets), shard, group, offsets)
    if wanted:
        raise ManifestError(f"{len(wanted)} faces have left the shards since they were opened: start again")


def _shards(root: Path) -> list[Path]:
    return sorted((root / "data").glob("*.parquet")) or sorted(root.glob("*-of-*.parquet"))


def _rows(shard: Path) -> pa.Table:
    try:
        names = pq.read_schema(shard).names
        if missing := sorted({"image", *_COLUMNS} - set(names)):
            raise ManifestError(f"{shard} lacks the columns {', '.join(missing)}: export it with this version of drfhq")
        table = pq.read_table(shard, columns=_COLUMNS)
    except (pa.ArrowException, OSError) as error:
        raise ManifestError(f"cannot read {shard} ({error}): export or download it again") from error
    if others := set(table["schema_version"].to_pylist()) - {SCHEMA_VERSION}:
        raise ManifestError(f"{shard} is of schema {', '.join(map(str, others))}, not {SCHEMA_VERSION}: export it anew")
    return table


def _place_in_manifest(face: FaceRecord) -> tuple[int, str]:
    return len(face.image_path), face.image_path  # numbers grow a digit past 99999


def _exported_digest(root: Path) -> str | None:
    path = root / EXPORT_LIST
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        sizes = {str(file["path"]): int(file["size_bytes"]) for file in document["files"]}
        digest = str(document["asked"]["manifest_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ManifestError(f"{path} is no list of an export ({error}): export again") from error
    for name, size in sizes.items():
        if not (root / name).is_file() or (root / name).stat().st_size != size:
            raise ManifestError(f"{root / name} is not the file that {EXPORT_LIST} lists: export or download it again")
    return digest


def _rows_digest(faces: Sequence[FaceRecord]) -> str:
    lines = (f"{face.face_id} {face.image_sha256} {face.split}\n" for face in faces)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
