"""A data set's repository on the Hugging Face Hub, by the official client: what is there, send, commit, purge.

Files too large for git go up one by one before the commit that names them; the Hub knows them by their sha256 and takes
none twice, so what was sent before a break is not sent again. The client repeats what failed for a passing reason, five
times with growing waits; what it does not repeat is repeated here. A connection on which nothing moves is given up
after a while. No message holds the token or a signed address.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from drfhq_tools.errors import DrfhqError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_Result = TypeVar("_Result")
_WAITS_S: Final = (1.0, 2.0, 4.0)
_PASSING: Final = frozenset((408, 429, 500, 502, 503, 504))
_REFUSED: Final = {
    401: "the Hub does not know the token: log in with `hf auth login`, or set HF_TOKEN",
    403: "the token may not do this there: it needs the right to write to the repository",
    409: "the repository was changed meanwhile: run it again",
    412: "the repository was changed meanwhile: run it again",
}
_KIND: Final = "dataset"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


class HubError(DrfhqError):
    """The Hub refused, or cannot be reached; ``passing`` says whether another try may do."""

    def __init__(self, message: str, *, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of the repository: its size, git's name for it, and its sha256 if it lies outside git."""

    size_bytes: int
    git_oid: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the branch ``main`` of a repository holds. ``files`` is by path."""

    private: bool
    revision: str
    files: dict[str, RemoteFile]


def repository_name(text: str) -> str:
    """``text`` if it is a name such as user/DRFHQ.

    Raises:
        UsageError: it is not.
    """
    if not _NAME.fullmatch(text):
        raise UsageError(f"{text!r} cannot name a repository: write its owner and its name, such as user/DRFHQ")
    return text


class Repository:
    """One repository, by its name; it need not exist. To be used within :func:`connection`."""

    def __init__(self, name: str, api: HfApi) -> None:
        self.name = name
        self.endpoint: str = api.endpoint
        self._api = api

    def state(self) -> State | None:
        """What is there, None where there is no such repository, or none that the token may see.

        Raises:
            HubError: the Hub cannot be reached.
        """
        from huggingface_hub import RepoFile  # noqa: PLC0415
        from huggingface_hub.errors import RepositoryNotFoundError  # noqa: PLC0415

        try:
            info = _repeated(lambda: self._api.repo_info(self.name, repo_type=_KIND))
        except HubError as error:
            if isinstance(error.__cause__, RepositoryNotFoundError):
                return None
            raise
        tree = _repeated(
            lambda: list(self._api.list_repo_tree(self.name, recursive=True, revision=info.sha, repo_type=_KIND))
        )
        files = {
            entry.path: RemoteFile(
                size_bytes=entry.size, git_oid=entry.blob_id, sha256=entry.lfs.sha256 if entry.lfs else None
            )
            for entry in tree
            if isinstance(entry, RepoFile)
        }
        return State(private=bool(info.private), revision=str(info.sha), files=files)

    def create(self, *, private: bool) -> None:
        """Make it, if it is not there.

        Raises:
            HubError: the Hub refuses or cannot be reached.
        """
        _repeated(lambda: self._api.create_repo(self.name, repo_type=_KIND, private=private, exist_ok=True))

    def send(self, path: str, file: Path) -> None:
        """Upload ``file`` for a commit that is to name it ``path``; nothing is sent that the Hub has.

        Raises:
            HubError: it refuses or cannot be reached; the client has repeated what may be repeated.
        """
        from huggingface_hub import CommitOperationAdd  # noqa: PLC0415

        with _told():
            addition = CommitOperationAdd(path_in_repo=path, path_or_fileobj=file)
            self._api.preupload_lfs_files(self.name, [addition], repo_type=_KIND, num_threads=1)

    def commit(self, files: dict[str, Path | bytes], deleted: Sequence[str], *, message: str, parent: str) -> str:
        """Add ``files`` by path, take ``deleted`` out, in one commit on top of ``parent``; returns its name. A commit
        whose answer was lost may have been made.

        Raises:
            HubError: the Hub refuses or cannot be reached, or the branch is no longer at ``parent``.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete  # noqa: PLC0415

        with _told():
            made = self._api.create_commit(
                self.name,
                [
                    *(CommitOperationAdd(path_in_repo=path, path_or_fileobj=file) for path, file in files.items()),
                    *(CommitOperationDelete(path_in_repo=path, is_folder=False) for path in deleted),
                ],
                commit_message=message,
                parent_commit=parent,
                repo_type=_KIND,
            )
        return str(made.oid)

    def make_public(self) -> None:
        """Let everyone see it.

        Raises:
            HubError: the Hub refuses or cannot be reached.
        """
        _repeated(lambda: self._api.update_repo_settings(self.name, private=False, repo_type=_KIND))

    def purge(self, message: str) -> str:
        """Make the last commit the only one and delete for good every large file it does not name; returns its name.

        Raises:
            HubError: the Hub refuses or cannot be reached, or does not list the files that are in use.
        """
        _repeated(lambda: self._api.super_squash_history(self.name, commit_message=message, repo_type=_KIND))
        state = self.state()
        if state is None:
            raise HubError(f"{self.name} is gone", passing=False)
        used = {file.sha256 for file in state.files.values() if file.sha256}
        listed = _repeated(lambda: list(self._api.list_lfs_files(self.name, repo_type=_KIND)))
        if not used <= {name for file in listed for name in (file.file_oid, file.oid)}:
            raise HubError("the Hub does not list the files in use: none was deleted; see its page", passing=False)
        unused = [file for file in listed if used.isdisjoint((file.file_oid, file.oid))]
        if unused:
            _repeated(lambda: self._api.permanently_delete_lfs_files(self.name, unused, repo_type=_KIND))
            state = self.state() or state  # its history was rewritten
        return state.revision


