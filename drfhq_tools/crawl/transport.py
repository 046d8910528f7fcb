"""One HTTP request by Scrapy's downloader: TLS verified, bodies cut off at a limit, no cookies, no proxies, no retries.

What Scrapy does by its middlewares (robots.txt, redirects, retries) is left to :mod:`~drfhq_tools.crawl.fetch`, which
has to judge every single request.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import certifi
from scrapy import Request, Spider, signals
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
    StopDownload,
)

from drfhq_tools.crawl.addresses import address_of
from drfhq_tools.crawl.optout import header_optout
from drfhq_tools.crawl.outcomes import Outcome, RefusedError
from drfhq_tools.crawl.resolver import REFUSED
from drfhq_tools.imageio import HEAD_BYTES, looks_like_picture

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Headers

_PICTURE: Final = "drfhq_picture"
_HEAD: Final = "drfhq_head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server answered to one request; header names in small letters, the body decompressed."""

    url: str
    status: int
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    body: bytes = b""
    latency_s: float = 0.0

    def header(self, name: str) -> str | None:
        """The first value of a header, if it is text."""
        return next(iter(self.headers.get(name, ())), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. Of a ``picture`` the body is not taken where its headers opt out, nor the rest of one that does not
    begin as a picture."""

    url: str
    headers: Mapping[str, str]
    max_bytes: int
    timeout_s: float
    picture: bool = False


class Transport(Protocol):
    """Sends one request."""

    async def send(self, ask: Ask) -> Reply:
        """The answer, whatever its status.

        Raises:
            RefusedError: there is none, or none we take.
        """
        ...


class ScrapyTransport:
    """The :class:`Transport` of a running Scrapy engine."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        crawler.signals.connect(self._headers_received, signals.headers_received)
        crawler.signals.connect(self._bytes_received, signals.bytes_received)

    async def send(self, ask: Ask) -> Reply:
        """See :class:`Transport`."""
        request = Request(
            ask.url,
            headers=dict(ask.headers),
            meta={"download_maxsize": ask.max_bytes, "download_timeout": ask.timeout_s, _PICTURE: ask.picture},
        )
        engine = self._crawler.engine
        assert engine is not None
        try:
            response = await engine.download_async(request)
        except Exception as error:
            raise _refusal(error, ask) from error
        return Reply(
            url=ask.url,
            status=response.status,
            headers=_plain(response.headers),
            body=response.body,
            latency_s=float(request.meta.get("download_latency", 0.0)),
        )

    def _headers_received(self, headers: Headers, request: Request) -> None:
        if not request.meta[_PICTURE]:
            return
        if header_optout(_plain(headers)):
            raise StopDownload(fail=False)
        if "Content-Encoding" not in headers:
            request.meta[_HEAD] = b""

    def _bytes_received(self, data: bytes, request: Request) -> None:
        head = request.meta.get(_HEAD)
        if head is None:
            return
        head += data[:HEAD_BYTES]
        request.meta[_HEAD] = head if len(head) < HEAD_BYTES else None
        if len(head) >= HEAD_BYTES and not looks_like_picture(head):
            raise StopDownload(fail=False)


def _plain(headers: Headers) -> dict[str, tuple[str, ...]]:
    return {name.decode("latin-1").lower(): tuple(_text(value) for value in values) for name, values in headers.items()}


def _text(value: bytes) -> str:
    """UTF-8, as browsers take a redirect's address, else Latin-1, in which all bytes are text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _refusal(error: Exception, ask: Ask) -> RefusedError:
    """The crawler's word for what Scrapy raised."""
    match error:
        case DownloadCancelledError() | IgnoreRequest():
            return RefusedError(Outcome.TOO_LARGE, f"more than {ask.max_bytes / 1e6:g} MB")
        case DownloadTimeoutError():
            return RefusedError(Outcome.TIMEOUT, f"no whole answer within {ask.timeout_s:g} s")
        case ResponseDataLossError():
            return RefusedError(Outcome.INCOMPLETE, "the answer broke off")
        case CannotResolveHostError() if REFUSED & {address_of(ask.url).host}:
            return RefusedError(Outcome.PRIVATE_ADDRESS, "the name leads to a private address")
        case CannotResolveHostError():
            return RefusedError(Outcome.CONNECTION_FAILED, "the name is not known")
    return RefusedError(Outcome.CONNECTION_FAILED, f"{type(error).__name__}: {error}"[:300])


class _Job(Spider):
    """Runs one coroutine inside a Scrapy engine, and gives Scrapy nothing to do."""

    name = "drfhq"
    job: Callable[[Transport], Awaitable[None]]

    async def start(self) -> AsyncIterator[Any]:
        await self.job(ScrapyTransport(self.crawler))
        nothing: tuple[Any, ...] = ()
        for request in nothing:
            yield request


def run_engine(job: Callable[[Transport], Awaitable[None]], *, allow_private: bool, hosts_at_once: int) -> None:
    """Run ``job`` inside a Scrapy engine until it ends; once a process, since Twisted's reactor starts once."""
    from scrapy.crawler import AsyncCrawlerProcess  # noqa: PLC0415  installs the reactor

    handler = "scrapy.core.downloader.handlers.http11.HTTP11DownloadHandler"
    resolver = "AnyResolver" if allow_private else "PublicResolver"
    settings = {
        "ADDONS": {},
        "CONCURRENT_REQUESTS": hosts_at_once,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOADER_MIDDLEWARES_BASE": {"scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": 590},
        "DOWNLOAD_HANDLERS_BASE": dict.fromkeys(("http", "https"), handler),
        "EXTENSIONS_BASE": {},
        "LOG_ENABLED": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
        "SPIDER_MIDDLEWARES_BASE": {},
        "TELNETCONSOLE_ENABLED": False,
        "TWISTED_DNS_RESOLVER": f"drfhq_tools.crawl.resolver.{resolver}",
    }
    if sys.platform in {"win32", "darwin"}:  # OpenSSL finds no certificates there by itself
        os.environ.setdefault("SSL_CERT_FILE", certifi.where())
    process = AsyncCrawlerProcess(settings)
    for name in ("scrapy", "twisted"):  # what they would tell stands in the provenance
        logging.getLogger(name).setLevel(logging.CRITICAL)
    process.crawl(_Job, job=job)
    process.start(install_signal_handlers=False)
