"""Fetch weights: resumed where a connection breaks, refused unless the bytes are those the registry names.

What arrives goes to a .part file beside its place and is taken up again, by a later process too, with an HTTP range
request (RFC 9110, section 14). Only the hash decides whether the parts make the whole. A lock file, held by the
operating system and so freed when a process dies, lets one process fetch at a time.
"""

from __future__ import annotations

import bz2
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final

from filelock import FileLock

from drfhq_tools import __version__
from drfhq_tools.atomic import replacing
from drfhq_tools.errors import ModelFileError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.models.registry import REGISTRY, Content, Download, ModelEntry, Registry, entry_of
from drfhq_tools.models.store import ModelFile, models_folder, resolve, status_of

Progress = Callable[[int, int], None]

_CHUNK_BYTES: Final = 1 << 16
_WORTH_ANOTHER_TRY: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_OFFLINE: Final = ("DRFHQ_OFFLINE", "HF_HUB_OFFLINE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for an answer, how often to ask, and how long to pause before the second time; then doubled."""

    timeout_s: float = 30.0
    tries: int = 5
    pause_s: float = 1.0


class _BrokenOffError(Exception):
    """The server is busy or the connection broke: worth another try."""


class _NothingLeftError(_BrokenOffError):
    """The server's file ends before what we have of it: worth another try, from the start."""


def fetch(
    name: str,
    *,
    models_dir: Path | None = None,
    registry: Registry = REGISTRY,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> ModelFile:
    """Bring the weights called ``name`` into the models folder, unless they are there whole; the checked file.

    ``progress`` is called with the bytes that have arrived and the bytes there will be. Weights that are part of a
    package or the user's to supply are only looked for.

    Raises:
        UsageError: the registry has no such name.
        ModelFileError: they cannot be had, or are not what the registry names; what arrived of them is then deleted.
    """
    entry = entry_of(name, registry)
    if isinstance(entry.origin, Download) and entry.content and status_of(entry, models_dir) != "present":
        _refuse_offline(entry)
        place = models_folder(models_dir) / entry.file_name
        with _writing(place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(place.with_name(f".{place.name}.lock")):
                if status_of(entry, models_dir) != "present":  # else another process was first
                    _bring(entry.origin, entry.content, place, progress or _silent, patience or Patience())
    return resolve(name, models_dir=models_dir, registry=registry)


def _bring(origin: Download, content: Content, place: Path, progress: Progress, patience: Patience) -> None:
    """Download, check, unpack, check, and only then give the file its name."""
    wire = origin.packed or content
    part = place.with_name(f".{place.name}.{wire.sha256[:8]}.part")
    pieced = _download(origin.url, wire, part, progress, patience)
    if pieced and sha256_file(part) != wire.sha256:  # the pieces may be of different files: start over, once
        part.unlink()
        _download(origin.url, wire, part, progress, patience)
    try:
        _check(part, wire, origin.url)
        with replacing(place) as temporary:
            if origin.packed is None:
                shutil.copyfile(part, temporary)
            else:
                _unpack(part, temporary, content.size_bytes)
            _check(temporary, content, origin.url)
    finally:
        part.unlink(missing_ok=True)


def _download(url: str, wire: Content, part: Path, progress: Progress, patience: Patience) -> bool:
    """Ask until all of ``wire`` has arrived in ``part``; whether it may have come in more than one piece."""
    pieced = part.exists()
    pause_s = patience.pause_s
    for attempt in range(patience.tries):
        if attempt:
            time.sleep(pause_s)
            pause_s *= 2
        try:
            _continue(url, wire.size_bytes, part, progress, patience.timeout_s)
        except _BrokenOffError as error:
            trouble = error
            if isinstance(error, _NothingLeftError):
                part.unlink(missing_ok=True)
        else:
            return pieced or attempt > 0
    raise ModelFileError(
        f"{url} could not be fetched in {patience.tries} tries: {trouble}; the next run takes it up here"
    )


def _continue(url: str, size_bytes: int, part: Path, progress: Progress, timeout_s: float) -> None:
    """One request, for what ``part`` lacks of ``size_bytes``."""
    have = part.stat().st_size if part.exists() else 0
    if have == size_bytes:
        return
    headers = {"User-Agent": f"drfhq-tools/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with _answer(urllib.request.Request(url, headers=headers), timeout_s) as answer:  # noqa: S310  by our opener alone
        start = _start(answer, size_bytes, have, url)
        with part.open("r+b" if start else "wb", buffering=0) as file:  # unbuffered: what arrived outlives a kill
            file.seek(start)
            for done, chunk in _chunks(answer, start, size_bytes, url):
                file.write(chunk)
                progress(done, size_bytes)


def _start(answer: http.client.HTTPResponse, size_bytes: int, have: int, url: str) -> int:
    """From which byte the answer goes on: ``have`` where the server took the range up, else 0; its length checked."""
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if not match or int(match[1]) != have:
            raise ModelFileError(f"{url} answered with a part of the file that was not asked for")
        total = match[2]
    else:
        have, total = 0, answer.headers.get("Content-Length", "*")
    if total.isdecimal() and int(total) != size_bytes:
        raise ModelFileError(f"{url} holds {total} bytes instead of {size_bytes}: it is not the file meant")
    return have


def _chunks(answer: http.client.HTTPResponse, done: int, size_bytes: int, url: str) -> Iterator[tuple[int, bytes]]:
    """The body in pieces, each with the bytes there are then; never more than there should be."""
    while True:
        try:
            chunk = answer.read1(_CHUNK_BYTES)  # what is there now: a pause costs nothing that came before it
        except (OSError, http.client.HTTPException) as error:
            raise _BrokenOffError(f"the connection broke after {done} bytes ({error})") from error
        done += len(chunk)
        if done > size_bytes:
            raise ModelFileError(f"{url} sends more than the {size_bytes} bytes it should: it is not the file meant")
        if not chunk:
            break
        yield done, chunk
    if done < size_bytes:
        raise _BrokenOffError(f"the connection ended after {done} of {size_bytes} bytes")


@contextmanager
def _answer(request: urllib.request.Request, timeout_s: float) -> Iterator[http.client.HTTPResponse]:
    """The server's good answer, at http or https; redirects to other schemes find no handler and fail."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    try:
        answer = opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _WORTH_ANOTHER_TRY:
            raise _BrokenOffError(f"the server answered {error.code} {error.reason}") from error
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _NothingLeftError("the server's file is shorter than what was asked for") from error
        raise ModelFileError(f"{request.full_url} answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        if "unknown url type" in str(error):
            raise ModelFileError(f"{request.full_url} leads to an address that is not http or https") from error
        raise _BrokenOffError(str(getattr(error, "reason", error))) from error
    with answer:
        yield answer


def _unpack(packed: Path, target: Path, size_bytes: int) -> None:
    """Unpack a .bz2, at most one byte beyond ``size_bytes`` of it."""
    with bz2.open(packed) as source, target.open("wb") as file:
        try:
            _copy_at_most(source, file, size_bytes + 1)
        except (OSError, EOFError, ValueError) as error:
            raise ModelFileError(f"{packed.name} cannot be unpacked: {error}") from error


def _copy_at_most(source: IO[bytes], file: IO[bytes], size_bytes: int) -> None:
    while size_bytes > 0 and (chunk := source.read(min(_CHUNK_BYTES, size_bytes))):
        file.write(chunk)
        size_bytes -= len(chunk)


def _check(path: Path, content: Content, url: str) -> None:
    digest = sha256_file(path)
    if digest != content.sha256:
        raise ModelFileError(
            f"what {url} gave is not the file meant, and was deleted: expected sha256 {content.sha256}, got {digest}"
        )


def _refuse_offline(entry: ModelEntry) -> None:
    for variable in _OFFLINE:
        if os.environ.get(variable, "").lower() in ("1", "true", "yes", "on"):
            raise ModelFileError(
                f"the weights {entry.name!r} are missing and {variable} forbids the network; unset it, or bring"
                f" {entry.file_name} from elsewhere and name its folder with --models-dir or $DRFHQ_MODELS"
            )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelFileError(
            f"cannot write to {folder}: {error.strerror or error};"
            " name another folder with --models-dir or $DRFHQ_MODELS"
        ) from error


def _silent(done: int, total: int) -> None:
    """Progress nobody watches."""
