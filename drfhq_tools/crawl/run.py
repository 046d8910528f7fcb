"""A crawl from its settings to a filled folder."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from filelock import FileLock, Timeout

from drfhq_tools import __version__
from drfhq_tools.crawl.addresses import AddressPolicy, AllowedHosts
from drfhq_tools.crawl.items import Item
from drfhq_tools.crawl.optout import AGENT
from drfhq_tools.crawl.outcomes import Outcome
from drfhq_tools.crawl.site import Accept, Limits, Site
from drfhq_tools.errors import DrfhqError, MissingExtraError, UsageError
from drfhq_tools.manifest.tombstones import gather_tombstones

if TYPE_CHECKING:
    from drfhq_tools.crawl.fetch import Fetcher
    from drfhq_tools.crawl.transport import Transport
    from drfhq_tools.crawl.walk import Tally

LOCK: Final = ".crawl/lock"
_TICK_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlRequest:
    """What to crawl, for whom, and by what right: a ``site``, or the ``items`` of a list."""

    site: Site | None = None
    items: tuple[Item, ...] = ()
    hosts: tuple[str, ...] = ()
    contact: str
    rights_basis: str
    accept: Accept = field(default_factory=Accept)
    limits: Limits = field(default_factory=Limits)
    tombstones: tuple[Path, ...] = ()
    allow_private: bool = False
    ignore_robots: bool = False
    revisit: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for what a crawl cannot be run with."""
        if (self.site is None) == (not self.items):
            raise UsageError("a crawl takes a site's TOML file with [listing], or a list of addresses: one of the two")
        contact = self.contact.strip()
        if "@" not in contact and not contact.startswith(("http://", "https://")):
            raise UsageError("the contact must be a mail or web address at which a site's owner can reach you")
        if not contact.isprintable() or not contact.isascii() or len(contact) > 200:
            raise UsageError("the contact must be one short line of ASCII: it is sent with every request")
        if not self.rights_basis.strip():
            raise UsageError("say in rights_basis, in your own words, why you may keep these pictures")

    @property
    def agent(self) -> str:
        """The User-Agent header."""
        return f"{AGENT}/{__version__} (+{self.contact.strip()})"

    @property
    def policy(self) -> AddressPolicy:
        """The addresses that may be asked."""
        named = self.site.start if self.site else [item.url for item in self.items]
        return AddressPolicy(AllowedHosts.of(self.hosts, named), self.allow_private)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlSummary:
    """What a crawl came to: counts by outcome, pages read, and how many pictures are in the folder now."""

    outcomes: Counter[Outcome]
    pages: int
    pictures: int

    @property
    def failed(self) -> int:
        """Attempts that went wrong."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.failed)


def crawl(request: CrawlRequest, out: Path, progress: Callable[[Tally], None] = lambda _tally: None) -> CrawlSummary:
    """Fill ``out`` with pictures, a journal and ``provenance.parquet``; resumes what was cut, retries what failed.

    Once a process: Twisted's reactor starts once. ``progress`` is called after each attempt.

    Raises:
        MissingExtraError: Scrapy is not installed.
        UsageError: selectors or tombstones cannot be read, or another crawl fills ``out``.
        DrfhqError: ``out`` cannot be written, or its journal is damaged.
        KeyboardInterrupt: interrupted; ``out`` is whole, and the same call goes on with it.
    """
    need_extra()
    from drfhq_tools.crawl.folder import RawFolder  # noqa: PLC0415  these need the extra
    from drfhq_tools.crawl.pages import check_selectors  # noqa: PLC0415
    from drfhq_tools.crawl.walk import Terms, Walk  # noqa: PLC0415

    if request.site:
        check_selectors(request.site)
    terms = Terms(
        accept=request.accept,
        limits=request.limits,
        tombstones=gather_tombstones([out], request.tombstones),
        rights_basis=request.rights_basis.strip(),
        revisit=request.revisit,
    )
    with _owning(out), _Interrupt() as interrupt:
        folder = RawFolder(out)
        walks: list[Walk] = []

        async def job(transport: Transport) -> None:
            walks.append(Walk(folder, fetcher_for(request, transport), terms, progress))
            await (walks[0].over_site(request.site) if request.site else walks[0].over_list(request.items))

        try:
            folder.begin()
            run(job, allow_private=request.allow_private, interrupt=interrupt)
            folder.end()
        finally:
            folder.close()
    tally = walks[0].tally
    return CrawlSummary(outcomes=tally.outcomes, pages=tally.pages, pictures=folder.kept)


def fetcher_for(request: CrawlRequest, transport: Transport) -> Fetcher:
    """What asks on the request's terms."""
    from drfhq_tools.crawl.fetch import Fetcher  # noqa: PLC0415

    return Fetcher(
        transport,
        policy=request.policy,
        limits=request.limits,
        agent=request.agent,
        ignore_robots=request.ignore_robots,
    )


def need_extra() -> None:
    """Check that Scrapy is there.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        import scrapy  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError("crawling needs Scrapy: pip install 'drfhq-tools[crawl]'") from error


class _Interrupt:
    """Notes a Ctrl-C instead of breaking off anywhere, such as in the middle of a file."""

    asked = False

    def __enter__(self) -> Self:
        self._old = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._old)

    def _note(self, _number: int, _frame: object) -> None:
        self.asked = True


def run(
    job: Callable[[Transport], Coroutine[None, None, None]], *, allow_private: bool, interrupt: _Interrupt | None = None
) -> None:
    """Run an asynchronous job with a transport; an error in it comes out of here.

    Raises:
        KeyboardInterrupt: ``interrupt`` stopped it.
    """
    from drfhq_tools.crawl.transport import run_engine  # noqa: PLC0415
    from drfhq_tools.crawl.walk import HOSTS_AT_ONCE  # noqa: PLC0415

    ends: list[BaseException | None] = []

    async def guarded(transport: Transport) -> None:
        task = asyncio.ensure_future(job(transport))
        while not task.done():
            await asyncio.wait([task], timeout=_TICK_S)
            if interrupt is not None and interrupt.asked:
                task.cancel()
        ends.append(KeyboardInterrupt() if task.cancelled() else task.exception())

    run_engine(guarded, allow_private=allow_private, hosts_at_once=HOSTS_AT_ONCE)
    error = ends[0] if ends else DrfhqError("the crawler's engine did not start")
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError):
        raise DrfhqError(f"cannot write {error.filename or 'to the folder'}: {error.strerror or error}") from error
    if error is not None:
        raise error


@contextmanager
def _owning(out: Path) -> Iterator[None]:
    """One crawl at a time in a folder; a dead process's lock does not hold."""
    try:
        (out / LOCK).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(out / LOCK, timeout=0):
            yield
    except Timeout as error:
        raise UsageError(f"another crawl is filling {out}") from error
    except OSError as error:
        raise DrfhqError(f"cannot write {error.filename or out}: {error.strerror or error}") from error