@contextmanager
def connection(
    name: str, *, timeout_s: float, bars: bool = False, endpoint: str | None = None
) -> Iterator[Repository | None]:
    """The repository ``name``, while the block runs; None where the client finds no token.

    The client waits without end unless told, so it is given ``timeout_s`` for each read and write; its own log, which
    would name signed addresses, is silent, and its progress bars are where ``bars`` is False.

    Raises:
        UsageError: the client was told to stay offline.
        MissingExtraError: huggingface_hub is not installed.
    """
    with _extra_named():
        import huggingface_hub as hub  # noqa: PLC0415
        from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415
    if hub.is_offline_mode():
        raise UsageError("HF_HUB_OFFLINE is set: unset it to push")
    if hub.get_token() is None:
        yield None
        return
    session = hub.get_session()
    client, hooks, patience, level = type(session), session.event_hooks, session.timeout, hub.logging.get_verbosity()
    hub.set_client_factory(lambda: client(event_hooks=hooks, follow_redirects=True, timeout=timeout_s))
    hub.logging.set_verbosity(logging.CRITICAL)
    try:
        with nullcontext() if bars else disable_progress_bars():
            yield Repository(name, hub.HfApi(endpoint=endpoint))
    finally:
        hub.set_client_factory(lambda: client(event_hooks=hooks, follow_redirects=True, timeout=patience))
        hub.logging.set_verbosity(level)


@contextmanager
def _extra_named() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("drfhq push needs huggingface_hub: pip install 'drfhq-tools[hub]'") from error


def _repeated(call: Callable[[], _Result]) -> _Result:
    for wait in _WAITS_S:
        try:
            with _told():
                return call()
        except HubError as error:
            if not error.passing:
                raise
        time.sleep(wait)
    with _told():
        return call()


@contextmanager
def _told() -> Iterator[None]:
    """Whatever the client raises for what the Hub or the line did, as a :class:`HubError`."""
    import httpx2  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    try:
        yield
    except (HfHubHTTPError, httpx2.HTTPError, RuntimeError, ValueError) as error:
        cause: BaseException = error
        while not isinstance(cause, (HfHubHTTPError, httpx2.HTTPError)) and cause.__cause__ is not None:
            cause = cause.__cause__
        raise _as_hub_error(cause) from cause


def _as_hub_error(cause: BaseException) -> HubError:
    """Without the exception's own text where that names an address: a signed one is as good as a key."""
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    if isinstance(cause, HfHubHTTPError):
        status = cause.response.status_code
        said = f"the Hub answers {status}" + (f", {cause.server_message}" if cause.server_message else "")
        return HubError(f"{said}: {_REFUSED[status]}" if status in _REFUSED else said, passing=status in _PASSING)
    if isinstance(cause, ValueError):
        return HubError(f"the Hub or its client refuses: {cause}", passing=False)
    return HubError(f"{type(cause).__name__}: {cause}", passing=True)
