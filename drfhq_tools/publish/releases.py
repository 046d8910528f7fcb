"""What was published, when and where: ``releases/VERSION.json`` in the data set, one file a release.

The records stay with whoever publishes; the repository holds the data alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from drfhq_tools import __version__
from drfhq_tools.atomic import write_file
from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.export import ExportedFile
from drfhq_tools.manifest.history import face_lists
from drfhq_tools.manifest.reader import read_columns
from drfhq_tools.manifest.tombstones import FILE_NAME, read_tombstones
from drfhq_tools.publish.rights import Rights

FOLDER_NAME: Final = "releases"
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What an earlier release of the repository held and this one does not.

    ``faces`` by face_id; ``taken_out`` counts those of pictures that were taken out for good.
    """

    version: str
    faces: tuple[str, ...]
    taken_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release as its file says.

    ``revision`` is the repository's commit; ``removed`` is None for a first release, or where the faces of the one
    before are not known any more; ``history_purged`` tells whether the repository was made to forget it.
    """

    version: str
    repo: str
    endpoint: str
    revision: str
    public: bool
    pushed_at: str
    manifest_sha256: str
    faces: int
    splits: dict[str, int]
    rights: Rights
    removed: Gone | None
    history_purged: bool
    shards: tuple[ExportedFile, ...]
    card_sha256: str | None
    tool_version: str = __version__


def read_releases(data: Path) -> list[Release]:
    """All releases of the data set in ``data``, the oldest first.

    Raises:
        DrfhqError: a record is damaged.
    """
    return sorted((_read(path) for path in (data / FOLDER_NAME).glob("*.json")), key=lambda one: one.pushed_at)


def write_release(data: Path, release: Release) -> Path:
    """Record ``release``; returns the file.

    Raises:
        OSError: ``data`` cannot be written to.
    """
    path = data / FOLDER_NAME / f"{release.version}.json"
    write_file(path, (json.dumps(asdict(release), indent=2, ensure_ascii=False) + "\n").encode())
    return path


def checked_version(version: str | None, known: list[Release]) -> str:
    """``version`` if it may name a file, or where it is None the whole number after the largest there is.

    Raises:
        UsageError: it may not.
    """
    if version is None:
        return str(1 + max((int(one.version) for one in known if one.version.isdecimal()), default=0))
    if not _VERSION.fullmatch(version):
        raise UsageError(f"{version!r} cannot be a version: use letters, digits, points, hyphens, such as 1.0")
    return version


def gone_since(data: Path, release: Release) -> Gone | None:
    """What the release held and the data set in ``data`` does not; None where its faces are not known any more.

    Raises:
        ManifestError: a list of earlier faces is damaged.
        UsageError: the tombstones are.
    """
    then = next((table for digest, table in face_lists(data) if digest == release.manifest_sha256), None)
    if then is None:
        return None
    present = set(read_columns(data, ["face_id"])["face_id"].to_pylist())
    rows = [row for row in then.to_pylist() if row["face_id"] not in present]
    stones = read_tombstones(data / FILE_NAME)
    taken_out = sum(stones.find(sha256=row["source_sha256"]) is not None for row in rows)
    return Gone(version=release.version, faces=tuple(row["face_id"] for row in rows), taken_out=taken_out)


def _read(path: Path) -> Release:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        removed, shards = document.pop("removed"), document.pop("shards")
        return Release(
            **{**document, "rights": Rights(**document["rights"])},
            removed=Gone(**{**removed, "faces": tuple(removed["faces"])}) if removed else None,
            shards=tuple(ExportedFile(**shard) for shard in shards),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DrfhqError(f"{path} is no record of a release ({error}): bring it back, or delete it") from error
