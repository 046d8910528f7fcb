"""Take faces out of a built data set, for good: the tables and images of a build without their pictures, tombstones
that later builds and crawls obey, and the training runs that saw them.

A request names pictures: by a hash of theirs, their author or their address. All faces of a picture go, rejected ones
too. Those who stay keep their split, and are numbered as a fresh build of their pictures would number them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from drfhq_tools import __version__
from drfhq_tools.atomic import disk_trouble_told, write_file
from drfhq_tools.barrier.merge import without_copies
from drfhq_tools.build.assemble import Gathered, commit, finish_interrupted, stage, staging_in
from drfhq_tools.build.ledger import WORK_NAME, Ledger
from drfhq_tools.build.shards import forget_in_shards
from drfhq_tools.config import BuildConfig
from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.hashing import is_sha256
from drfhq_tools.lock import locked
from drfhq_tools.manifest.built import read_build
from drfhq_tools.manifest.history import FOLDER_NAME
from drfhq_tools.manifest.reader import open_manifest, read_labels, read_rejects
from drfhq_tools.manifest.reviews import forget_reviews
from drfhq_tools.manifest.tombstones import FILE_NAME, Tombstone, append_tombstones, author_key
from drfhq_tools.records import FaceRecord, Reject, RejectReason
from drfhq_tools.removal.exposure import Exposure, exposure

_NAMED: Final = 3
DERIVED: Final = (".drfhq-push", "report.html")
"""What a push that was cut and a report leave in a data set, with pictures of any face in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Whose pictures are to go: those with one of these hashes (of the raw file or of a crop), authors or addresses."""

    sha256: frozenset[str] = frozenset()
    authors: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Raises UsageError for a hash that is none, or for a request that names nothing."""
        wrong = next((text for text in sorted(self.sha256) if not is_sha256(text)), None)
        if wrong is not None:
            raise UsageError(f"{wrong[:80]!r} is no sha256: 64 hexadecimal digits in small letters")
        if not self.sha256 | self.urls | {name for name in self.authors if author_key(name)}:
            raise UsageError("name what to take out: --sha256, --author, --source-url or --list")

    def naming(self, face: FaceRecord) -> frozenset[str]:
        """Those of its words that name this face's picture."""
        by = {name for name in self.authors if author_key(name) == author_key(face.author)}
        return (self.sha256 & {face.source_sha256, face.image_sha256}) | (self.urls & {face.source_url}) | by

    @property
    def words(self) -> list[str]:
        """All that it names, sorted."""
        return sorted(self.sha256 | self.authors | self.urls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was taken out, or would be.

    ``faces`` by face_id, ``sources`` the pictures' hashes, those without a face in the set included; ``paths`` are
    where they lie in the raw folder. ``unmatched`` are words of the request that name nothing, now or before.
    ``copies`` are faces that stay and are copies of removed ones. ``waiting`` counts copies that were left out for one
    that is gone now. ``exposure`` says which runs saw the pictures.
    """

    faces: tuple[str, ...]
    sources: tuple[str, ...]
    paths: tuple[str, ...]
    unmatched: tuple[str, ...]
    copies: tuple[str, ...]
    waiting: int
    exposure: Exposure

    def to_json(self) -> dict[str, object]:
        """Plain values, by the same names."""
        return {**asdict(self), "exposure": {**asdict(self.exposure), "sources": sorted(self.exposure.sources)}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """``named`` are the words that name each picture, by its hash; ``waiting`` counts as in :class:`Removal`."""

    named: Mapping[str, frozenset[str]]
    gone: list[FaceRecord]
    gone_rejects: list[Reject]
    kept: list[FaceRecord]
    kept_rejects: list[Reject]
    waiting: int

    @property
    def sources(self) -> tuple[str, ...]:
        """The pictures that go, by their hash."""
        return tuple(sorted(self.named))

    @property
    def face_ids(self) -> set[str]:
        """The faces that go, rejected ones included."""
        candidates = (row.candidate for row in self.gone_rejects)
        return {one.face_id for one in (*self.gone, *candidates) if one}

    @property
    def words(self) -> set[str]:
        """The words of the request that name some of them."""
        return set[str]().union(*self.named.values())


def read_list(path: Path) -> Request:
    """A request from a text file: a line is a sha256, an address, or ``author:`` and a name; # begins a remark.

    Raises:
        UsageError: no such file, or a line that is none of these.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    sha256, authors, urls = set[str](), set[str](), set[str]()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if is_sha256(text):
            sha256.add(text)
        elif text.startswith("author:") and author_key(text[7:]):
            authors.add(text[7:].strip())
        elif "://" in text:
            urls.add(text)
        else:
            raise UsageError(f"{path}, line {number}: {text[:80]!r} is no sha256, no address and no author:NAME")
    return Request(sha256=frozenset(sha256), authors=frozenset(authors), urls=frozenset(urls))


def remove(
    data: Path,
    request: Request,
    *,
    removed_at: str,
    reason: str | None = None,
    runs: Sequence[Path] = (),
    dry_run: bool = False,
) -> Removal:
    """Take what ``request`` names out of the data set in ``data``, after finishing a commit that was cut.

    ``removed_at`` is the time to record, ISO 8601 in UTC; ``runs`` are folders to search for training runs. What those
    saw is also written to ``history/removal-TIME.json``. With ``dry_run`` nothing is changed.

    Raises:
        DrfhqError: nothing here was ever named so, or the disk is full; the data set is left as it was.
        ManifestError: no whole data set of this version in ``data``.
    """
    if not data.is_dir():
        raise UsageError(f"there is no folder {data}")
    with locked(data), disk_trouble_told(data):
        finish_interrupted(data)
        manifest, built = open_manifest(data), read_build(data)
        plan = _plan(manifest.faces, read_rejects(data), request, built.config)
        seen = exposure(data, request.sha256.union(plan.sources), runs)
        removal = _removal(plan, request, seen)
        if not removal.sources and len(removal.unmatched) == len(request.words):
            raise DrfhqError(f"nothing in {data} is of {', '.join(removal.unmatched[:_NAMED])}: nothing was changed")
        if dry_run:
            return removal
        if removal.sources:
            forget_reviews(data, plan.face_ids)
            append_tombstones(data / FILE_NAME, _tombstones(plan, request, reason, removed_at))
            _cut(data, plan, built.pictures - len(removal.sources), built.config)
        for sha256 in request.sha256.union(plan.sources):
            Ledger(data / WORK_NAME).forget(sha256)
        forget_in_shards(data, request.sha256.union(plan.sources))
        _forget_derived(data)
        if runs:
            _write_report(data, removal, reason, removed_at)
    return removal


def _plan(faces: Sequence[FaceRecord], rejects: Sequence[Reject], request: Request, config: BuildConfig) -> _Plan:
    named: dict[str, frozenset[str]] = {}
    for face in faces:
        if words := request.naming(face):
            named[face.source_sha256] = words | named.get(face.source_sha256, frozenset())
    for sha256 in {_sha256_of(row) for row in rejects} & request.sha256:
        named[sha256] = frozenset([sha256]) | named.get(sha256, frozenset())
    kept = [face for face in faces if face.source_sha256 not in named]
    rows, waiting = _reworded(kept, [row for row in rejects if _sha256_of(row) not in named], config)
    return _Plan(
        named=named,
        gone=[face for face in faces if face.source_sha256 in named],
        gone_rejects=[row for row in rejects if _sha256_of(row) in named],
        kept=kept,
        kept_rejects=rows,
        waiting=waiting,
    )


def _removal(plan: _Plan, request: Request, seen: Exposure) -> Removal:
    groups = {face.duplicate_group for face in plan.gone}
    paths = {path for face in plan.gone for path in face.source_paths} | {row.source_path for row in plan.gone_rejects}
    return Removal(
        faces=tuple(face.face_id for face in plan.gone),
        sources=plan.sources,
        paths=tuple(sorted(paths)),
        unmatched=tuple(word for word in request.words if word not in plan.words | seen.sources),
        copies=tuple(face.face_id for face in plan.kept if face.duplicate_group in groups),
        waiting=plan.waiting,
        exposure=seen,
    )


def _reworded(kept: list[FaceRecord], rejects: list[Reject], config: BuildConfig) -> tuple[list[Reject], int]:
    """Copies that were left out for a face that is gone no longer name it; and how many faces that concerns."""
    rows = [row for row in rejects if row.reason is not RejectReason.DUPLICATE]
    _, free, others = without_copies(kept, [row for row in rejects if row.reason is RejectReason.DUPLICATE], config)
    text = "the same picture as a face that was taken out; `drfhq filter` with --raw takes it in"
    waiting = {row.candidate.face_id for row in free if row.candidate}
    return [*rows, *others, *(replace(row, message=text) for row in free)], len(waiting)


def _sha256_of(row: Reject) -> str:
    """Of the picture a reject speaks of; empty where it was not read."""
    return (row.found.source_sha256 if row.found else row.source_sha256) or ""


def _tombstones(plan: _Plan, request: Request, reason: str | None, removed_at: str) -> list[Tombstone]:
    """One a picture and one an author or address named. A picture's address is named with it only where nothing that
    stays shares it: some declare the address of a whole collection."""
    stays = {face.source_url for face in plan.kept}
    urls = {face.source_sha256: face.source_url for face in plan.gone if face.source_url not in stays}
    named = [
        *(Tombstone(sha256=sha256, source_url=urls.get(sha256)) for sha256 in plan.sources),
        *(Tombstone(source_url=url) for url in sorted(request.urls & plan.words)),
        *(Tombstone(author=name) for name in sorted(request.authors & plan.words)),
    ]
    return [replace(stone, reason=reason, removed_at=removed_at, tool_version=__version__) for stone in named]


def _cut(data: Path, plan: _Plan, pictures: int, config: BuildConfig) -> None:
    labels = read_labels(data)
    gathered = Gathered(
        pictures=pictures,
        faces=plan.kept,
        crops={face.face_id: data / face.image_path for face in plan.kept},
        labels={face.face_id: labels.get(face.face_id, ()) for face in plan.kept},
        rejects=plan.kept_rejects,
        earlier_splits={face.face_id: face.split for face in plan.kept},
    )
    with staging_in(data) as staging:
        stage(staging, gathered, config)
    commit(data)


def _forget_derived(data: Path) -> None:
    """What was made of the state before, and can be made anew of this one."""
    for name in DERIVED:
        path = data / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _write_report(data: Path, removal: Removal, reason: str | None, removed_at: str) -> None:
    document = {"removed_at": removed_at, "reason": reason, "tool_version": __version__, **removal.to_json()}
    name = f"removal-{removed_at.replace(':', '')}.json"  # Windows takes no colon in a name
    write_file(data / FOLDER_NAME / name, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
