"""One address, asked for as a site's owner would want it: robots.txt, one at a time, Retry-After, opt-outs.

Every hop of a redirect is judged like the first address. What happened is noted in a :class:`Trace`, also when the
attempt is refused.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urljoin

from w3lib.url import safe_url_string

from drfhq_tools.crawl.addresses import Address, AddressPolicy
from drfhq_tools.crawl.optout import TDM_PATH, TdmRules, header_optout, read_tdmrep
from drfhq_tools.crawl.outcomes import Outcome, RefusedError
from drfhq_tools.crawl.pace import HostPace, Paces, retry_after_s
from drfhq_tools.crawl.robots import ROBOTS_PATH, Decision, Robots, read_robots
from drfhq_tools.crawl.site import Limits
from drfhq_tools.crawl.transport import Ask, Reply, Transport

_MAX_HOPS: Final = 5
_TRIES: Final = 3
_MAX_RULES_BYTES: Final = 512 * 1024  # RFC 9309 asks for at least 500 KiB of robots.txt
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_TROUBLE: Final = frozenset({Outcome.TIMEOUT, Outcome.CONNECTION_FAILED, Outcome.INCOMPLETE})


class Purpose(Enum):
    """What an address is asked for; its value is the Accept header."""

    RULES = "text/plain, application/json;q=0.9, */*;q=0.5"
    PAGE = "text/html, application/json, */*;q=0.5"
    PICTURE = "image/png, image/jpeg, image/webp, image/tiff, image/bmp, */*;q=0.1"


@dataclass(slots=True, kw_only=True)
class Trace:
    """What is known of an attempt so far."""

    final_url: str | None = None
    status: int | None = None
    tries: int = 0
    robots: Decision | None = None
    optout: str | None = None


@dataclass(frozen=True, slots=True)
class _Manners:
    """What a host asks of robots."""

    robots: Robots
    tdm: TdmRules


class Fetcher:
    """Asks politely; one for a crawl."""

    def __init__(
        self,
        transport: Transport,
        *,
        policy: AddressPolicy,
        limits: Limits,
        agent: str,
        ignore_robots: bool,
    ) -> None:
        self._transport, self._policy, self._limits = transport, policy, limits
        self._agent, self._ignore_robots = agent, ignore_robots
        self._paces = Paces()
        self._manners: dict[str, _Manners | RefusedError] = {}
        self._delays: dict[str, float] = {}
        self._learning: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, url: str, purpose: Purpose, trace: Trace, headers: dict[str, str] | None = None) -> Reply:
        """The answer to ``url`` or to where it redirects: 200, or 304 if ``headers`` made it conditional.

        Raises:
            RefusedError: any other end.
        """
        reply = await self._follow(url, purpose, trace, headers or {})
        trace.optout = trace.optout or header_optout(reply.headers)
        if trace.optout and purpose is Purpose.PICTURE:
            raise RefusedError(Outcome.OPTED_OUT, trace.optout)
        if reply.status in {200, 203} or (reply.status == 304 and headers):
            return reply
        raise _refusal_of(reply)

    async def _follow(self, url: str, purpose: Purpose, trace: Trace, headers: dict[str, str]) -> Reply:
        seen: set[str] = set()
        while len(seen) <= _MAX_HOPS:
            url = canonical(url)
            trace.final_url = url
            if url in seen:
                raise RefusedError(Outcome.TOO_MANY_REDIRECTS, "the redirects run in a circle")
            seen.add(url)
            address = self._policy.check(url, any_host=purpose is Purpose.RULES)
            if purpose is not Purpose.RULES:
                self._obey(await self._manners_of(address.origin), url, purpose, trace)
            reply = await self._ask(url, purpose, trace, headers, address)
            trace.status = reply.status
            target = reply.header("location") if reply.status in _REDIRECTS else None
            if target is None:
                return reply
            url = urljoin(url, target.strip())
        raise RefusedError(Outcome.TOO_MANY_REDIRECTS, f"more than {_MAX_HOPS} redirects")

    def _obey(self, manners: _Manners, url: str, purpose: Purpose, trace: Trace) -> None:
        """Note what the host says of ``url``.

        Raises:
            RefusedError: the host does not want ``url`` asked for.
        """
        decision = manners.robots.decide(url)
        if decision in {"disallowed", "unreachable"}:
            if not self._ignore_robots:
                trace.robots = decision
                if decision == "unreachable":
                    raise RefusedError(Outcome.ROBOTS_UNREACHABLE, "robots.txt cannot be had now; try again later")
                raise RefusedError(Outcome.ROBOTS_DISALLOWED, "robots.txt says no")
            decision = "overridden"
        trace.robots = decision
        if manners.tdm.reserve(url):
            trace.optout = f"{TDM_PATH}: tdm-reservation: 1"
            if purpose is Purpose.PICTURE:
                raise RefusedError(Outcome.OPTED_OUT, trace.optout)

    async def _manners_of(self, origin: str) -> _Manners:
        """What ``origin`` asks of robots, learnt once a crawl.

        Raises:
            RefusedError: it may not be asked at all.
        """
        async with self._learning[origin]:
            if origin not in self._manners:
                self._manners[origin] = await self._learn(origin)
        known = self._manners[origin]
        if isinstance(known, RefusedError):
            raise known
        return known

    async def _learn(self, origin: str) -> _Manners | RefusedError:
        try:
            reply = await self._follow(f"{origin}{ROBOTS_PATH}", Purpose.RULES, Trace(), {})
        except RefusedError as refusal:
            if refusal.outcome is Outcome.PRIVATE_ADDRESS:
                return refusal
            return _Manners(Robots(False), TdmRules())
        robots = read_robots(reply.status, reply.body)
        self._delays[origin] = self._limits.delay_between(robots.delay_s)
        allowed = robots.decide(f"{origin}{TDM_PATH}") in {"allowed", "no_robots"}
        return _Manners(robots, await self._learn_tdm(origin) if allowed else TdmRules())

    async def _learn_tdm(self, origin: str) -> TdmRules:
        try:
            reply = await self._follow(f"{origin}{TDM_PATH}", Purpose.RULES, Trace(), {})
        except RefusedError:
            return TdmRules()
        return read_tdmrep(reply.body) if reply.status == 200 else TdmRules()

    async def _ask(self, url: str, purpose: Purpose, trace: Trace, headers: dict[str, str], address: Address) -> Reply:
        """One hop, asked again while its trouble may pass."""
        pace = self._paces.of(address.host)
        delay = self._delays.get(address.origin, self._limits.delay_between(None))
        ask = Ask(
            url=url,
            headers=self._headers(purpose) | headers,
            max_bytes=_MAX_RULES_BYTES if purpose is Purpose.RULES else self._limits.max_bytes(purpose is Purpose.PAGE),
            timeout_s=self._limits.timeout_s,
            picture=purpose is Purpose.PICTURE,
        )
        if delay > self._limits.max_wait_s:
            pace.closed = f"robots.txt asks for {delay:g} s between requests, more than {self._limits.max_wait_s:g} s"
        for tries in range(1, _TRIES + 1):
            async with pace.turn(delay):
                if pace.closed:
                    raise RefusedError(Outcome.DEFERRED, pace.closed)
                trace.tries += 1
                last = tries == _TRIES
                try:
                    reply = await self._transport.send(ask)
                except RefusedError as refusal:
                    if last or refusal.outcome not in _PASSING_TROUBLE:
                        raise
                    pace.hold(self._limits.backoff_s(tries))
                    continue
                trace.status = reply.status
                pace.note_latency(reply.latency_s)
                asked = self._asked_to_wait(reply, pace)
                if last or reply.status not in _PASSING or pace.closed:
                    return reply
                if asked is None:
                    pace.hold(self._limits.backoff_s(tries))
        raise AssertionError("the last try returns or raises")

    def _headers(self, purpose: Purpose) -> dict[str, str]:
        plain = {"Accept-Encoding": "identity"} if purpose is Purpose.PICTURE else {}  # pictures are packed already
        return {"User-Agent": self._agent, "Accept": purpose.value, **plain}

    def _asked_to_wait(self, reply: Reply, pace: HostPace) -> float | None:
        """Hold the host as long as it asks for; where that is longer than we wait, it is left alone in this crawl."""
        value = reply.header("retry-after") if reply.status in {429, 503} else None
        seconds = None if value is None else retry_after_s(value, datetime.datetime.now(datetime.UTC))
        if seconds is not None and seconds > self._limits.max_wait_s:
            pace.closed = f"the host asks to wait {seconds:.0f} s, more than {self._limits.max_wait_s:g} s"
        elif seconds is not None:
            pace.hold(seconds)
        return seconds


def canonical(url: str) -> str:
    """``url`` as it is sent: percent-encoded, without its fragment.

    Raises:
        RefusedError: it is no address.
    """
    try:
        return safe_url_string(url.strip()).partition("#")[0]
    except (ValueError, UnicodeError) as error:
        raise RefusedError(Outcome.BAD_URL, f"cannot be read as an address: {error}") from error


def _refusal_of(reply: Reply) -> RefusedError:
    message = f"the server answered {reply.status}"
    if reply.status == 429:
        return RefusedError(Outcome.RATE_LIMITED, message)
    return RefusedError(Outcome.SERVER_ERROR if reply.status >= 500 else Outcome.HTTP_ERROR, message)
