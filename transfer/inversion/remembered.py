"""What was computed for a generator, kept until another one is asked about or its weights change.

One answer is kept, for the generator asked about last, so that memory is bounded; the generator itself is not kept
alive. Threads that ask at once wait for one of them to compute.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from transfer.networks.generator import Generator

Value = TypeVar("Value")
_State = tuple[tuple[int, int], ...]


class Remembered(Generic[Value]):
    """``make`` (Generator → value), which depends on the generator's weights alone and is worth remembering."""

    def __init__(self, make: Callable[[Generator], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._last: tuple[weakref.ref[Generator], _State, Value] | None = None

    def __call__(self, generator: Generator) -> Value:
        """The value for ``generator`` as it is now."""
        with self._lock:
            state = _state(generator)
            if self._last is not None and self._last[0]() is generator and self._last[1] == state:
                return self._last[2]
            value = self._make(generator)
            self._last = weakref.ref(generator), state, value
            return value


def _state(generator: Generator) -> _State:
    """Where each weight lies and how often it was written to: what changes whenever the weights do."""
    return tuple((tensor.data_ptr(), tensor._version) for tensor in generator.state_dict(keep_vars=True).values())
