"""The folder a crawl fills: pictures named by their bytes, a journal of every attempt, and the table made from it.

``crawl-journal.jsonl`` is only ever appended to, one line an event, on disk before the next request is made; it is what
a crawl resumes from. A picture's bytes lie under a temporary name before its line is written, and get their own name
after it: so a picture never lies there without its origin, and one whose line was written is not asked for again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from drfhq_tools.atomic import replacing
from drfhq_tools.crawl.attempts import FILE_NAME, Attempt, schema
from drfhq_tools.errors import DrfhqError
from drfhq_tools.hashing import sha256_file

JOURNAL: Final = "crawl-journal.jsonl"
WORKPLACE: Final = ".crawl"
"""Where files lie that are not whole yet; builds pass over folders whose name begins with a dot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRecord:
    """A page as it was read: its parse and what makes the next request for it conditional."""

    url: str
    parser: str
    etag: str | None
    last_modified: str | None
    content: Mapping[str, Any]
    run: int


class RawFolder:
    """The folder as the journal knows it; one at a time may be open on a folder, which the caller sees to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.attempts: list[Attempt] = []
        self.pages: dict[str, PageRecord] = {}
        self.run = 0
        self.resumes = False
        """Whether the last crawl was cut: this one goes on with it."""

        self._last: dict[tuple[str, str | None], Attempt] = {}
        self._by_url: dict[str, Attempt] = {}
        self._by_sha256: dict[str, Attempt] = {}
        (root / WORKPLACE).mkdir(parents=True, exist_ok=True)
        self._read()
        for file in (root / WORKPLACE).glob("*.part"):
            file.unlink()
        self._journal: IO[bytes] = (root / JOURNAL).open("ab")

    def begin(self) -> None:
        """Open a new run, or go on with the one that was cut."""
        if not self.resumes:
            self.run += 1
        self._append({"event": "begin", "run": self.run})

    def end(self) -> None:
        """Mark the run as whole."""
        self._append({"event": "end", "run": self.run})

    def close(self) -> None:
        """Write ``provenance.parquet`` and let go of the journal."""
        self._journal.close()
        self.write_provenance()

    def last(self, url: str, page_url: str | None) -> Attempt | None:
        """The last attempt at this address as found on this page."""
        return self._last.get((url, page_url))

    def of_url(self, url: str) -> Attempt | None:
        """The last attempt at this address, wherever it was found."""
        return self._by_url.get(url)

    def of_sha256(self, sha256: str) -> Attempt | None:
        """The attempt that brought these bytes."""
        return self._by_sha256.get(sha256)

    @property
    def kept(self) -> int:
        """How many different pictures there are."""
        return len(self._by_sha256)

    def add(self, attempt: Attempt, data: bytes | None = None) -> None:
        """Record an attempt; ``data`` is the picture at its ``path``, where it is a new one."""
        if data is None:
            self._append({"event": "attempt", **attempt.to_row()})
        else:
            assert attempt.path is not None
            file = self.root / attempt.path
            file.parent.mkdir(exist_ok=True)
            temporary = self._temporary(file)
            with temporary.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            self._append({"event": "attempt", **attempt.to_row()})
            temporary.replace(file)
        self._remember(attempt)

    def add_page(self, page: PageRecord) -> None:
        """Record what a page held."""
        self.pages[page.url] = page
        names = PageRecord.__slots__
        self._append({"event": "page", **{name: getattr(page, name) for name in names}})

    def write_provenance(self) -> None:
        """All attempts, in the order they ended."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        table = pa.Table.from_pylist([attempt.to_row() for attempt in self.attempts], schema=schema())
        with replacing(self.root / FILE_NAME) as temporary:
            pq.write_table(table, temporary)

    def _append(self, event: Mapping[str, object]) -> None:
        self._journal.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def _read(self) -> None:
        """Take up the journal; a last line that a crash cut is dropped."""
        file = self.root / JOURNAL
        if not file.exists():
            return
        data = file.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with file.open("rb+") as stream:
                stream.truncate(whole)
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DrfhqError(f"{file}, line {number}, is damaged: {error}; take the folder's backup") from error

    def _take(self, event: dict[str, Any]) -> None:
        match event.pop("event"):
            case "begin":
                self.run, self.resumes = int(event["run"]), True
            case "end":
                self.resumes = False
            case "page":
                page = PageRecord(**event)
                self.pages[page.url] = page
            case "attempt":
                self._remember(Attempt.from_row(event))

    def _remember(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        if attempt.outcome.got and attempt.path and not self._there(attempt):
            return
        self._last[attempt.url, attempt.page_url] = attempt
        self._by_url[attempt.url] = attempt
        if attempt.outcome.got and attempt.sha256 and attempt.path:
            self._by_sha256.setdefault(attempt.sha256, attempt)

    def _temporary(self, file: Path) -> Path:
        return self.root / WORKPLACE / f"{file.name}.part"

    def _there(self, attempt: Attempt) -> bool:
        """Whether the picture is; one whose renaming was cut is given its name now."""
        assert attempt.path is not None
        file = self.root / attempt.path
        if file.exists():
            return True
        temporary = self._temporary(file)
        with suppress(OSError):
            if sha256_file(temporary) == attempt.sha256:
                temporary.replace(file)
                return True
        return False
