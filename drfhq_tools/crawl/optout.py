"""How the owner of a page or picture says that it is not for machine learning, and whether one did.

Three signs are known: the directives ``noai`` and ``noimageai`` (introduced by DeviantArt in 2022) in the header
``X-Robots-Tag`` or in ``<meta name="robots">``; the TDM Reservation Protocol (W3C community group report, 2024), as the
header or meta ``tdm-reservation: 1``; and its file ``/.well-known/tdmrep.json``. A directive addressed to another robot
by name is not meant for us.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

AGENT: Final = "drfhq"
"""The crawler's name, by which robots.txt and X-Robots-Tag may address it."""

TDM_PATH: Final = "/.well-known/tdmrep.json"
_NO_AI: Final = ("noai", "noimageai")
_WITH_VALUE: Final = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_MAX_RULES: Final = 1000

Headers = Mapping[str, tuple[str, ...]]
"""Response headers by name in small letters."""


def header_optout(headers: Headers) -> str | None:
    """The sign found in a response's headers, such as ``header x-robots-tag: noai``."""
    for value in headers.get("x-robots-tag", ()):
        found = _directive(value)
        if found:
            return f"header x-robots-tag: {found}"
    if any(value.strip() == "1" for value in headers.get("tdm-reservation", ())):
        return "header tdm-reservation: 1"
    return None


def meta_optout(metas: Iterable[tuple[str, str]]) -> str | None:
    """The sign found in a page's metas, given as (name, content)."""
    for name, content in metas:
        label = name.strip().lower()
        if label in {"robots", AGENT}:
            found = _directive(content)
            if found:
                return f"meta {label}: {found}"
        if label == "tdm-reservation" and content.strip() == "1":
            return "meta tdm-reservation: 1"
    return None


def _directive(value: str) -> str | None:
    """The first of noai and noimageai in ``value`` that is addressed to all robots or to ours.

    A robot's name holds for the directives after it, up to the next name: ``otherbot: noindex, noai``.
    """
    ours = True
    for piece in value.lower().split(","):
        name, colon, rest = piece.partition(":")
        word = piece.strip()
        if colon and name.strip() not in _WITH_VALUE and re.fullmatch(r"[\w*.-]+", name.strip()):
            ours, word = name.strip() in {AGENT, "*"}, rest.strip()
        if ours and word in _NO_AI:
            return word
    return None


@dataclass(frozen=True, slots=True)
class TdmRules:
    """What a site's ``tdmrep.json`` says: (location, whether it is reserved), the first that fits a path decides."""

    rules: tuple[tuple[str, bool], ...] = ()

    def reserve(self, url: str) -> bool:
        """Whether the rights to mine what ``url`` leads to are reserved."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return next((reserved for location, reserved in self.rules if _fits(path, location)), False)


def read_tdmrep(body: bytes) -> TdmRules:
    """The rules of a ``tdmrep.json``; none where it is no such file."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return TdmRules()
    rules = []
    for rule in document[:_MAX_RULES] if isinstance(document, list) else ():
        location = rule.get("location") if isinstance(rule, dict) else None
        if isinstance(location, str):
            rules.append((location, rule.get("tdm-reservation") in (1, "1")))
    return TdmRules(tuple(rules))


def _fits(path: str, location: str) -> bool:
    """Whether a path matches a location as robots.txt writes them (RFC 9309): a prefix, ``*`` anything, ``$`` the end.

    Each piece is looked for once from the left, so no location takes long.
    """
    first, *rest = location.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for piece in rest[:-1] if location.endswith("$") else rest:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if not location.endswith("$"):
        return True
    return path[at:].endswith(rest[-1]) if rest else at == len(path)
