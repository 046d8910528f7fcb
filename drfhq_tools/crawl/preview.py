"""A look at a site's first page, or at the top of a list, without taking a picture or writing anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from drfhq_tools.crawl.fetch import Fetcher, Purpose, Trace
from drfhq_tools.crawl.items import Item, check_before_page, check_wanted
from drfhq_tools.crawl.outcomes import Outcome, RefusedError
from drfhq_tools.crawl.pages import Node, check_selectors, describe, read_listing, with_defaults
from drfhq_tools.crawl.run import CrawlRequest, fetcher_for, run
from drfhq_tools.crawl.site import Accept, Parser, Site
from drfhq_tools.errors import DrfhqError

if TYPE_CHECKING:
    from drfhq_tools.crawl.transport import Transport

_LOOKED_INTO: Final = 5
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class Shown:
    """An item as it was read, and what stands against taking it, as far as its page tells; None for nothing."""

    item: Item
    against: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The first items, how many more there are on the page or list, and the next listing's address."""

    shown: tuple[Shown, ...]
    more: int = 0
    next: str | None = None


def preview(request: CrawlRequest) -> Preview:
    """What a crawl would begin with; of a site with pages of their own for pictures, the first five are looked into.

    Once a process, as :func:`~drfhq_tools.crawl.run.crawl`.

    Raises:
        UsageError: a selector cannot be read.
        DrfhqError: the first page cannot be had or read.
    """
    site = request.site
    if site is None:
        shown = tuple(Shown(item, _against(item, request.accept)) for item in request.items[:_LISTED])
        return Preview(shown=shown, more=len(request.items) - len(shown))
    check_selectors(site)
    found: list[Preview] = []

    async def job(transport: Transport) -> None:
        found.append(await _look(fetcher_for(request, transport), site, request.accept))

    run(job, allow_private=request.allow_private)
    return found[0]


async def _look(fetcher: Fetcher, site: Site, accept: Accept) -> Preview:
    try:
        node, optout = await _node(fetcher, site.start[0], site.listing)
    except RefusedError as refusal:
        raise DrfhqError(f"{site.start[0]}: {refusal.outcome}: {refusal}") from refusal
    listing = read_listing(site, node, site.start[0])
    shown = []
    for number, (item, detail) in enumerate(listing.items):
        if site.page is None or detail is None:
            shown.append(_shown(with_defaults(item, site.defaults), accept, optout))
        elif number < _LOOKED_INTO:
            listed = replace(item, page_url=detail)
            shown.append(await _looked_into(fetcher, site, site.page, listed, accept, optout))
    return Preview(shown=tuple(shown), more=len(listing.items) - len(shown), next=listing.next)


async def _looked_into(
    fetcher: Fetcher, site: Site, page: Parser, item: Item, accept: Accept, listed_optout: str | None
) -> Shown:
    try:
        check_before_page(item, accept, listed_optout)
        node, optout = await _node(fetcher, item.page_url or "", page)
    except RefusedError as refusal:
        return Shown(item, f"{refusal.outcome}: {refusal}")
    return _shown(with_defaults(describe(item, node, page.selectors), site.defaults), accept, optout)


async def _node(fetcher: Fetcher, url: str, parser: Parser) -> tuple[Node, str | None]:
    trace = Trace()
    reply = await fetcher.get(url, Purpose.PAGE, trace)
    node = Node.of_page(reply.body, reply.header("content-type"), reply.url, parser)
    return node, trace.optout or node.optout()


def _shown(item: Item, accept: Accept, optout: str | None) -> Shown:
    if optout:
        return Shown(item, f"{Outcome.OPTED_OUT}: {optout}")
    return Shown(item, _against(item, accept) or (None if item.url else f"{Outcome.BAD_PAGE}: shows no picture"))


def _against(item: Item, accept: Accept) -> str | None:
    try:
        check_wanted(item, accept)
    except RefusedError as refusal:
        return f"{refusal.outcome}: {refusal}"
    return None
