"""The crawl itself: from listings or a list to pictures in the folder, every attempt recorded."""

from __future__ import annotations

import asyncio
import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from drfhq_tools import __version__
from drfhq_tools.crawl.attempts import Attempt
from drfhq_tools.crawl.fetch import Fetcher, Purpose, Trace, canonical
from drfhq_tools.crawl.folder import PageRecord, RawFolder
from drfhq_tools.crawl.items import Item, check_before_page, check_tombstones, check_wanted, content_rating
from drfhq_tools.crawl.outcomes import OF_DECODING, Outcome, RefusedError
from drfhq_tools.crawl.pages import Node, describe, read_listing, with_defaults
from drfhq_tools.crawl.site import Accept, Limits, Parser, Site
from drfhq_tools.crawl.transport import Reply
from drfhq_tools.errors import DecodeError
from drfhq_tools.hashing import settings_digest, sha256_bytes
from drfhq_tools.imageio import decode_picture
from drfhq_tools.manifest.tombstones import Tombstones
from drfhq_tools.records import RejectReason

HOSTS_AT_ONCE: Final = 4
_PNG: Final = b"\x89PNG"
_PNG_END: Final = b"IEND\xaeB`\x82"
_SUFFIXES: Final = (
    (_PNG, ".png"),
    (b"\xff\xd8", ".jpg"),
    (b"RIFF", ".webp"),
    (b"II", ".tif"),
    (b"MM", ".tif"),
    (b"BM", ".bmp"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of every picture, and said of it."""

    accept: Accept
    limits: Limits
    tombstones: Tombstones
    rights_basis: str
    revisit: bool


@dataclass(slots=True)
class Tally:
    """What this crawl came to so far."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    pages: int = 0


class Walk:
    """One crawl over one folder."""

    def __init__(
        self,
        folder: RawFolder,
        fetcher: Fetcher,
        terms: Terms,
        on_attempt: Callable[[Tally], None] = lambda _tally: None,
    ) -> None:
        self._folder, self._fetcher, self._terms, self._on_attempt = folder, fetcher, terms, on_attempt
        self.tally = Tally(pages=sum(page.run == folder.run for page in folder.pages.values()))
        self._decoder = ThreadPoolExecutor(1)  # one at a time: the decoder is not made for threads beside each other
        self._seen: set[tuple[str, str | None]] = set()

    async def over_list(self, items: Iterable[Item]) -> None:
        """Take the pictures of a list; hosts are asked beside each other, each one thing at a time."""
        lanes: dict[str, list[Item]] = {}
        for item in items:
            lanes.setdefault(_host(item.url), []).append(item)
        free = asyncio.Semaphore(1 if self._terms.limits.max_images else HOSTS_AT_ONCE)

        async def lane(of_host: list[Item]) -> None:
            async with free:
                for item in of_host:
                    await self.take(item)

        async with asyncio.TaskGroup() as group:
            for of_host in lanes.values():
                group.create_task(lane(of_host))

    async def over_site(self, site: Site) -> None:
        """Follow the listings from each start to its end, taking each item before the next."""
        seen: set[str] = set()
        for start in site.start:
            url: str | None = start
            while url and url not in seen and not self._full():
                seen.add(url)
                record = await self._listing(site, url)
                if record is None:
                    break
                for item, detail in _items_of(record):
                    if self._full():
                        break
                    await self._item(site, item, detail, record.content["optout"])
                url = record.content["next"]

    def _full(self) -> bool:
        most = self._terms.limits.max_images
        return most is not None and self._folder.kept >= most

    # -- pages

    async def _listing(self, site: Site, url: str) -> PageRecord | None:
        parser = settings_digest(
            {"listing": _plain(site.listing), "item": site.item, "next": [site.next, site.next_url], "to": site.detail}
        )

        def read(node: Node, final_url: str) -> dict[str, Any]:
            listing = read_listing(site, node, final_url)
            items = [[item.to_json(), detail] for item, detail in listing.items]
            return {"items": items, "next": listing.next, "optout": listing.optout}

        return await self._page(url, None, site.listing, parser, read)

    async def _item(self, site: Site, item: Item, detail: str | None, optout: str | None) -> None:
        """One item of a listing: by its own page, where the site has one."""
        if site.page is None or detail is None:
            await self.take(with_defaults(item, site.defaults), optout=optout)
            return
        item = replace(item, page_url=detail)
        if self._known(item, detail):
            return
        try:
            check_tombstones(self._terms.tombstones, urls=[detail], author=item.author)
            check_before_page(item, self._terms.accept, optout)
        except RefusedError as refusal:
            self._record("page", item, Trace(), refusal, url=detail)
            return
        page = site.page

        def read(node: Node, _final_url: str) -> dict[str, Any]:
            return {"item": describe(item, node, page.selectors).to_json(), "optout": node.optout()}

        parser = settings_digest({"page": _plain(page), "listed": item.to_json()})
        record = await self._page(detail, item, page, parser, read)
        if record is None:
            return
        found = with_defaults(Item.from_json(record.content["item"]), site.defaults)
        if not found.url:
            self._record("page", found, Trace(), RefusedError(Outcome.BAD_PAGE, "shows no picture"), url=detail)
            return
        await self.take(found, optout=record.content["optout"])

    def _known(self, item: Item, detail: str) -> bool:
        """Whether the page's picture is here already, so that not even its page is asked for again."""
        record = self._folder.pages.get(detail)
        if record is None or self._terms.revisit or "item" not in record.content:
            return False
        last = self._folder.last(record.content["item"]["url"], record.content["item"]["page_url"] or item.page_url)
        return last is not None and last.outcome.settled

    async def _page(
        self, url: str, item: Item | None, parser: Parser, digest: str, read: Callable[[Node, str], dict[str, Any]]
    ) -> PageRecord | None:
        """A page's parse: from this run's journal, unchanged since an earlier one, or as just read."""
        known = self._folder.pages.get(url)
        known = known if known is not None and known.parser == digest else None
        if known is not None and known.run == self._folder.run:
            return known
        most = self._terms.limits.max_pages
        if most is not None and self.tally.pages >= most:
            return None
        self.tally.pages += 1
        trace = Trace()
        said = item or Item(page_url=None)
        try:
            reply = await self._fetcher.get(url, Purpose.PAGE, trace, _condition(known))
            if reply.status == 304 and known is not None:
                record = replace(known, run=self._folder.run)
                outcome = Outcome.UNCHANGED
            else:
                node = Node.of_page(reply.body, reply.header("content-type"), reply.url, parser)
                content = read(node, reply.url)
                content["optout"] = trace.optout or content["optout"]
                record = PageRecord(url=url, parser=digest, run=self._folder.run, content=content, **_validators(reply))
                outcome = Outcome.PAGE_READ
        except RefusedError as refusal:
            self._record("page", said, trace, refusal, url=url)
            return None
        trace.optout = record.content["optout"]
        self._folder.add_page(record)
        self._record("page", said, trace, outcome, url=url, facts=_validators(reply))
        return record

    # -- pictures

    async def take(self, item: Item, *, optout: str | None = None) -> None:
        """Get one picture, unless it is here, or somebody does not want it taken; ``optout`` is its page's sign."""
        key = (item.url, item.page_url)
        last = self._folder.last(*key)
        if self._full() or key in self._seen or (last and last.outcome.settled and not self._terms.revisit):
            return
        self._seen.add(key)
        trace = Trace(optout=optout)
        try:
            check_wanted(item, self._terms.accept)
            check_tombstones(self._terms.tombstones, urls=self._addresses(item), author=item.author)
            if optout:
                raise RefusedError(Outcome.OPTED_OUT, f"page: {optout}")
            elsewhere = self._elsewhere(item)
            if elsewhere is not None:
                self._again(item, elsewhere)
                return
            await self._download(item, last, trace)
        except RefusedError as refusal:
            self._record("image", item, trace, refusal)

    def _addresses(self, item: Item) -> list[str | None]:
        """All addresses that a tombstone may name this picture by."""
        earlier = self._folder.of_url(item.url)
        if earlier is not None and earlier.sha256:
            check_tombstones(self._terms.tombstones, sha256=earlier.sha256)
        try:
            sent = canonical(item.url)
        except RefusedError:
            sent = None
        return [item.url, sent, item.page_url, earlier.final_url if earlier else None]

    def _elsewhere(self, item: Item) -> Attempt | None:
        """What became of the same address when it was met on another page: it is not asked for once more.

        What the other page says against the picture, mature or opted out, holds here too; what only the user's other
        rules made of that page's words does not.
        """
        earlier = self._folder.of_url(item.url)
        if earlier is None or earlier.page_url == item.page_url:
            return None
        asked_now = earlier.tries > 0 and (earlier.url, earlier.page_url) in self._seen
        settled = earlier.outcome.settled and not self._terms.revisit
        mature = earlier.outcome is Outcome.MATURE and not self._terms.accept.mature
        return earlier if asked_now or settled or mature else None

    def _again(self, item: Item, earlier: Attempt) -> None:
        trace = Trace(final_url=earlier.final_url, optout=earlier.optout_signal)
        here = earlier.outcome.got
        end: Outcome | RefusedError = (
            Outcome.DUPLICATE if here else RefusedError(earlier.outcome, f"met before: {earlier.message}")
        )
        facts = {name: getattr(earlier, name) for name in ("bytes", "sha256", "path")} if here else {}
        self._record("image", item, trace, end, facts=facts)

    async def _download(self, item: Item, last: Attempt | None, trace: Trace) -> None:
        here = last if last is not None and last.outcome.got else None
        reply = await self._fetcher.get(item.url, Purpose.PICTURE, trace, _condition(here))
        if reply.status == 304 and here is not None:
            same = {name: getattr(here, name) for name in ("bytes", "sha256", "path", "etag", "last_modified")}
            self._record("image", item, trace, Outcome.UNCHANGED, facts=same)
            return
        data = reply.body
        sha256 = sha256_bytes(data)
        facts = {"bytes": len(data), "sha256": sha256, **_validators(reply)}
        try:
            check_tombstones(self._terms.tombstones, sha256=sha256)
            await self._check_picture(data)
        except RefusedError as refusal:
            self._record("image", item, trace, refusal, facts=facts)
            return
        earlier = self._folder.of_sha256(sha256)
        if earlier is not None:
            end = Outcome.UNCHANGED if here is not None and here.sha256 == sha256 else Outcome.DUPLICATE
            self._record("image", item, trace, end, facts=facts | {"path": earlier.path})
            return
        path = f"{sha256[:2]}/{sha256}{suffix_of(data)}"
        self._record("image", item, trace, Outcome.KEPT, data=data, facts=facts | {"path": path})

    async def _check_picture(self, data: bytes) -> None:
        """Whether it decodes whole.

        Raises:
            RefusedError: it does not, or is larger than allowed.
        """
        if data.startswith(_PNG) and _PNG_END not in data:  # the decoder is content without
            raise RefusedError(Outcome.CORRUPT, "the PNG's end is missing")
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._decoder, decode_picture, data, self._terms.limits.max_pixels)
        except DecodeError as error:
            raise RefusedError(OF_DECODING[RejectReason(error.reason)], str(error)[:300]) from error

    # -- the record

    def _record(
        self,
        kind: Literal["page", "image"],
        item: Item,
        trace: Trace,
        end: Outcome | RefusedError,
        *,
        url: str | None = None,
        data: bytes | None = None,
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        outcome = end if isinstance(end, Outcome) else end.outcome
        attempt = Attempt(
            kind=kind,
            url=item.url if url is None else url,
            page_url=item.page_url if kind == "image" else None,
            final_url=trace.final_url,
            outcome=outcome,
            message=None if isinstance(end, Outcome) else str(end),
            status=trace.status,
            tries=trace.tries,
            title=item.title,
            author=item.author,
            license=item.license,
            license_url=item.license_url,
            licence_evidence=item.licence_evidence,
            tags=item.tags,
            content_rating=content_rating(item, self._terms.accept),
            rights_basis=self._terms.rights_basis,
            robots_decision=trace.robots,
            optout_signal=trace.optout,
            retrieved_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            crawler=f"drfhq {__version__}",
            run=self._folder.run,
            metadata=item.metadata,
            **facts,
        )
        self._folder.add(attempt, data)
        self.tally.outcomes[outcome] += 1
        self._on_attempt(self.tally)


def suffix_of(data: bytes) -> str:
    """The file suffix that a picture's content calls for."""
    return next((suffix for magic, suffix in _SUFFIXES if data.startswith(magic)), ".img")


def _items_of(record: PageRecord) -> list[tuple[Item, str | None]]:
    return [(Item.from_json(item), detail) for item, detail in record.content["items"]]


def _condition(known: PageRecord | Attempt | None) -> dict[str, str]:
    """The headers that ask for news only (RFC 9110, 13.1)."""
    if known is None:
        return {}
    wanted = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {name: value for name, value in wanted.items() if value}


def _validators(reply: Reply) -> dict[str, str | None]:
    return {"etag": reply.header("etag"), "last_modified": reply.header("last-modified")}


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _plain(parser: Parser) -> dict[str, object]:
    return {"format": parser.format, "selectors": dict(parser.selectors)}
