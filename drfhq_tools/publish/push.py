"""A data set on its way to the Hub: first a plan, which changes nothing there, then the sending of what is missing.

Shards are written beside the data set and compared by sha256 with what the repository has; those it has, under whatever
name, are not sent. All becomes visible in one commit, which also takes out the shards that are no longer the data
set's. A push that was cut is resumed by the same push: its shards stand, and the Hub keeps what it was sent.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.export import Exported, ExportedFile, Progress, export_parquet
from drfhq_tools.hashing import sha256_bytes, sha256_file
from drfhq_tools.lock import locked
from drfhq_tools.manifest.reader import MANIFEST_NAME, read_columns
from drfhq_tools.publish.releases import (
    FOLDER_NAME,
    Release,
    checked_version,
    gone_since,
    read_releases,
    write_release,
)
from drfhq_tools.publish.repository import HubError, Repository, State, connection, repository_name
from drfhq_tools.publish.rights import Rights, checked_rights

CACHE_NAME: Final = ".drfhq-push"
CARD_NAME: Final = "README.md"
TIMEOUT_S: Final = 120.0
_COMMIT_WAITS_S: Final = (1.0, 4.0, 16.0)
_SHARDS = ("data/", ".parquet")  # what of the repository is ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to publish where.

    ``cache`` is where shards are written and kept; where it is None they are written to ``data``/.drfhq-push and taken
    away once they have arrived. ``card`` is the repository's README.md, None to leave the one it has.
    ``purge_history`` makes the repository forget everything but this push. ``endpoint`` is the Hub, the client's own
    unless said otherwise. ``bars`` lets the client draw the way of each file on stderr.
    """

    data: Path
    repo: str
    public: bool = False
    version: str | None = None
    allow_unlicensed: bool = False
    purge_history: bool = False
    card: bytes | None = None
    cache: Path | None = None
    shard_bytes: int = 500_000_000
    endpoint: str | None = None
    timeout_s: float = TIMEOUT_S
    bars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a push would do. ``state`` is None where the repository is not there yet, or where there is no token to ask
    with (``asked`` is False then). ``missing`` are the shards whose content the Hub lacks, ``named`` those it has under
    another name only, ``deleted`` the paths of shards that go."""

    request: Request
    exported: Exported
    rights: Rights
    version: str
    state: State | None
    asked: bool

    @property
    def shards(self) -> tuple[ExportedFile, ...]:
        """All shards of the data set."""
        return self.exported.files

    @property
    def missing(self) -> tuple[ExportedFile, ...]:
        """Those whose content the repository does not have."""
        there = {file.sha256 for file in self.state.files.values()} if self.state else set()
        return tuple(shard for shard in self.shards if shard.sha256 not in there)

    @property
    def changed(self) -> tuple[ExportedFile, ...]:
        """Those that are not in the repository under their name: the missing ones, and those that change theirs."""
        files = self.state.files if self.state else {}
        return tuple(s for s in self.shards if s.path not in files or files[s.path].sha256 != s.sha256)

    @property
    def deleted(self) -> tuple[str, ...]:
        """Shards of the repository that are no longer the data set's."""
        ours = {shard.path for shard in self.shards}
        files = self.state.files if self.state else {}
        return tuple(sorted(path for path in files if _is_shard(path) and path not in ours))

    @property
    def card_changes(self) -> bool:
        """Whether the README is another than the repository's."""
        if self.request.card is None:
            return False
        there = self.state.files.get(CARD_NAME) if self.state else None
        return there is None or there.git_oid != _git_oid(self.request.card)

    @property
    def publishes(self) -> bool:
        """Whether a repository that is private now is to be seen by everyone."""
        return self.request.public and (self.state is None or self.state.private)

    @property
    def empty(self) -> bool:
        """Whether the repository is already what it should be."""
        nothing = not (self.changed or self.deleted or self.card_changes)
        return nothing and self.state is not None and not self.publishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of a push. ``record`` is its file in releases/; ``committed`` is False where the repository was
    already what it should be."""

    release: Release
    record: Path
    committed: bool


class PushCutError(DrfhqError):
    """The push did not get to its end; what was sent stays, and the same push goes on from there."""


@contextmanager
def planned(request: Request, *, dry_run: bool = False, progress: Progress) -> Iterator[tuple[Plan, Repository | None]]:
    """What a push would do, with the connection to do it, while the block runs. Nothing is changed on the Hub.

    ``progress`` sees the shards being written. With ``dry_run`` a token is not needed.

    Raises:
        UsageError: no repository's name, a version that is taken, no token.
        DrfhqError: faces that may not be published, a damaged crop, another push at work, a public repository where
            ``public`` was not said.
        HubError: the Hub cannot be reached.
        ManifestError: there is no data set of this version.
        MissingExtraError: huggingface_hub is not installed.
    """
    name = repository_name(request.repo)
    rights = checked_rights(request.data, allow_unlicensed=request.allow_unlicensed)
    known = read_releases(request.data)
    version = checked_version(request.version, known)
    cache = request.cache or request.data / CACHE_NAME
    with connection(name, timeout_s=request.timeout_s, bars=request.bars, endpoint=request.endpoint) as repository:
        if repository is None and not dry_run:
            raise UsageError("there is no token for the Hub: log in with `hf auth login`, or set HF_TOKEN")
        state = repository.state() if repository else None
        if state and not state.private and not request.public:
            raise DrfhqError(f"{name} is public: give --public, or make it private on its page first")
        with locked(cache):
            exported = export_parquet(
                request.data, cache / "parquet", shard_bytes=request.shard_bytes, progress=progress
            )
            _check_free(version, known, request, exported)
            asked = repository is not None
            plan = Plan(request=request, exported=exported, rights=rights, version=version, state=state, asked=asked)
            yield plan, repository
        if request.cache is None and not any(cache.iterdir()):
            cache.rmdir()


def send(
    plan: Plan, repository: Repository, *, pushed_at: str, sent: Callable[[ExportedFile], None] = lambda _: None
) -> Sent:
    """Do what ``plan`` says and record the release. ``pushed_at`` is the time to record, ISO 8601 in UTC; ``sent`` is
    called with each shard that has arrived.

    Raises:
        PushCutError: the line broke or the Hub refused; what has arrived stays there.
    """
    arrived: list[ExportedFile] = []
    try:
        revision = plan.state.revision if plan.state else ""
        if not plan.empty:
            revision = _bring(plan, repository, arrived, sent)
        if plan.request.purge_history:
            revision = repository.purge(f"Release {plan.version}, without its history")
    except HubError as error:
        raise PushCutError(_progress_told(plan, arrived, error)) from error
    release = _release(plan, repository, revision, pushed_at)
    known = _same_as(release, read_releases(plan.request.data), plan.request.version)
    data, cache = plan.request.data, plan.request.cache
    if known is None or plan.request.purge_history:
        record = write_release(data, release)
    else:
        release, record = known, data / FOLDER_NAME / f"{known.version}.json"
    if cache is None:  # a second copy of every face that nobody asked for
        shutil.rmtree(plan.exported.out, ignore_errors=True)
    return Sent(release=release, record=record, committed=not plan.empty)


def _bring(
    plan: Plan, repository: Repository, arrived: list[ExportedFile], sent: Callable[[ExportedFile], None]
) -> str:
    """Make the repository what it should be; returns its revision."""
    if plan.state is None:
        repository.create(private=True)
    root = plan.exported.out
    for shard in plan.missing:
        repository.send(shard.path, root / shard.path)
        arrived.append(shard)
        sent(shard)
    revision = _commit(plan, repository)
    if plan.publishes:
        repository.make_public()
    return revision


def _commit(plan: Plan, repository: Repository) -> str:
    """Commit against what the branch holds now. Whether a commit whose answer was lost was made, the branch says."""
    message = f"Release {plan.version}: {plan.exported.faces} faces"
    for wait in (*_COMMIT_WAITS_S, None):
        state = repository.state()
        if state is None:
            raise HubError(f"{repository.name} is not there", passing=False)
        now = Plan(
            request=plan.request,
            exported=plan.exported,
            rights=plan.rights,
            version=plan.version,
            state=state,
            asked=True,
        )
        files: dict[str, Path | bytes] = {shard.path: now.exported.out / shard.path for shard in now.changed}
        if now.card_changes and now.request.card is not None:
            files[CARD_NAME] = now.request.card
        if not (files or now.deleted):
            return state.revision
        try:
            return repository.commit(files, now.deleted, message=message, parent=state.revision)
        except HubError as error:
            if wait is None or not error.passing:
                raise
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _release(plan: Plan, repository: Repository, revision: str, pushed_at: str) -> Release:
    data = plan.request.data
    splits: list[str] = read_columns(data, ["split"])["split"].to_pylist()
    earlier = [one for one in read_releases(data) if one.repo == plan.request.repo and one.version != plan.version]
    card = plan.request.card
    return Release(
        version=plan.version,
        repo=plan.request.repo,
        endpoint=repository.endpoint,
        revision=revision,
        public=plan.request.public,
        pushed_at=pushed_at,
        manifest_sha256=sha256_file(data / MANIFEST_NAME),
        faces=plan.exported.faces,
        splits={split: splits.count(split) for split in ("train", "val", "test")},
        rights=plan.rights,
        removed=gone_since(data, earlier[-1]) if earlier else None,
        history_purged=plan.request.purge_history,
        shards=plan.shards,
        card_sha256=sha256_bytes(card) if card is not None else None,
    )


def _check_free(version: str, known: list[Release], request: Request, exported: Exported) -> None:
    """A version that is taken may be pushed again only as what it was."""
    for one in known:
        if one.version == version and (one.repo, one.shards) != (request.repo, exported.files):
            raise UsageError(f"release {version} is recorded with other content: choose another --version")


def _same_as(release: Release, known: list[Release], version: str | None) -> Release | None:
    """The latest record that says the same already: of ``version``, or of any where none was asked for."""
    names = ("repo", "manifest_sha256", "shards", "public", "card_sha256")
    same = [one for one in known if all(getattr(one, name) == getattr(release, name) for name in names)]
    return next((one for one in reversed(same) if version in (None, one.version)), None)


def _progress_told(plan: Plan, arrived: list[ExportedFile], error: HubError) -> str:
    size, total = (sum(shard.size_bytes for shard in shards) for shards in (arrived, plan.missing))
    done = f"{len(arrived)} have arrived, {size} bytes, and stay there"
    return f"{str(error).rstrip('.')}. Of {len(plan.missing)} shards to send, {total} bytes, {done}"


def _is_shard(path: str) -> bool:
    begin, end = _SHARDS
    return path.startswith(begin) and path.endswith(end)


def _git_oid(content: bytes) -> str:
    """git's name for a file: SHA-1 of its length and content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
