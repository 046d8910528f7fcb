"""Run a function over many tasks in other processes: few in flight at a time, and a task that kills its process found.

Processes are spawned on every system: forking is unknown to Windows and unsafe beside threads.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from typing import Final, Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Engine(Protocol):
    """Runs a function over many tasks, as :func:`run_tasks` does: each task with its result, in the order they finish,
    None for one whose process died of it. Where it runs must not show in a result."""

    def __call__(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        workers: int,
        prepare: Callable[[], None],
        /,
    ) -> Iterator[tuple[Task, Result | None]]: ...


_IN_FLIGHT: Final = 4  # tasks a worker: enough to keep it busy, few enough that nothing piles up


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    prepare: Callable[[], None],
) -> Iterator[tuple[Task, Result | None]]:
    """Each task with its result, in the order they finish; None for a task whose process died of it.

    ``function`` and ``prepare``, which each process calls first, must be importable by name. When a process dies (out
    of memory, a crash in a library), the tasks then in flight are tried again, each in a process of its own.

    Raises:
        Exception: whatever ``function`` raises; what was in flight is finished first, what was waiting is dropped.
    """
    queue = iter(tasks)
    while lost := (yield from _run_pool(function, queue, workers, prepare)):
        for suspect in lost:
            for task in (yield from _run_pool(function, iter([suspect]), 1, prepare)):
                yield task, None


def _run_pool(
    function: Callable[[Task], Result], queue: Iterator[Task], workers: int, prepare: Callable[[], None]
) -> Generator[tuple[Task, Result], None, list[Task]]:
    """Run until the queue is empty or a process dies; returns the tasks in flight when one died."""
    lost: list[Task] = []
    pending: dict[Future[Result], Task] = {}

    def submit(count: int) -> None:
        for task in islice(queue, count):
            try:
                pending[pool.submit(function, task)] = task
            except BrokenProcessPool:
                lost.append(task)
                return

    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(prepare,))
    try:
        submit(workers * _IN_FLIGHT)
        while pending:
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                task = pending.pop(future)
                try:
                    yield task, future.result()
                except BrokenProcessPool:
                    lost.append(task)
            if not lost:
                submit(len(done))
    finally:
        pool.shutdown(cancel_futures=True)
    return lost


def _start(prepare: Callable[[], None]) -> None:
    """Prepare a process, and have it end with its parent: one that is killed cannot tell it to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    prepare()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
