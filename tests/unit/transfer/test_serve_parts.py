"""The line of tasks behind the page, by a clock of its own, and what the page's requests may hold."""

import json
import threading
from collections.abc import Callable

import numpy as np
import pytest

from drfhq_tools.errors import DrfhqError
from transfer.errors import StoppedError
from transfer.serve.line import Line, Task, TimeUpError
from transfer.serve.studio import VIEW_PX, cleaned, viewed


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def line(clock: Clock, present: Callable[[str], bool] = lambda _: True) -> Line:
    return Line(clock, 10.0, present)


def run_dry(tasks: Line) -> None:
    """Work until nothing waits."""
    done: list[int] = []

    def between() -> None:
        done.append(0)
        if not tasks._waiting:
            tasks.close()

    tasks.work(between)


def _fail() -> None:
    raise ValueError("a bug")


def test_tasks_are_done_in_turn_and_places_told() -> None:
    clock, said = Clock(), list[object]()
    tasks = line(clock)

    def work() -> None:
        clock.now += 2.5
        said.extend(tasks.place(name) for name in "abc")

    for name in "ab":
        tasks.put(Task(name, work, said.append))
    assert [tasks.place(name) for name in "abc"] == [(0, 0.0), (1, 0.0), None]
    run_dry(tasks)
    assert said == [(0, 2.5), (1, 0.0), None, None, (0, 2.5), None]


def test_a_newer_task_of_the_same_owner_takes_the_older_ones_place() -> None:
    done = list[str]()
    tasks = line(Clock())
    for owner, name in (("a", "old"), ("b", "other"), ("a", "new")):
        tasks.put(Task(owner, lambda name=name: done.append(name), lambda _: None))  # type: ignore[misc]
    run_dry(tasks)
    assert done == ["other", "new"]


def test_work_ends_once_it_is_dropped_its_owner_gone_or_its_time_up() -> None:
    clock, there, failures, ends = Clock(), {"a", "b", "c"}, list[Exception](), list[str]()
    tasks = line(clock, lambda owner: owner in there)

    def work(before: Callable[[], None]) -> None:
        tasks.check()
        before()
        try:
            tasks.check()
        except DrfhqError as error:
            ends.append(type(error).__name__)
            raise

    def late() -> None:
        clock.now += 11

    for owner, before in (("a", lambda: tasks.drop("a")), ("b", lambda: there.discard("b")), ("c", late)):
        tasks.put(Task(owner, lambda before=before: work(before), failures.append))  # type: ignore[misc]
    run_dry(tasks)
    assert ends == [StoppedError.__name__, StoppedError.__name__, TimeUpError.__name__]
    assert [type(error) for error in failures] == [TimeUpError], "nobody is left to be told of the others"
    assert "--max-seconds" in str(failures[0])


def test_trouble_with_one_picture_is_told_and_the_next_is_served() -> None:
    failures, done = list[Exception](), list[str]()
    tasks = line(Clock())
    tasks.put(Task("a", _fail, failures.append))
    tasks.put(Task("b", lambda: done.append("b"), failures.append))
    run_dry(tasks)
    assert [type(error) for error in failures] == [ValueError]
    assert done == ["b"]


def test_closing_ends_a_worker_that_waits_or_works() -> None:
    working = threading.Event()
    tasks = line(Clock())

    def endless() -> None:
        working.set()
        while True:
            tasks.check()

    tasks.put(Task("a", endless, lambda _: None))
    worker = threading.Thread(target=tasks.work, daemon=True)
    worker.start()
    assert working.wait(10)
    tasks.close()
    worker.join(10)
    assert not worker.is_alive()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("portrait.png", "portrait"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\scene 1 (final).tif", "scene 1 (final)"),
        ("..", "picture"),
        ("a\x00b<>.png", "a_b__"),
        ("Müller.png", "Müller"),
        ("x" * 300 + ".png", "x" * 80),
        ("", "picture"),
    ],
)
def test_a_pictures_name_is_no_path(given: str, name: str) -> None:
    assert cleaned(given) == name


def test_a_large_picture_is_shown_small() -> None:
    assert viewed(np.zeros((30, 20, 3), np.uint8)).shape == (30, 20, 3)
    assert viewed(np.zeros((10, 2 * VIEW_PX, 3), np.uint8)).shape == (5, VIEW_PX, 3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"faces": [true]}',
        b'{"faces": [0], "strength": "1"}',
        b'{"faces": [0], "strength": 1.5}',
        b'{"faces": [0], "strength": NaN}',
        b'{"faces": [0], "match_light": 1}',
        b"[" * 100_000,
        json.dumps({"faces": list(range(1000))}).encode(),
    ],
)
def test_a_wish_is_checked(body: bytes) -> None:
    parse_wish = pytest.importorskip("transfer.serve.app", reason="the extra web is not installed").parse_wish
    with pytest.raises(DrfhqError):
        parse_wish(body)


def test_a_wish_says_faces_and_control() -> None:
    parse_wish = pytest.importorskip("transfer.serve.app", reason="the extra web is not installed").parse_wish
    faces, control = parse_wish(b'{"faces": [2, 0], "strength": 0.25, "carry_detail": false}')
    assert faces == [2, 0]
    assert (control.strength, control.match_light, control.carry_detail) == (0.25, True, False)
