"""Progress as people see it: one line that lives on a terminal, plain lines now and then elsewhere; all on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

import click
from rich.console import Console as RichConsole
from rich.live import Live
from rich.text import Text

if TYPE_CHECKING:
    from transfer.training.progress import Progress

PLAIN_EVERY_S: Final = 60.0


class Screen:
    """A context manager; ``say`` writes a line that stays, ``progress`` one that may be overwritten."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live: Live | None = None
        self._told = time.monotonic()
        if self._stream.isatty():
            self._live = Live(console=RichConsole(file=self._stream), refresh_per_second=4, transient=True)

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, words: str) -> None:
        """Write a line."""
        if self._live is None:
            click.echo(words, file=self._stream)
        else:
            self._live.console.print(Text(words))

    def progress(self, now: Progress) -> None:
        """Show how far the run is: at once on a terminal, at most once a minute elsewhere."""
        if self._live is not None:
            self._live.update(Text(str(now), overflow="ellipsis", no_wrap=True))
        elif time.monotonic() - self._told > PLAIN_EVERY_S:
            self._told = time.monotonic()
            click.echo(str(now), file=self._stream)
