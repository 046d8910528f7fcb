"""Tasks in a line, one worker: each is done in turn, a task nobody waits for any more is given up midway.

Work cannot be ended from outside, so it asks: whatever runs long calls :meth:`Line.check`, which raises once the task
was dropped, its owner has gone, or it has had its time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition
from typing import Final

from transfer.errors import StoppedError, TransferError

Clock = Callable[[], float]
_LOOK_UP_S: Final = 1.0
"""How often an idle worker sees whether somebody has left."""


class TimeUpError(TransferError):
    """A task took longer than allowed."""


@dataclass(eq=False)
class Task:
    """What ``owner`` waits for: ``work`` is called by the worker, ``failed`` with what it raised instead."""

    owner: str
    work: Callable[[], None]
    failed: Callable[[Exception], None]
    began: float | None = None
    dropped: bool = False


class Line:
    """At most one task an owner; a newer one takes the place of the older, at the end of the line.

    ``present`` tells whether an owner is still there. Times are in seconds by ``clock``.
    """

    def __init__(self, clock: Clock, seconds: float, present: Callable[[str], bool]) -> None:
        self.clock = clock
        self.seconds = seconds
        self.present = present
        self._waiting: list[Task] = []
        self._at_work: Task | None = None
        self._closed = False
        self._changed = Condition()

    def put(self, task: Task) -> None:
        """Join the line."""
        with self._changed:
            self._drop(task.owner)
            self._waiting.append(task)
            self._changed.notify()

    def drop(self, owner: str) -> None:
        """Give up what ``owner`` waits for, also if it is being worked on."""
        with self._changed:
            self._drop(owner)

    def place(self, owner: str) -> tuple[int, float] | None:
        """How many tasks come before ``owner``'s, 0 when it is being worked on, and for how many seconds it has been;
        None where it waits for nothing."""
        with self._changed:
            at_work = self._at_work
            if at_work is not None and at_work.owner == owner and not at_work.dropped:
                return 0, self.clock() - (at_work.began or 0.0)
            busy = int(at_work is not None)
            for number, task in enumerate(self._waiting):
                if task.owner == owner:
                    return number + busy, 0.0
        return None

    def check(self) -> None:
        """Called from within the work.

        Raises:
            StoppedError: nobody waits for it any more.
            TimeUpError: it has had its time.
        """
        task = self._at_work
        if task is None:
            return
        if self._closed or task.dropped or not self.present(task.owner):
            raise StoppedError("nobody waits for this any more")
        if self.clock() - (task.began or 0.0) > self.seconds:
            raise TimeUpError(
                f"it took more than {self.seconds:g} seconds and was stopped: pick fewer faces, or start the page with"
                " fewer --steps or a larger --max-seconds"
            )

    def work(self, between: Callable[[], None] = lambda: None) -> None:
        """The worker's life, until :meth:`close`; ``between`` is called whenever it looks up."""
        while True:
            between()
            with self._changed:
                if self._closed:
                    return
                if not self._waiting:
                    self._changed.wait(_LOOK_UP_S)
                    continue
                task = self._at_work = self._waiting.pop(0)
                task.began = self.clock()
            self._do(task)
            with self._changed:
                self._at_work = None

    def close(self) -> None:
        """End the worker, in the midst of a task at its next check."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()

    def _do(self, task: Task) -> None:
        try:
            self.check()
            task.work()
        except StoppedError:
            return
        except Exception as error:  # whatever a picture did, the next one in line is served
            if not task.dropped:
                task.failed(error)

    def _drop(self, owner: str) -> None:
        self._waiting = [task for task in self._waiting if task.owner != owner]
        if self._at_work is not None and self._at_work.owner == owner:
            self._at_work.dropped = True
