"""The crawler's judgements of addresses, headers and rules: pure functions of untrusted text."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scrapy", reason="the extra crawl is not installed")

from drfhq_tools.crawl.addresses import AddressPolicy, AllowedHosts, address_of, is_public
from drfhq_tools.crawl.optout import header_optout, meta_optout, read_tdmrep
from drfhq_tools.crawl.outcomes import Outcome, RefusedError
from drfhq_tools.crawl.pace import HostPace, retry_after_s
from drfhq_tools.crawl.robots import read_robots
from drfhq_tools.crawl.site import Limits

NOW = datetime.datetime(2024, 5, 1, 12, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("::ffff:10.0.0.1", "2002:0a00:0001::", "64:ff9b::a00:1", "64:ff9b::7f00:1", "example.org", ""),
    ],
)
def test_private_addresses_also_wrapped_in_others(address: str) -> None:
    assert not is_public(address)


@given(st.integers(0, 2**32 - 1))
def test_wrapping_hides_no_private_address(number: int) -> None:
    import ipaddress

    inner = ipaddress.IPv4Address(number)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    nat64 = ipaddress.IPv6Address((0x64FF9B << 96) | number)
    assert is_public(str(inner)) or not (is_public(str(mapped)) or is_public(str(nat64)))


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org/a", "file:///etc/passwd", "data:image/png,x", "javascript:1", "//example.org/a", "a.png"),
        *("http://", "http:///a", "https://user:pw@example.org/", "http://user@example.org/", "http://[::1/a"),
        *("http://example.org:99999/", "http://a..b/", "http://" + "a" * 64 + ".org/", "http://x.org/" + "a" * 9000),
    ],
)
def test_what_is_no_plain_http_address(url: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        address_of(url)
    assert refusal.value.outcome is Outcome.BAD_URL


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"https://{text}/a", f"http://example.org:{text}"):
        try:
            address = address_of(url)
        except RefusedError:
            continue
        assert address.scheme in {"http", "https"}
        assert address.host == address.host.lower()
        assert 0 <= address.port <= 65535


def test_hosts_and_ports_that_were_allowed() -> None:
    hosts = AllowedHosts.of(
        ["Art.example", "*.cdn.example", "x.example:8080"], ["http://start.example:8000/a", "nonsense"]
    )

    def allows(url: str) -> bool:
        return hosts.allow(address_of(url))

    assert allows("https://art.example/")
    assert allows("http://ART.example.:80/")
    assert not allows("http://art.example:81/")
    assert not allows("http://evil-art.example/")
    assert not allows("http://art.example.evil.org/")
    assert allows("https://a.b.cdn.example/")
    assert not allows("https://cdn.example/")
    assert allows("http://x.example:8080/")
    assert not allows("http://x.example/")
    assert allows("http://start.example:8000/other")
    assert not allows("http://start.example/")


def test_a_literal_private_address_is_refused_even_if_its_host_is_allowed() -> None:
    url = "http://10.0.0.1/a.png"
    hosts = AllowedHosts.of([], [url])
    assert AddressPolicy(hosts, allow_private=True).check(url).host == "10.0.0.1"
    with pytest.raises(RefusedError) as refusal:
        AddressPolicy(hosts, allow_private=False).check(url)
    assert refusal.value.outcome is Outcome.PRIVATE_ADDRESS


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Wed, 01 May 2024 12:01:30 GMT", 90.0),
        ("Wed, 01 May 2024 11:00:00 GMT", 0.0),
        ("Wednesday, 01-May-24 12:00:10 GMT", 10.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, NOW) == seconds


@given(st.text(max_size=80))
def test_retry_after_of_any_text(value: str) -> None:
    seconds = retry_after_s(value, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["noai"], "noai"),
        (["noindex, NoImageAI"], "noimageai"),
        (["noindex", "nofollow, noai"], "noai"),
        (["drfhq: noai"], "noai"),
        (["*: noai"], "noai"),
        (["otherbot: noindex, noai"], None),
        (["otherbot: noindex, drfhq: noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, noai"], "noai"),
        (["max-snippet:20, noimageai"], "noimageai"),
        (["noindex, noaim"], None),
        (["all"], None),
    ],
)
def test_x_robots_tag(values: list[str], found: str | None) -> None:
    assert header_optout({"x-robots-tag": tuple(values)}) == (f"header x-robots-tag: {found}" if found else None)


def test_tdm_reservation_and_metas() -> None:
    assert header_optout({"tdm-reservation": (" 1 ",)}) == "header tdm-reservation: 1"
    assert header_optout({"tdm-reservation": ("0",)}) is None
    assert meta_optout([("viewport", "noai"), ("ROBOTS", "index, NOAI")]) == "meta robots: noai"
    assert meta_optout([("drfhq", "noimageai")]) == "meta drfhq: noimageai"
    assert meta_optout([("googlebot", "noai"), ("tdm-reservation", "0")]) is None
    assert meta_optout([("tdm-reservation", "1")]) == "meta tdm-reservation: 1"


@given(st.lists(st.text(alphabet=st.sampled_from("noaimgebt:,* drfhq1"), max_size=40)))
def test_optouts_of_any_header(values: list[str]) -> None:
    found = header_optout({"x-robots-tag": tuple(values)})
    assert found is None or any(word in value.lower() for value in values for word in ("noai", "noimageai"))


def test_tdmrep_the_first_rule_that_fits_decides() -> None:
    rules = read_tdmrep(
        b'[{"location": "/free/*.png$", "tdm-reservation": 0}, {"location": "/free", "tdm-reservation": 1},'
        b' {"location": "/a*b*c$", "tdm-reservation": "1"}, {"tdm-reservation": 1}, 7]'
    )
    reserved = {url: rules.reserve(f"https://x.org{url}") for url in ("/free/a.png", "/free/a.png?x", "/free/a.jpg")}
    assert reserved == {"/free/a.png": False, "/free/a.png?x": True, "/free/a.jpg": True}
    assert rules.reserve("https://x.org/a12b34c")
    assert not rules.reserve("https://x.org/a12b34cd")
    assert not rules.reserve("https://x.org/other")


@given(st.binary(max_size=200))
def test_tdmrep_of_any_bytes(body: bytes) -> None:
    read_tdmrep(body).reserve("https://example.org/a")


def test_a_location_of_many_stars_takes_no_time() -> None:
    rules = read_tdmrep(b'[{"location": "/' + b"a*" * 5000 + b'b$", "tdm-reservation": 1}]')
    began = time.process_time()
    assert not rules.reserve("https://x.org/" + "a" * 8000)
    assert time.process_time() - began < 1


def test_robots_by_status_and_agent() -> None:
    text = (
        b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n\nUser-agent: DRFHQ\nDisallow: /no*/x$\nAllow: /no/y\n"
        b"Crawl-delay: 2.5\nRequest-rate: 1/4\n"
    )
    robots = read_robots(200, text)
    assert robots.decide("https://x.org/a") == "allowed"
    assert robots.decide("https://x.org/nope/x") == "disallowed"
    assert robots.decide("https://x.org/nope/xy") == "allowed"
    assert robots.delay_s == 4.0
    assert read_robots(200, b"User-agent: otherbot\nDisallow: /").decide("https://x.org/a") == "allowed"
    assert read_robots(404, b"").decide("https://x.org/a") == "no_robots"
    assert read_robots(403, b"").decide("https://x.org/a") == "no_robots"
    for status in (429, 500, 503, 304):
        assert read_robots(status, b"").decide("https://x.org/a") == "unreachable"


@given(st.binary(max_size=300))
def test_robots_of_any_bytes(body: bytes) -> None:
    robots = read_robots(200, body)
    assert robots.decide("https://example.org/a/b?c=d") in {"allowed", "disallowed", "unreachable"}
    assert robots.delay_s is None or robots.delay_s >= 0


def test_delays_the_longer_word_counts() -> None:
    assert Limits().delay_between(None) == 1.0
    assert Limits().delay_between(0.2) == 0.2
    assert Limits(delay_s=3).delay_between(0.2) == 3
    assert Limits(delay_s=0.1).delay_between(5.0) == 5.0


def test_turns_come_one_at_a_time_and_apart() -> None:
    async def run() -> list[tuple[float, float]]:
        pace, spans = HostPace(), []

        async def one() -> None:
            async with pace.turn(0.05):
                began = time.monotonic()
                await asyncio.sleep(0.01)
                spans.append((began, time.monotonic()))

        await asyncio.gather(one(), one(), one())
        pace.hold(0.2)
        await one()
        pace.note_latency(0.4)
        await one()
        return spans

    spans = asyncio.run(run())
    gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(spans)]
    assert all(gap >= 0.049 for gap in gaps)
    assert gaps[2] >= 0.19
    assert gaps[3] >= 0.19, "half of what the answer took, as the host is slower than it was"
