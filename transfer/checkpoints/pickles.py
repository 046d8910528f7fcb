"""A pickle read as data: a machine that knows what checkpoints need of the format and runs nothing.

A pickle is a program for a stack machine (Python's ``pickletools`` lists its instructions). Its danger lies in the
instructions that import a name and call it. Here no name is imported: it must be in the table of rules the caller
gives, whose functions are our own and only rearrange what they are given. Anything else ends the reading, by the name
it asked for. Memory and time are bounded by the size of the file and by the number of instructions: bytes stay views
of it, a number it announces is never allocated, and keys are words or numbers, so that nothing nested is ever hashed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from transfer.errors import CheckpointError

MAX_STEPS: Final = 1_000_000
"""Instructions of a file: a checkpoint has some tens of thousands."""
MAX_NAME_BYTES: Final = 200
OLDEST_PROTOCOL: Final = 2
NEWEST_PROTOCOL: Final = 5

Rule = Callable[[tuple[object, ...]], object]


@dataclass(frozen=True, slots=True)
class Name:
    """What a pickle would import; here two words."""

    module: str
    word: str

    def __str__(self) -> str:
        return f"{self.module}.{self.word}"[:MAX_NAME_BYTES]


@dataclass(slots=True, eq=False)
class Record:
    """What a pickle would construct and fill; here its kind, arguments and state."""

    kind: Name
    arguments: tuple[object, ...]
    state: object = None


@dataclass(slots=True)
class Budget:
    """Instructions that may still be run, for all pickles of one file together."""

    steps: int = MAX_STEPS

    def spend(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise CheckpointError(f"a pickle of more than {MAX_STEPS} instructions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What names may stand for. ``calls``: what our function makes of a call's arguments; ``values``: names that are
    only passed on; ``persistent``: what stands for an object kept outside of the pickle."""

    calls: Mapping[Name, Rule]
    values: frozenset[Name]
    persistent: Rule | None
    budget: Budget


def read_pickle(data: memoryview, rules: Rules, start: int = 0) -> tuple[object, int]:
    """What the pickle at ``start`` describes, and where it ends.

    Containers are list, tuple, dict and set; bytes are views of ``data``.

    Raises:
        CheckpointError: it is cut off, too long, malformed, or asks for a name or an instruction that no checkpoint
            needs; the message says which.
    """
    machine = _Machine(data, rules, start)
    try:
        return machine.run(), machine.position
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, struct.error, OverflowError) as error:
        raise CheckpointError(f"a malformed pickle, at byte {machine.position}") from error


class _Stop(Exception):  # noqa: N818  an end, no error
    """The last instruction."""


_MARK: Final = object()


