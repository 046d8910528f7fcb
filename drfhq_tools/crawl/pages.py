"""A page's text → the pictures it lists, the next page, and whether its owner opted out; pure, of untrusted text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urljoin

import jmespath
from jmespath.exceptions import JMESPathError
from parsel import Selector
from w3lib.encoding import html_to_unicode
from w3lib.html import get_base_url

from drfhq_tools.crawl.items import Item, clean_tags, clean_text
from drfhq_tools.crawl.optout import meta_optout
from drfhq_tools.crawl.outcomes import Outcome, RefusedError
from drfhq_tools.crawl.site import Parser, Site
from drfhq_tools.errors import UsageError

_MAX_ITEMS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What one listing holds: the items, each with its own page's address or None, and the next listing's."""

    items: tuple[tuple[Item, str | None], ...]
    next: str | None
    optout: str | None


class Node:
    """A part of an HTML or JSON page that can be asked by selector."""

    def __init__(self, data: Selector | object, base: str) -> None:
        self._data, self._base = data, base

    @classmethod
    def of_page(cls, body: bytes, content_type: str | None, url: str, parser: Parser) -> Node:
        """A whole page.

        Raises:
            RefusedError: it is not what ``parser`` reads.
        """
        if parser.format == "json":
            try:
                return cls(json.loads(body), url)
            except (ValueError, RecursionError) as error:
                raise RefusedError(Outcome.BAD_PAGE, f"no valid JSON: {error}") from error
        _, text = html_to_unicode(content_type, body)
        try:
            return cls(Selector(text=text.replace("\0", ""), type="html"), get_base_url(text, url))
        except ValueError as error:
            raise RefusedError(Outcome.BAD_PAGE, f"no HTML that can be read: {error}") from error

    def parts(self, selector: str) -> list[Node]:
        """What ``selector`` finds, each to be asked on."""
        found = self._data.css(selector) if isinstance(self._data, Selector) else self._search(selector)
        return [Node(part, self._base) for part in found[:_MAX_ITEMS]]

    def values(self, selector: str | None, *, link: bool = False) -> list[object]:
        """What ``selector`` finds, as plain values; of an element its address where ``link``, else its text."""
        if selector is None:
            return []
        if not isinstance(self._data, Selector):
            return self._search(selector)
        return [_of_element(part, link=link) for part in self._data.css(selector)]

    def text(self, selector: str | None) -> str | None:
        """The first that says something."""
        return next((text for value in self.values(selector) if (text := clean_text(value))), None)

    def link(self, selector: str | None) -> str | None:
        """The first address, made absolute."""
        found = next((text for value in self.values(selector, link=True) if (text := clean_text(value))), None)
        return None if found is None else join(self._base, found)

    def optout(self) -> str | None:
        """The sign in an HTML page's metas."""
        if not isinstance(self._data, Selector):
            return None
        metas = self._data.xpath("//meta[@name][@content]")
        return meta_optout((meta.attrib["name"], meta.attrib["content"]) for meta in metas)

    def _search(self, selector: str) -> list[object]:
        try:
            found = jmespath.search(selector, self._data)
        except (JMESPathError, TypeError, RecursionError):  # a function given another kind of value than it takes
            return []
        return found if isinstance(found, list) else [] if found is None else [found]


def join(base: str, url: str) -> str:
    """``url`` seen from ``base``; as it is where the two make no address."""
    try:
        return urljoin(base, url)
    except ValueError:
        return url


def _of_element(part: Selector, *, link: bool) -> object:
    if isinstance(part.root, str):  # ::text or ::attr()
        return part.root
    if link:
        return part.attrib.get("href") or part.attrib.get("src") or part.attrib.get("content")
    return part.attrib.get("content") or "".join(part.xpath(".//text()").getall())


def read_listing(site: Site, node: Node, url: str) -> Listing:
    """The items of a listing at ``url``."""
    items = []
    for part in node.parts(site.item):
        item = describe(Item(page_url=url), part, site.listing.selectors)
        detail = part.link(site.detail)
        if item.url or detail:
            items.append((item, detail))
    following = node.link(site.next)
    if site.next_url is not None:
        word = node.text(site.next)
        following = None if word is None else site.next_url.replace("{next}", quote(word, safe=""))
    return Listing(items=tuple(items), next=following, optout=node.optout())


def describe(item: Item, node: Node, selectors: Mapping[str, str]) -> Item:
    """``item`` with what ``node`` says over what was known."""
    found: dict[str, Any] = {name: node.text(selectors.get(name)) for name in ("title", "author", "license", "rating")}
    found |= {"url": node.link(selectors.get("image")), "page_url": node.link(selectors.get("page"))}
    found |= {"license_url": node.link(selectors.get("license_url"))}
    found |= {"tags": clean_tags(node.values(selectors.get("tags")))}
    if found["license"] or found["license_url"]:
        found["licence_evidence"] = "page"
    return replace(item, **{name: value for name, value in found.items() if value})


def with_defaults(item: Item, defaults: Mapping[str, str]) -> Item:
    """``item`` with the site file's words where its pages say nothing."""
    licensed = item.license or item.license_url
    missing: dict[str, Any] = {
        name: value
        for name, value in defaults.items()
        if getattr(item, name) is None and (name == "author" or not licensed)
    }
    if not licensed and {"license", "license_url"} & missing.keys():
        missing["licence_evidence"] = "site_file"
    return replace(item, **missing)


def check_selectors(site: Site) -> None:
    """Try every selector before any request is made.

    Raises:
        UsageError: one is no CSS selector, or no JMESPath expression.
    """
    named = {f"listing] {name}": (site.listing.format, getattr(site, name)) for name in ("item", "next", "detail")}
    for where, parser in (("listing", site.listing), ("page", site.page)):
        if parser is not None:
            named |= {f"{where}] {name}": (parser.format, value) for name, value in parser.selectors.items()}
    for where, (form, selector) in named.items():
        if selector is None:
            continue
        try:
            if form == "json":
                jmespath.compile(selector)
            else:
                Selector(text="<p>", type="html").css(selector)
        except (JMESPathError, ValueError, SyntaxError) as error:
            kind = "JMESPath expression" if form == "json" else "CSS selector"
            raise UsageError(f"[{where} is {selector!r}, no {kind}: {error}") from error
