"""robots.txt (RFC 9309) as Protego reads it, with the Crawl-delay and Request-rate that Scrapy passes over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from protego import Protego

from drfhq_tools.crawl.optout import AGENT

Decision = Literal["allowed", "no_robots", "disallowed", "unreachable", "overridden"]
"""The words of the column ``robots_decision``."""

ROBOTS_PATH = "/robots.txt"


@dataclass(frozen=True, slots=True)
class Robots:
    """What one host lets robots do; ``rules`` is None where it has no robots.txt, or where that cannot be had."""

    reachable: bool
    rules: Protego | None = None

    def decide(self, url: str) -> Decision:
        """Whether we may ask for ``url``. A host whose robots.txt cannot be had is left alone (RFC 9309, 2.3.1.4)."""
        if not self.reachable:
            return "unreachable"
        if self.rules is None:
            return "no_robots"
        return "allowed" if self.rules.can_fetch(url, AGENT) else "disallowed"

    @property
    def delay_s(self) -> float | None:
        """Seconds it wants between requests, or None."""
        if self.rules is None:
            return None
        rate = self.rules.request_rate(AGENT)
        wanted = [self.rules.crawl_delay(AGENT), rate.seconds / rate.requests if rate and rate.requests else None]
        return max((float(value) for value in wanted if value is not None and value >= 0), default=None)


def read_robots(status: int, body: bytes) -> Robots:
    """What an answer for robots.txt means: 2xx rules, 4xx none (but 429: not now), anything else cannot be had."""
    if 200 <= status < 300:
        try:
            return Robots(True, Protego.parse(body.decode("utf-8-sig", "replace")))
        except Exception:  # a parser of foreign text; whatever it stumbles over, the host is not ours to guess at
            return Robots(False)
    return Robots(400 <= status < 500 and status != 429)