class _Machine:
    def __init__(self, data: memoryview, rules: Rules, start: int) -> None:
        self.data = data
        self.rules = rules
        self.position = start
        self.stack: list[object] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        """Until the instruction to stop; what then lies on top."""
        try:
            while True:
                self.rules.budget.spend()
                code = self.take(1)[0]
                step = _STEPS.get(code)
                if step is None:
                    raise CheckpointError(
                        f"a pickle with the instruction {bytes([code])!r} at byte {self.position - 1}, "
                        "which no checkpoint needs"
                    )
                step(self)
        except _Stop:
            return self.pop()

    def take(self, count: int) -> memoryview:
        """The next ``count`` bytes."""
        end = self.position + count
        if end > len(self.data):
            raise CheckpointError(f"cut off: the pickle wants {count} bytes at byte {self.position} and there are less")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def number(self, layout: str) -> int:
        value: int = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
        return value

    def word(self, count: int) -> str:
        return bytes(self.take(count)).decode("utf-8", "surrogatepass")

    def line(self) -> str:
        """A line of the text form, short as names are."""
        head = bytes(self.data[self.position : self.position + MAX_NAME_BYTES])
        length = head.index(b"\n")
        self.position += length + 1
        return head[:length].decode("utf-8")

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        value = self.stack.pop()
        if value is _MARK:
            raise IndexError
        return value

    def pop_to_mark(self) -> list[object]:
        values: list[object] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def stop(self) -> None:
        raise _Stop

    def name(self, module: object, word: object) -> None:
        name = Name(str(module), str(word))
        if name.module.startswith("dnnlib.tflib"):
            raise CheckpointError(
                "a file of the TensorFlow era, which only TensorFlow's code can open: convert it with NVIDIA's "
                "stylegan2-ada-pytorch, `python legacy.py --source=OLD.pkl --dest=NEW.pkl`, and give NEW.pkl"
            )
        if name not in self.rules.calls and name not in self.rules.values:
            raise CheckpointError(f"the pickle names {str(name)!r}, which no checkpoint needs: it was not run")
        self.push(name)

    def call(self, kind: object, arguments: object) -> None:
        """REDUCE and NEWOBJ: ask the rule of the name."""
        if not isinstance(kind, Name) or not isinstance(arguments, tuple) or kind not in self.rules.calls:
            raise CheckpointError("the pickle calls something that is not to be called")
        self.push(self.rules.calls[kind](arguments))

    def build(self) -> None:
        """BUILD: the state of an object. A dict's attributes are no part of it and are dropped."""
        state, target = self.pop(), self.stack[-1]
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):
            raise TypeError

    def set_items(self, values: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(values) % 2:
            raise TypeError
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_plain_key(key)] = value

    def append(self, values: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(values)

    def add_items(self, values: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, set):
            raise TypeError
        target.update(_plain_key(value) for value in values)

    def persistent(self) -> None:
        identity = self.pop()
        if self.rules.persistent is None or not isinstance(identity, tuple):
            raise CheckpointError("the pickle refers to objects outside of it")
        self.push(self.rules.persistent(identity))

    def few(self, count: int) -> None:
        """TUPLE1 to TUPLE3."""
        values = [self.pop() for _ in range(count)]
        self.push(tuple(values[::-1]))

    def named(self) -> None:
        """STACK_GLOBAL."""
        word, module = self.pop(), self.pop()
        self.name(module, word)

    def called(self) -> None:
        arguments, kind = self.pop(), self.pop()
        self.call(kind, arguments)

    def item(self) -> None:
        """SETITEM."""
        value, key = self.pop(), self.pop()
        self.set_items([key, value])


def _plain_key(key: object) -> str | int | float | bool | None:
    """A key whose hash costs nothing: hashing nested tuples takes time without bound."""
    if key is None or isinstance(key, str | int | float):
        return key
    raise TypeError


def _check_protocol(version: int) -> None:
    if not OLDEST_PROTOCOL <= version <= NEWEST_PROTOCOL:
        raise CheckpointError(f"a pickle of protocol {version}, which no checkpoint has")


def _drop(_: object) -> None:
    """For instructions whose result nobody needs."""


_STEPS: Final[dict[int, Callable[[_Machine], None]]] = {
    ord(code): step
    for code, step in {
        "\x80": lambda m: _check_protocol(m.take(1)[0]),
        "\x95": lambda m: _drop(m.take(8)),  # a frame's length: the frame follows in place
        ".": _Machine.stop,
        "(": lambda m: m.push(_MARK),
        "0": lambda m: _drop(m.stack.pop()),
        "1": lambda m: _drop(m.pop_to_mark()),
        "N": lambda m: m.push(None),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "K": lambda m: m.push(m.number("<B")),
        "M": lambda m: m.push(m.number("<H")),
        "J": lambda m: m.push(m.number("<i")),
        "\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
        "G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
        "X": lambda m: m.push(m.word(m.number("<I"))),
        "\x8c": lambda m: m.push(m.word(m.number("<B"))),
        "\x8d": lambda m: m.push(m.word(m.number("<Q"))),
        "B": lambda m: m.push(m.take(m.number("<I"))),
        "C": lambda m: m.push(m.take(m.number("<B"))),
        "\x8e": lambda m: m.push(m.take(m.number("<Q"))),
        ")": lambda m: m.push(()),
        "]": lambda m: m.push([]),
        "}": lambda m: m.push({}),
        "\x8f": lambda m: m.push(set()),
        "t": lambda m: m.push(tuple(m.pop_to_mark())),
        "\x85": lambda m: m.few(1),
        "\x86": lambda m: m.few(2),
        "\x87": lambda m: m.few(3),
        "a": lambda m: m.append([m.pop()]),
        "e": lambda m: m.append(m.pop_to_mark()),
        "s": _Machine.item,
        "u": lambda m: m.set_items(m.pop_to_mark()),
        "\x90": lambda m: m.add_items(m.pop_to_mark()),
        "c": lambda m: m.name(m.line(), m.line()),
        "\x93": _Machine.named,
        "R": _Machine.called,
        "\x81": _Machine.called,
        "b": _Machine.build,
        "Q": _Machine.persistent,
        "q": lambda m: m.memo.__setitem__(m.number("<B"), m.stack[-1]),
        "r": lambda m: m.memo.__setitem__(m.number("<I"), m.stack[-1]),
        "\x94": lambda m: m.memo.__setitem__(len(m.memo), m.stack[-1]),
        "h": lambda m: m.push(m.memo[m.number("<B")]),
        "j": lambda m: m.push(m.memo[m.number("<I")]),
    }.items()
}
