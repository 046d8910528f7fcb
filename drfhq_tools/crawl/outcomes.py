"""How an attempt may end: a closed list, the words of the column ``outcome``, explained in ``docs/crawl.md``."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from drfhq_tools.records import RejectReason


class Outcome(StrEnum):
    """The closed list."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    UNCHANGED = "unchanged"
    PAGE_READ = "page_read"

    MATURE = "mature"
    LICENSE_NOT_ACCEPTED = "license_not_accepted"
    TAG_NOT_ACCEPTED = "tag_not_accepted"
    TOMBSTONED = "tombstoned"
    ROBOTS_DISALLOWED = "robots_disallowed"
    OPTED_OUT = "opted_out"

    BAD_URL = "bad_url"
    HOST_NOT_ALLOWED = "host_not_allowed"
    PRIVATE_ADDRESS = "private_address"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    ROBOTS_UNREACHABLE = "robots_unreachable"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    HTTP_ERROR = "http_error"
    CONNECTION_FAILED = "connection_failed"
    TIMEOUT = "timeout"
    DEFERRED = "deferred"
    INCOMPLETE = "incomplete"
    TOO_LARGE = "too_large"
    EMPTY_FILE = "empty_file"
    NOT_A_PICTURE = "not_a_picture"
    UNSUPPORTED_FORMAT = "unsupported_format"
    SEVERAL_FRAMES = "several_frames"
    TOO_MANY_PIXELS = "too_many_pixels"
    CORRUPT = "corrupt"
    BAD_PAGE = "bad_page"

    @property
    def got(self) -> bool:
        """Whether there is something in hand: a picture in the folder, a page read."""
        return self in _GOT

    @property
    def failed(self) -> bool:
        """Whether it went wrong (exit code 3), rather than well or left out by a rule, ours or the site's."""
        return not self.got and self not in _LEFT_OUT

    @property
    def settled(self) -> bool:
        """Whether the next crawl leaves the address alone: it is here, or its owner said no."""
        return self.got or self is Outcome.OPTED_OUT


_GOT: Final = frozenset({Outcome.KEPT, Outcome.DUPLICATE, Outcome.UNCHANGED, Outcome.PAGE_READ})
_LEFT_OUT: Final = frozenset(
    {
        Outcome.MATURE,
        Outcome.LICENSE_NOT_ACCEPTED,
        Outcome.TAG_NOT_ACCEPTED,
        Outcome.TOMBSTONED,
        Outcome.ROBOTS_DISALLOWED,
        Outcome.OPTED_OUT,
    }
)

OF_DECODING: Final = {
    RejectReason.EMPTY_FILE: Outcome.EMPTY_FILE,
    RejectReason.NOT_A_PICTURE: Outcome.NOT_A_PICTURE,
    RejectReason.UNSUPPORTED_FORMAT: Outcome.UNSUPPORTED_FORMAT,
    RejectReason.SEVERAL_FRAMES: Outcome.SEVERAL_FRAMES,
    RejectReason.TOO_LARGE: Outcome.TOO_MANY_PIXELS,
    RejectReason.CORRUPT: Outcome.CORRUPT,
}
"""What the decoder refuses, in the crawler's words."""


class RefusedError(Exception):
    """An attempt ended; inside this package only, and always recorded."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
