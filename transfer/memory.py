"""Out of memory, whoever says it: Python, torch on a CPU or an accelerator, OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from transfer.errors import OutOfMemoryError

Item = TypeVar("Item")
Result = TypeVar("Result")

TOO_LITTLE: Final = (
    "out of memory: a smaller picture, batch or generator, --device cpu or fewer programs beside may help"
)
_WORDS: Final = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate",
    "insufficient memory",
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether ``error`` says that memory did not suffice. Only Python's own has a class of its own everywhere."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in _WORDS)


def in_parts(
    make: Callable[[Sequence[Item]], Result], items: Sequence[Item], size: int, advice: str
) -> list[tuple[Sequence[Item], Result]]:
    """``make`` of ``items``, ``size`` at once; where memory does not suffice, of half as many, down to one.

    Raises:
        OutOfMemoryError: not even one fits; the message ends with ``advice``.
    """
    done: list[tuple[Sequence[Item], Result]] = []
    start = 0
    while start < len(items):
        part = items[start : start + size]
        try:
            done.append((part, make(part)))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if size == 1:
                raise OutOfMemoryError(f"out of memory: {advice}") from error
            size = max(1, size // 2)
            continue
        start += len(part)
    return done
