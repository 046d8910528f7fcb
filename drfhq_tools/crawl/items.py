"""One picture as a page or a list describes it, and whether the user's own rules want it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

from drfhq_tools.crawl.outcomes import Outcome, RefusedError
from drfhq_tools.crawl.site import Accept
from drfhq_tools.manifest.tombstones import Tombstones
from drfhq_tools.ratings import is_mature

MATURE_TAGS: Final = frozenset(
    ("mature", "mature content", "nsfw", "nude", "nudes", "nudity", "erotic", "erotica", "explicit", "adult content")
)
_YES: Final = frozenset(("true", "yes", "1"))
_MAX_TEXT: Final = 2000
_MAX_TAGS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A picture's address and what is said of it; ``url`` is empty where only its own page is known yet."""

    url: str = ""
    page_url: str | None = None
    title: str | None = None
    author: str | None = None
    license: str | None = None
    license_url: str | None = None
    licence_evidence: str | None = None
    """Where the licence was read: ``page``, ``site_file`` (its [defaults]) or ``url_list``."""

    tags: tuple[str, ...] = ()
    rating: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self) | {"tags": list(self.tags)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_json`."""
        return cls(**{**values, "tags": tuple(values["tags"])})


def clean_text(value: object) -> str | None:
    """One line of printable text fit for UTF-8, or None where there is nothing; true and false as words."""
    if value is None or isinstance(value, (dict, list)):
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    words = text[: 10 * _MAX_TEXT].encode("utf-8", "backslashreplace").decode().split()
    line = "".join(sign for sign in " ".join(words) if sign.isprintable())
    return line[:_MAX_TEXT].strip() or None


def clean_tags(values: Iterable[object]) -> tuple[str, ...]:
    """Tags without their ``#``, each once; a single text with commas is several."""
    texts = [text for text in map(clean_text, values) if text]
    if len(texts) == 1:
        texts = [text for text in map(clean_text, texts[0].split(",")) if text]
    return tuple(dict.fromkeys(tag for text in texts[:_MAX_TAGS] if (tag := text.removeprefix("#").strip())))


def mature_sign(item: Item, accept: Accept) -> str | None:
    """What marks the item as mature: its rating, by the usual words or the user's or a plain yes, or a tag."""
    rating, words = _plain(item.rating), {_plain(word) for word in accept.mature_ratings}
    if is_mature(item.rating) or rating in words | _YES or not words.isdisjoint(re.findall(r"\w+", rating)):
        return f"rated {item.rating}"
    tags = MATURE_TAGS | {_plain(word) for word in accept.mature_tags}
    return next((f"tagged {tag}" for tag in item.tags if _plain(tag) in tags), None)


def content_rating(item: Item, accept: Accept) -> str | None:
    """The rating to record: the page's own word, with ``mature`` where a build would not know it for that."""
    if mature_sign(item, accept) is None or is_mature(item.rating):
        return item.rating
    return "mature" if item.rating is None or _plain(item.rating) in _YES else f"mature ({item.rating})"


def check_wanted(item: Item, accept: Accept) -> None:
    """Whether the user's rules want the item.

    Raises:
        RefusedError: they don't.
    """
    sign = mature_sign(item, accept)
    if sign and not accept.mature:
        raise RefusedError(Outcome.MATURE, sign)
    tags = {_plain(tag) for tag in item.tags}
    refused = next((tag for tag in accept.refuse_tags if _among(tags, tag)), None)
    if refused:
        raise RefusedError(Outcome.TAG_NOT_ACCEPTED, f"tagged {refused}")
    if accept.tags and not any(_among(tags, tag) for tag in accept.tags):
        raise RefusedError(Outcome.TAG_NOT_ACCEPTED, "has none of the tags asked for")
    if accept.licenses and not any(_same_license(item, wanted) for wanted in accept.licenses):
        raise RefusedError(Outcome.LICENSE_NOT_ACCEPTED, f"licence: {item.license or item.license_url or 'not stated'}")


def check_before_page(item: Item, accept: Accept, optout: str | None) -> None:
    """Whether what a listing says of an item, or of itself, tells against it: then its page is not even asked for.

    Raises:
        RefusedError: it does.
    """
    sign = mature_sign(item, accept)
    if sign and not accept.mature:
        raise RefusedError(Outcome.MATURE, sign)
    if optout:
        raise RefusedError(Outcome.OPTED_OUT, f"listing: {optout}")


def check_tombstones(
    tombstones: Tombstones,
    *,
    urls: Iterable[str | None] = (),
    sha256: str | None = None,
    author: str | None = None,
) -> None:
    """Whether something, or all of its author's, was taken out for good.

    Raises:
        RefusedError: it was.
    """
    stone = tombstones.find(sha256=sha256, urls=urls, author=author)
    if stone:
        raise RefusedError(Outcome.TOMBSTONED, stone.reason or "was removed before")


def _among(tags: Iterable[str], pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(tag, _plain(pattern)) for tag in tags)


def _same_license(item: Item, wanted: str) -> bool:
    stated = {_license(text) for text in (item.license, item.license_url) if text}
    return any(fnmatch.fnmatchcase(text, _license(wanted)) for text in stated)


def _license(text: str) -> str:
    """``CC BY 4.0`` and ``cc-by-4.0`` are one; so are a licence's addresses with http, https, www, deed or slash."""
    plain = _plain(text)
    if "://" in plain:
        return re.sub(r"/(deed|legalcode)(\.\w+)?$", "", plain.split("://", 1)[1].removeprefix("www.").rstrip("/"))
    return re.sub(r"[\s_-]+", "-", plain)


def _plain(text: str | None) -> str:
    return " ".join((text or "").casefold().split())
