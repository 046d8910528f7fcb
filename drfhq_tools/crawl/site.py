"""What a crawl is to do, read from a small TOML file a site; ``docs/crawl-example.toml`` explains every key.

Nothing here knows any site: where titles, authors and pictures lie on its pages is said by CSS selectors (HTML) or
JMESPath expressions (JSON).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from drfhq_tools.errors import UsageError
from drfhq_tools.toml_file import read_toml, which_there_are

FIELDS: Final = ("image", "page", "title", "author", "license", "license_url", "tags", "rating")
"""What is looked for of a picture; each a selector."""

DEFAULT_DELAY_S: Final = 1.0
_MB: Final = 1_000_000
_MAX_PAGE_BYTES: Final = 8 * _MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much and how fast."""

    max_pages: int | None = None
    """Pages asked for in one crawl, listings and pictures' own pages alike; none for no limit."""

    max_images: int | None = None
    """Pictures in the folder at most; none for no limit."""

    delay_s: float | None = None
    """Least seconds between two requests to one host; unset, what robots.txt names, or 1."""

    timeout_s: float = 60.0
    """Seconds until an answer must be whole."""

    max_file_mb: float = 100.0
    """Larger files are broken off."""

    max_megapixels: float = 200.0
    """Pictures of more pixels, by their header, are not decoded and not kept."""

    max_wait_s: float = 600.0
    """A host that asks for a longer wait than this is left alone in this crawl."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range."""
        ranges: dict[str, tuple[float, float]] = {
            "max_pages": (1, 1e9),
            "max_images": (1, 1e9),
            "delay_s": (0, 3600),
            "timeout_s": (0.1, 3600),
            "max_file_mb": (0.001, 2000),
            "max_megapixels": (0.001, 1000),
            "max_wait_s": (0, 86400),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"{name} is {value:g}, must be from {low:g} to {high:g}")

    @property
    def max_pixels(self) -> int:
        """``max_megapixels`` in pixels."""
        return round(self.max_megapixels * 1_000_000)

    def max_bytes(self, page: bool) -> int:
        """The longest body taken."""
        return _MAX_PAGE_BYTES if page else round(self.max_file_mb * _MB)

    def delay_between(self, robots_delay_s: float | None) -> float:
        """Seconds between requests to a host whose robots.txt asks for ``robots_delay_s``."""
        return max((value for value in (self.delay_s, robots_delay_s) if value is not None), default=DEFAULT_DELAY_S)

    def backoff_s(self, tries: int) -> float:
        """Seconds before the next try, after ``tries`` that failed."""
        return min(self.max_wait_s, max(self.delay_between(None), 0.05) * float(2 ** (tries + 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Which pictures are wanted. Lists compare without case; ``*`` stands for anything."""

    licenses: tuple[str, ...] = ()
    """Names or addresses of licences; empty takes any, also none."""

    tags: tuple[str, ...] = ()
    """A picture must have one of these; empty asks for none."""

    refuse_tags: tuple[str, ...] = ()
    """A picture must have none of these."""

    mature: bool = False
    """Whether pictures rated or tagged as mature are taken."""

    mature_ratings: tuple[str, ...] = ()
    """The site's own words for a mature rating, besides the usual ones."""

    mature_tags: tuple[str, ...] = ()
    """Its own tags, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """Where things lie on one kind of page."""

    format: Literal["html", "json"] = "html"
    selectors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One gallery."""

    start: tuple[str, ...]
    listing: Parser
    item: str
    """What on a listing is one picture."""

    next: str | None = None
    """The address of the next listing, or what ``next_url`` needs to make it."""

    next_url: str | None = None
    """An address with ``{next}`` in it."""

    detail: str | None = None
    """In an item, the address of the picture's own page."""

    page: Parser | None = None
    """The picture's own page, with ``detail``."""

    defaults: Mapping[str, str] = field(default_factory=dict)
    """Author, licence and its address where a page says none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a TOML file holds; any part may be missing."""

    site: Site | None = None
    hosts: tuple[str, ...] = ()
    contact: str | None = None
    rights_basis: str | None = None
    accept: Accept = field(default_factory=Accept)
    limits: Limits = field(default_factory=Limits)


def read_plan(path: Path) -> Plan:
    """Read a TOML file.

    Raises:
        UsageError: there is none, it is no TOML, or it does not say what a crawl needs.
    """
    document = read_toml(path)
    try:
        return plan_from(document)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def plan_from(document: Mapping[str, object]) -> Plan:
    """A plan from a TOML file's content.

    Raises:
        UsageError: an unknown key, a value of another kind, or a site without start, item or image.
    """
    _check_keys("", document, ("crawl", "listing", "page", "defaults", "accept", "limits"))
    crawl = _table(document, "crawl")
    _check_keys("crawl", crawl, ("start", "allowed_hosts", "contact", "rights_basis"))
    return Plan(
        site=_site(document, _texts("crawl", crawl, "start")) if "listing" in document or "start" in crawl else None,
        hosts=_texts("crawl", crawl, "allowed_hosts"),
        contact=_text("crawl", crawl, "contact"),
        rights_basis=_text("crawl", crawl, "rights_basis"),
        accept=Accept(**_values("accept", _table(document, "accept"), Accept)),
        limits=Limits(**_values("limits", _table(document, "limits"), Limits)),
    )


def _site(document: Mapping[str, object], start: tuple[str, ...]) -> Site:
    listing, page, defaults = (_table(document, name) for name in ("listing", "page", "defaults"))
    own = ("format", "item", "next", "next_url", "detail")
    _check_keys("listing", listing, (*own, *FIELDS))
    _check_keys("page", page, ("format", *FIELDS))
    _check_keys("defaults", defaults, ("author", "license", "license_url"))
    words = {name: _text("listing", listing, name) for name in own}
    detail, next_url = words["detail"], words["next_url"]
    if not start or not words["item"]:
        raise UsageError(
            "a site needs [crawl] start, its first addresses, and [listing] item, what one picture is there"
        )
    if "image" not in listing and "image" not in page:
        raise UsageError("image is missing: where, on the [listing] or the [page], a picture's address lies")
    if bool(page) != bool(detail):
        raise UsageError("[page] and [listing] detail, the address of a picture's own page, need each other")
    if next_url is not None and (not words["next"] or "{next}" not in next_url):
        raise UsageError("[listing] next_url needs {next} in it, and next to say what stands there")
    return Site(
        start=start,
        listing=_parser("listing", listing),
        item=words["item"],
        next=words["next"],
        next_url=next_url,
        detail=detail,
        page=_parser("page", page) if page else None,
        defaults={name: value for name in defaults if (value := _text("defaults", defaults, name))},
    )


def _parser(where: str, table: Mapping[str, object]) -> Parser:
    form = _text(where, table, "format") or "html"
    if form not in {"html", "json"}:
        raise UsageError(f'[{where}] format is {form!r}, must be "html" or "json"')
    selectors = {name: value for name in FIELDS if (value := _text(where, table, name))}
    return Parser(format="json" if form == "json" else "html", selectors=selectors)


def _check_keys(where: str, table: Mapping[str, object], known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            place = f" in [{where}]" if where else ""
            raise UsageError(f"there is no key {key!r}{place}; {which_there_are(key, known)}")


def _table(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise UsageError(f"{name} must be a table, [{name}]")
    return table


def _text(where: str, table: Mapping[str, object], name: str) -> str | None:
    value = table.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise UsageError(f"[{where}] {name} is {value!r}, must be text")
    return value


def _texts(where: str, table: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = table.get(name, [])
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise UsageError(f"[{where}] {name} is {value!r}, must be a list of texts")
    return tuple(texts)


def _values(where: str, table: Mapping[str, object], kind: type[Accept] | type[Limits]) -> dict[str, Any]:
    """The table's values as ``kind``'s fields take them."""
    defaults = {f.name: f.type for f in fields(kind)}
    _check_keys(where, table, tuple(defaults))
    values: dict[str, Any] = {}
    for name, value in table.items():
        wanted = str(defaults[name])
        if wanted.startswith("tuple"):
            values[name] = _texts(where, table, name)
            continue
        kinds = (bool,) if wanted == "bool" else (int,) if wanted.startswith("int") else (int, float)
        if not isinstance(value, kinds) or (isinstance(value, bool) and wanted != "bool"):
            raise UsageError(
                f"[{where}] {name} is {value!r}, must be {'true or false' if wanted == 'bool' else 'a number'}"
            )
        values[name] = value
    return values
