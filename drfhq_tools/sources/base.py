"""What a source of pictures is to the rest of the toolkit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drfhq_tools.records import Reject, SourceImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One picture and the file its bytes lie in."""

    source: SourceImage
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """All that a source holds: ``found`` by path, each picture once; ``rejects`` for what could not be taken.

    ``listing`` is, of a scan in shares, a hash of all there is to share and what is said of it: one in all shares.
    """

    found: tuple[Found, ...]
    rejects: tuple[Reject, ...]
    listing: str = ""


class Source(Protocol):
    """A place pictures come from."""

    def scan(self) -> Scan:
        """Look through it. Trouble with a file is a reject; only a missing source is an error."""
        ...
