"""Chosen parts of a large JSON document, read as a stream: nothing is held but the part at hand.

The document is untrusted. Parts that are asked for are parsed whole by :mod:`json`; of all others only brackets and
quotes are followed, which is what makes the time bearable and the memory a few megabytes however large they are. Keys
between the root and a part are held to the grammar (RFC 8259), and none may come twice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Final

from drfhq_tools.errors import SidecarError

EACH: Final = "*"
"""In a path: every element of a list."""
AMBIGUOUS: Final = object()
"""In a parsed part: the value of a key that comes twice with two values."""

_MAX_PART_BYTES: Final = 4 << 20
_MAX_PARTS_BYTES: Final = 256 << 20
_MAX_DEPTH: Final = 100
_MAX_STEPS: Final = 5_000_000
_LEVELS: Final = 2
# Atomic groups throughout: before Python 3.11.5 `*+` and `++` after a group match wrongly.
_STRING: Final = rb'"(?>(?:[^"\\]++|\\.)*)"'


def _piece(levels: int) -> bytes:
    """A pattern of a string, of other text, or of what stands in brackets, nested so deep at most."""
    inner = rb"|[\[{](?>" + _piece(levels - 1) + rb"*)[\]}]" if levels else b""
    return rb'(?:[^\[\]{}"]++|' + _STRING + inner + rb")"


_TOKEN: Final = re.compile(rb"[ \t\r\n]*+(?:" + _STRING + rb'|[\[\]{}:,]|[^\s"\[\]{}:,]++)', re.DOTALL)
# What is not nested deep, such as the rows of a mesh, is passed in one go; else a bracket at a time.
_PASSED: Final = re.compile(rb"(?>" + _piece(_LEVELS) + rb"+)|[\[\]{}]", re.DOTALL)

Path = tuple[str, ...]


def skim(chunks: Iterator[bytes], wanted: Collection[Path]) -> Iterator[tuple[Path, object]]:
    """The ``wanted`` parts of the object that ``chunks`` spell in UTF-8, parsed, in the order they stand there.

    Objects are dicts, with :data:`AMBIGUOUS` for a key of two values. A part that is not there yields nothing; one of
    ``wanted`` may not lie in another.

    Raises:
        SidecarError: it is no such object as far as it is read, or a part of it is deeper, longer or of more pieces
            than any real one.
    """
    yield from _Skimmer(chunks, wanted).document()


class _Skimmer:
    """Holds the text not yet passed, and walks down to what is wanted."""

    def __init__(self, chunks: Iterator[bytes], wanted: Collection[Path]) -> None:
        self._chunks = chunks
        self._wanted = frozenset(wanted)
        self._above = {path[:depth]: path[depth] == EACH for path in wanted for depth in range(len(path))}
        self._text, self._at, self._more, self._steps, self._parts_bytes = b"", 0, True, 0, 0

    def document(self) -> Iterator[tuple[Path, object]]:
        if self._token() != b"{":
            raise SidecarError("must hold one JSON object")
        yield from self._object(())
        while not (rest := self._text[self._at :].strip()) and self._more:
            self._at = len(self._text)
            self._refill()
        if rest:
            raise SidecarError("no valid JSON: something follows its end")

    def _object(self, path: Path) -> Iterator[tuple[Path, object]]:
        """The parts in an object whose opening bracket is passed."""
        token, known = self._token(), set[Path]()
        while token != b"}":
            inner = (*path, self._key(token))
            if inner in known:
                raise SidecarError(f"says {'.'.join(inner)} twice")
            if inner in self._above or inner in self._wanted:
                known.add(inner)
            self._expect(self._token(), b":")
            yield from self._value(inner, self._token())
            token = self._next(b"}")

    def _array(self, path: Path) -> Iterator[tuple[Path, object]]:
        token = self._token()
        while token != b"]":
            yield from self._value((*path, EACH), token)
            token = self._next(b"]")

    def _next(self, end: bytes) -> bytes:
        """``end``, or the token after a comma."""
        token = self._token()
        if token == end:
            return token
        self._expect(token, b",")
        token = self._token()
        if token == end:
            raise SidecarError("no valid JSON: a comma before a closing bracket")
        return token

    def _value(self, path: Path, token: bytes) -> Iterator[tuple[Path, object]]:
        """The parts in a value that begins with ``token``."""
        if token in (b"]", b"}", b":", b","):
            raise SidecarError(f"no valid JSON: {'.'.join(path)} has no value")
        opens = token in (b"[", b"{")
        if path in self._wanted:
            yield path, _parsed(self._rest(token) if opens else token)
        elif path in self._above and token != b"null":
            is_list = self._above[path]
            if token != (b"[" if is_list else b"{"):
                raise SidecarError(f"{'.'.join(path)} must be {'a list' if is_list else 'an object'}")
            yield from self._array(path) if is_list else self._object(path)
        elif opens:
            for _ in self._pieces():
                pass

    def _rest(self, opening: bytes) -> bytes:
        """The text of an object or list whose opening bracket is passed."""
        pieces, size = [opening], 0
        for piece in self._pieces():
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_PART_BYTES:
                raise SidecarError(f"has a part of more than {_MAX_PART_BYTES >> 20} MB where a few lines are expected")
        self._parts_bytes += size
        if self._parts_bytes > _MAX_PARTS_BYTES:
            raise SidecarError(f"has more than {_MAX_PARTS_BYTES >> 20} MB of what is read whole")
        return b"".join(pieces)

    def _pieces(self) -> Iterator[bytes]:
        """The text up to where the bracket that is passed closes, in pieces."""
        depth = 1
        while depth:
            piece = self._take(_PASSED)
            if piece in (b"[", b"{"):
                depth += 1
                if depth > _MAX_DEPTH:
                    raise SidecarError(f"is nested more than {_MAX_DEPTH} deep")
            elif piece in (b"]", b"}"):
                depth -= 1
            yield piece

    def _token(self) -> bytes:
        """The next string, bracket, colon or comma, or a run of other text."""
        return self._take(_TOKEN, whole=True).strip()

    def _take(self, pattern: re.Pattern[bytes], *, whole: bool = False) -> bytes:
        """The next text of this pattern; if ``whole``, up to where it ends and not to where the text at hand does."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise SidecarError(f"has more than {_MAX_STEPS} pieces: no scene")
        while True:
            match = pattern.match(self._text, self._at)
            if match and (not whole or match.end() < len(self._text) or not self._more):
                self._at = match.end()
                return match[0]
            if not self._more:
                raise SidecarError("no valid JSON: it ends too early")
            self._refill()

    def _refill(self) -> None:
        """At least twice the text, so that matching anew what did not end costs no more than reading it."""
        pieces = [self._text[self._at :]]
        missing = max(len(pieces[0]), 1)
        if missing > _MAX_PART_BYTES:
            raise SidecarError(f"holds a text of more than {_MAX_PART_BYTES >> 20} MB")
        while missing > 0 and self._more:
            piece = next(self._chunks, None)
            self._more = piece is not None
            pieces.append(piece or b"")
            missing -= len(pieces[-1])
        self._text, self._at = b"".join(pieces), 0

    def _key(self, token: bytes) -> str:
        if not token.startswith(b'"'):
            raise SidecarError("no valid JSON: a key must be text in quotes")
        return str(_parsed(token))

    @staticmethod
    def _expect(token: bytes, wanted: bytes) -> None:
        if token != wanted:
            raise SidecarError(f"no valid JSON: {wanted.decode()!r} expected")


def _parsed(text: bytes) -> object:
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SidecarError(f"is not UTF-8 text ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise SidecarError(f"no valid JSON: {error}") from error


def _object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) < len(pairs):
        for name, value in pairs:
            if value is AMBIGUOUS or values[name] != value:
                values[name] = AMBIGUOUS
    return values


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object_of)
