"""Tasks in other processes: all of them answered for, whatever one does to its process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drfhq_tools.workers import run_tasks


def nothing() -> None:
    """No preparation."""


def square(number: int) -> int:
    return number * number


def square_unless_three(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number * number


def fail_at_two(number: int) -> int:
    if number == 2:
        raise LookupError("two")
    return number


def test_every_task_is_answered_for_by_any_number_of_workers() -> None:
    for workers in (1, 2):
        found = dict(run_tasks(square, range(30), workers, nothing))
        assert found == {number: number * number for number in range(30)}


def test_no_tasks() -> None:
    assert list(run_tasks(square, [], 2, nothing)) == []


def test_a_task_that_kills_its_process_is_found_and_the_rest_done() -> None:
    found = dict(run_tasks(square_unless_three, range(14), 2, nothing))
    assert found == {number: None if number == 3 else number * number for number in range(14)}


def test_errors_come_through() -> None:
    with pytest.raises(LookupError, match="two"):
        list(run_tasks(fail_at_two, range(50), 1, nothing))


def test_few_tasks_are_taken_ahead(tmp_path: Path) -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = run_tasks(square, tasks(), 1, nothing)
    next(results)
    assert len(taken) <= 10
    results.close()  # type: ignore[attr-defined]
