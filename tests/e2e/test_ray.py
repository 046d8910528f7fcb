"""`drfhq build --engine ray` on a cluster of two on this machine: the bytes of any build, though a worker dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from given_pictures import build, contents, write_face

from drfhq_tools.build.look import Hands
from drfhq_tools.build.run import build as build_set
from drfhq_tools.config import config_from
from drfhq_tools.ray_tasks import run_tasks

pytest.importorskip("ray", reason="Ray is not installed: pip install 'drfhq-tools[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Ray warns of much

Task = TypeVar("Task")
Result = TypeVar("Result")


def silent(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for number in range(12):
        write_face(tmp_path / "raw" / f"{number}.png", number)
    (tmp_path / "raw" / "empty.png").write_bytes(b"")
    return tmp_path / "raw"


def test_a_worker_killed_midway_leaves_no_trace(raw: Path, tmp_path: Path) -> None:
    mark = tmp_path / "killed"

    def deadly(
        function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, prepare: Callable[[], None], /
    ) -> Iterator[tuple[Task, Result | None]]:
        """As Ray, but the first worker to meet the fifth task is killed over it."""
        tasks = list(tasks)
        fifth = repr(tasks[5])

        def deadly_once(task: Task) -> Result:
            if repr(task) == fifth and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return function(task)

        return run_tasks(deadly_once, tasks, workers, prepare)

    config = config_from({"size": 48, "detector": "precomputed"})
    build_set(raw, tmp_path / "ray", config, hands=Hands(workers=2, progress=silent, engine=deadly))
    assert mark.exists()
    assert build(raw, tmp_path / "processes").exit_code == 3
    assert contents(tmp_path / "ray") == contents(tmp_path / "processes")


def test_by_the_command(raw: Path, tmp_path: Path) -> None:
    result = build(raw, tmp_path / "ray", "--engine", "ray", "--workers", 2)
    assert result.exit_code == 3, result.output
    assert build(raw, tmp_path / "processes").exit_code == 3
    assert contents(tmp_path / "ray") == contents(tmp_path / "processes")


def test_a_task_that_always_kills_and_one_that_fails() -> None:
    def deadly(number: int) -> int:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 30:
            raise LookupError("thirty")
        return number * number

    assert dict(run_tasks(deadly, range(8), 2, lambda: None)) == {n: None if n == 3 else n * n for n in range(8)}
    with pytest.raises(LookupError, match="thirty"):
        list(run_tasks(deadly, range(20, 40), 2, lambda: None))
