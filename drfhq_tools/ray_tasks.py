"""The engine for a Ray cluster: as :func:`drfhq_tools.workers.run_tasks`, on whatever machines it has.

A task whose worker dies is tried again. With RAY_ADDRESS in the environment it joins that cluster, whose machines must
see the pictures and the data set's folder at the same paths; else it starts one on this machine.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from drfhq_tools.errors import MissingExtraError

Task = TypeVar("Task")
Result = TypeVar("Result")

_RETRIES: Final = 3
_IN_FLIGHT: Final = 4  # tasks a processor: enough to keep it busy, few enough that nothing piles up


def run_tasks(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, prepare: Callable[[], None], /
) -> Iterator[tuple[Task, Result | None]]:
    """Each task with its result, in the order they finish; None for a task that killed its worker each time.

    ``workers`` is the number of processors of a cluster that is started here; one that is joined has its own.

    Raises:
        MissingExtraError: Ray is not installed.
        Exception: whatever ``function`` raises.
    """
    try:
        import ray  # noqa: PLC0415  optional, and slow to load
        from ray.exceptions import RayTaskError, WorkerCrashedError  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("--engine ray needs Ray: pip install 'drfhq-tools[ray]'") from error

    def prepared(task: Task) -> Result:
        prepare()
        return function(task)

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unasked
    joins = "RAY_ADDRESS" in os.environ
    ray.init(
        num_cpus=None if joins else workers, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR
    )
    try:
        remote = ray.remote(max_retries=_RETRIES)(prepared)
        queue, pending = iter(tasks), dict[Any, Task]()
        processors: Callable[[], dict[str, float]] = ray.cluster_resources
        room = _IN_FLIGHT * max(1, int(processors().get("CPU", workers)))
        while True:
            pending |= {remote.remote(task): task for task in islice(queue, room - len(pending))}
            if not pending:
                return
            for done in ray.wait(list(pending), num_returns=1)[0]:
                task = pending.pop(done)
                try:
                    yield task, ray.get(done)
                except WorkerCrashedError:
                    yield task, None
                except RayTaskError as error:
                    raise error.cause from error
    finally:
        ray.shutdown()
