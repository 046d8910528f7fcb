"""Site files, lists and pages: read where they can be, refused with advice where they cannot."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scrapy", reason="the extra crawl is not installed")

from drfhq_tools.crawl.items import Item, check_wanted, clean_tags, clean_text, content_rating
from drfhq_tools.crawl.outcomes import Outcome, RefusedError
from drfhq_tools.crawl.pages import Node, check_selectors, describe, read_listing, with_defaults
from drfhq_tools.crawl.site import Accept, Limits, Parser, Site, plan_from, read_plan
from drfhq_tools.crawl.urllist import read_urls
from drfhq_tools.errors import UsageError
from drfhq_tools.ratings import is_mature

EXAMPLE = Path(__file__).parents[4] / "docs" / "crawl-example.toml"
MINIMAL: dict[str, Any] = {"crawl": {"start": "https://x.org/"}, "listing": {"item": "li", "image": "img"}}


def test_the_example_in_the_docs_is_whole_and_names_every_key() -> None:
    plan = read_plan(EXAMPLE)
    assert plan.site is not None
    check_selectors(plan.site)
    text = EXAMPLE.read_text(encoding="utf-8")
    keys = {"start", "allowed_hosts", "contact", "rights_basis", "item", "next", "next_url", "detail", "format"}
    keys |= {"image", "page", "title", "author", "license", "license_url", "tags", "rating"}
    keys |= {"licenses", "refuse_tags", "mature", "mature_ratings", "mature_tags", "max_pages", "max_images", "delay_s"}
    keys |= {"timeout_s", "max_file_mb", "max_megapixels", "max_wait_s"}
    assert {key for key in keys if f"{key} = " not in text} == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lsting": {}}, "did you mean listing"),
        ({"crawl": {"start": []}}, "start"),
        ({"crawl": {"start": [3]}}, "list of texts"),
        ({"crawl": "x"}, "must be a table"),
        ({"listing": {"item": "li"}}, "image is missing"),
        ({"listing": {"image": "img"}}, "item"),
        ({"listing": {"item": "li", "image": 3}}, "must be text"),
        ({"listing": {"item": "li", "image": "img", "format": "xml"}}, '"html" or "json"'),
        ({"listing": {"item": "li", "image": "img", "detail": "a"}}, "need each other"),
        ({"page": {"image": "img"}}, "need each other"),
        ({"listing": {"item": "li", "image": "img", "next": "a", "next_url": "https://x"}}, "{next}"),
        ({"limits": {"delay_s": -1}}, "delay_s is -1"),
        ({"limits": {"delay_s": float("nan")}}, "delay_s is nan"),
        ({"limits": {"max_pages": 2.5}}, "a number"),
        ({"limits": {"max_pages": True}}, "a number"),
        ({"accept": {"mature": 1}}, "true or false"),
        ({"accept": {"licence": "CC0"}}, "did you mean licenses"),
    ],
)
def test_site_files_that_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        plan_from({**MINIMAL, **change})
    assert message in str(error.value)


def test_a_file_of_limits_alone_is_a_plan_for_a_list() -> None:
    plan = plan_from({"limits": {"delay_s": 2, "max_images": 5}, "accept": {"tags": "portrait"}})
    assert plan.site is None
    assert plan.limits == Limits(delay_s=2, max_images=5)
    assert plan.accept == Accept(tags=("portrait",))


toml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["start", "item", "image", "tags", "delay_s", "detail", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["crawl", "listing", "page", "defaults", "accept", "limits", "x"]), toml_values))
def test_any_document_is_a_plan_or_refused_with_advice(document: dict[str, Any]) -> None:
    with contextlib.suppress(UsageError):
        plan = plan_from(document)
        assert plan.site is None or (plan.site.start and plan.site.item)


@given(st.text(max_size=200))
def test_any_toml(text: str) -> None:
    with contextlib.suppress(UsageError, tomllib.TOMLDecodeError):
        plan_from(tomllib.loads(text))


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe[")
    for name in ("x.toml", "none.toml"):
        with pytest.raises(UsageError, match=name):
            read_plan(tmp_path / name)


def site(**listing: str) -> Site:
    plan = plan_from({**MINIMAL, "listing": {"item": "li", "image": "img", **listing}})
    assert plan.site is not None
    return plan.site


@pytest.mark.parametrize(
    ("form", "selector"), [("html", "li["), ("html", "a::attr("), ("html", "::"), ("json", "data["), ("json", "f(")]
)
def test_bad_selectors_are_named(form: str, selector: str) -> None:
    with pytest.raises(UsageError, match=r"\[listing\] item"):
        check_selectors(site(format=form, item=selector, image="a"))


def test_an_html_listing_with_a_base_and_an_encoding() -> None:
    page = (
        "<html><head><base href='/pics/'><meta charset=windows-1252></head><body>"
        "<li><img src='a b.png?x=1#top'><b> Zoë \x00 &amp; co\n</b><i>x, y ,x</i></li>"
        "<li>no picture</li><li><img src='http://[broken'></li><a class=n href='?page=2'>next</a></body></html>"
    ).encode("windows-1252")
    where = site(title="b", tags="i", next="a.n")
    node = Node.of_page(page, "text/html", "https://x.org/list", where.listing)
    listing = read_listing(where, node, "https://x.org/list")
    first, broken = (item for item, _ in listing.items)
    assert first == Item(
        url="https://x.org/pics/a b.png?x=1#top", page_url="https://x.org/list", title="Zoë & co", tags=("x", "y")
    )
    assert broken.url == "http://[broken"
    assert listing.next == "https://x.org/pics/?page=2"
    assert listing.optout is None


def test_a_json_listing_of_odd_values() -> None:
    where = site(format="json", item="d[*]", image="f", title="t", tags="g", rating="m", next="n")
    odd = b'{"f": "/a.png", "t": 3, "g": ["x", null, {"y": 1}, "#z"], "m": true}'
    body = b'{"d": [' + odd + b', 7, null, {"f": ["b"]}], "n": null}'
    listing = read_listing(where, Node.of_page(body, None, "https://x.org/api/", where.listing), "https://x.org/api/")
    first, second = (item for item, _ in listing.items)
    assert (first.url, first.title, first.tags, first.rating) == ("https://x.org/a.png", "3", ("x", "z"), "true")
    assert second.url == "https://x.org/api/b"
    assert listing.next is None


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_bad_json_is_a_bad_page(body: bytes) -> None:
    with pytest.raises(RefusedError) as refusal:
        Node.of_page(body, None, "https://x.org/", Parser(format="json"))
    assert refusal.value.outcome is Outcome.BAD_PAGE


@given(st.binary(max_size=400) | st.text(alphabet="<>/li img='\"src&#;\x00é", max_size=200).map(str.encode))
def test_any_bytes_are_a_page_or_refused(body: bytes) -> None:
    for form in ("html", "json"):
        where = site(format=form, item="li" if form == "html" else "[]", image="img", title="@")
        if form == "html":
            where = site(item="li", title="b", next="a")
        try:
            node = Node.of_page(body, "text/html", "https://x.org/", where.listing)
        except RefusedError:
            continue
        listing = read_listing(where, node, "https://x.org/")
        assert all(item.url for item, _ in listing.items)


def test_details_override_the_listing_and_defaults_fill_in() -> None:
    page = Node.of_page(b"<h1>T</h1><a href=/cc>CC BY</a>", None, "https://x.org/1", Parser())
    item = describe(
        Item(title="old", author="A"), page, {"title": "h1", "license": "a", "license_url": "a", "image": "img"}
    )
    assert (item.title, item.author, item.license, item.license_url) == ("T", "A", "CC BY", "https://x.org/cc")
    filled = with_defaults(item, {"author": "B", "license": "CC0"})
    assert (filled.author, filled.license, filled.licence_evidence) == ("A", "CC BY", "page")
    bare = with_defaults(Item(), {"author": "B", "license": "CC0"})
    assert (bare.author, bare.license, bare.licence_evidence) == ("B", "CC0", "site_file")


@pytest.mark.parametrize(
    ("item", "accept", "outcome"),
    [
        (Item(rating="Mature Content"), Accept(), Outcome.MATURE),
        (Item(rating="18+"), Accept(), Outcome.MATURE),
        (Item(rating="very spicy"), Accept(mature_ratings=("Spicy",)), Outcome.MATURE),
        (Item(rating="very spicy", tags=("pin up",)), Accept(), None),
        (Item(tags=("Pin  Up",)), Accept(mature_tags=("pin up",)), Outcome.MATURE),
        (Item(rating="True"), Accept(), Outcome.MATURE),
        (Item(tags=("portrait", "NSFW")), Accept(), Outcome.MATURE),
        (Item(tags=("adult", "premature")), Accept(), None),
        (Item(rating="general"), Accept(), None),
        (Item(rating="false"), Accept(), None),
        (Item(rating="explicit"), Accept(mature=True), None),
        (Item(license="cc_by 4.0"), Accept(licenses=("CC-BY-4.0",)), None),
        (Item(license="CC-BY-NC-4.0"), Accept(licenses=("CC-BY-4.0",)), Outcome.LICENSE_NOT_ACCEPTED),
        (Item(license="CC-BY-SA-3.0"), Accept(licenses=("CC-BY-SA-*",)), None),
        (Item(), Accept(licenses=("CC0-1.0",)), Outcome.LICENSE_NOT_ACCEPTED),
        (
            Item(license_url="http://www.creativecommons.org/licenses/by/4.0/deed.en"),
            Accept(licenses=("https://creativecommons.org/licenses/by/4.0",)),
            None,
        ),
        (Item(tags=("Red Car",)), Accept(refuse_tags=("*car",)), Outcome.TAG_NOT_ACCEPTED),
        (Item(tags=("portrait",)), Accept(tags=("Portrait",)), None),
        (Item(), Accept(tags=("portrait",)), Outcome.TAG_NOT_ACCEPTED),
    ],
)
def test_what_the_users_rules_want(item: Item, accept: Accept, outcome: Outcome | None) -> None:
    if outcome is None:
        check_wanted(item, accept)
    else:
        with pytest.raises(RefusedError) as refusal:
            check_wanted(item, accept)
        assert refusal.value.outcome is outcome


def test_ratings_as_recorded() -> None:
    assert content_rating(Item(rating="true"), Accept()) == "mature"
    assert content_rating(Item(tags=("nude",)), Accept()) == "mature"
    assert content_rating(Item(rating="R18"), Accept()) == "R18"
    assert content_rating(Item(rating="general"), Accept()) == "general"
    assert content_rating(Item(), Accept()) is None
    spicy = content_rating(Item(rating="spicy"), Accept(mature_ratings=("spicy",)))
    assert spicy == "mature (spicy)"
    assert is_mature(spicy), "a build must know it too"


@given(st.text() | st.none() | st.booleans() | st.floats() | st.lists(st.text()))
def test_clean_text_is_one_printable_line(value: object) -> None:
    text = clean_text(value)
    assert text is None or (text == text.strip() != "" and text.isprintable() and text.encode())
    assert all(tag and "," not in tag for tag in clean_tags([value]))


def test_lists_keep_every_column(tmp_path: Path) -> None:
    csv = tmp_path / "a.csv"
    csv.write_text(
        '\ufeffURL , Author,gender,mature,tags\r\nhttp://x/1,Zoë,female,true,"a, b"\r\n,,,,\r\nhttp://x/1,B,,,\r\n'
    )
    assert read_urls(csv) == (
        Item(url="http://x/1", author="Zoë", rating="true", tags=("a", "b"), metadata={"gender": "female"}),
    )
    table = pa.table({"url": ["http://x/1", None], "n": [1, 2], "tags": [["a", "b"], None], "license": ["CC0", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_urls(tmp_path / "a.parquet") == (
        Item(url="http://x/1", license="CC0", licence_evidence="url_list", tags=("a", "b"), metadata={"n": "1"}),
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"link\nhttp://x/1\n", "no column url; its columns are link"),
        ("a.csv", b"", "no column url"),
        ("a.csv", b"url\n\n", "lists no address"),
        ("a.csv", b"url\n\xff\xfe\n", "no CSV in UTF-8"),
        ("a.csv", b"url\n" + b"x" * 200_000, "no CSV"),
        ("a.parquet", b"PAR1", "no Parquet"),
    ],
)
def test_lists_that_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as error:
        read_urls(tmp_path / name)
    assert message in str(error.value)
