"""How long to leave a host alone: one request at a time, a delay after each answer, and what Retry-After asks for.

The delay is the larger of what is wanted (the site's Crawl-delay, the user's) and the host's own speed: after an
answer that took long we wait as long, which is Scrapy's auto-throttle for one request at a time. It runs from the end
of an answer, so that requests reach the server at least that far apart, whatever the network does.
"""

from __future__ import annotations

import asyncio
import datetime
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

_MAX_THROTTLE_S = 60.0


def retry_after_s(value: str, now: datetime.datetime) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); None where it is neither."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=datetime.UTC)
    return max(0.0, (aware - now).total_seconds())


@dataclass(slots=True)
class HostPace:
    """One host's turn-taking."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    answered_at: float = -math.inf
    held_until: float = -math.inf
    latency_s: float = 0.0
    closed: str | None = None
    """Why the host is asked nothing more in this crawl."""

    @asynccontextmanager
    async def turn(self, delay_s: float) -> AsyncIterator[None]:
        """Wait for our turn, ``delay_s`` after the last answer at the soonest, and hold it for one request."""
        async with self.lock:
            ready = max(self.held_until, self.answered_at + max(delay_s, self.latency_s))
            while (wait := ready - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            try:
                yield
            finally:
                self.answered_at = time.monotonic()

    def note_latency(self, seconds: float) -> None:
        """Take an answer's time into the host's speed, half old, half new."""
        self.latency_s = min((self.latency_s + seconds) / 2, _MAX_THROTTLE_S)

    def hold(self, seconds: float) -> None:
        """Ask nothing for so long."""
        self.held_until = max(self.held_until, time.monotonic() + seconds)


class Paces:
    """The turn-taking of every host, by name: the ports of one machine share it."""

    def __init__(self) -> None:
        self._hosts: defaultdict[str, HostPace] = defaultdict(HostPace)

    def of(self, host: str) -> HostPace:
        """The host's."""
        return self._hosts[host]
