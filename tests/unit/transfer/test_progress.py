"""What is shown of a run: pace, the terminal, walks, TensorBoard."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.cli.screen import Screen
from transfer.errors import ConfigError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.randomness import Purpose, SampleRandom
from transfer.sheets import GAP_PX, LABEL_PX
from transfer.training.progress import Pacer, Progress, duration
from transfer.training.sinks import Board, columns_of, snapshot_images, walk_images, walk_sheet

NOW = Progress(images=1500, of_images=4000, s_per_kimg=2.0, left_s=5.0, losses={"r1": 0.25, "ada_p": 0.1})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_speed_is_that_of_the_last_steps_and_time_left_follows() -> None:
    seconds = iter([0.0, *(100.0 + i for i in range(60))])  # a slow first step, then one a second
    pacer = Pacer(1000, 2000, clock=lambda: next(seconds))
    for step in range(1, 61):
        now = pacer.stepped(1000 + 4 * step, {"loss": float(step == 1), "lazy": 2.0} if step < 3 else {"loss": 0.0})
    assert now.s_per_kimg == pytest.approx(250.0)
    assert now.left_s == pytest.approx((2000 - 1240) / 4)
    assert now.losses["loss"] == pytest.approx(0.9**59)
    assert now.losses["lazy"] == 2.0  # of steps ago, still shown


@pytest.mark.parametrize(
    ("seconds", "words"), [(45.4, "45 s"), (720, "12 min"), (11100, "3 h 05 min"), (187200, "2 d 4 h")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with Screen(stream) as screen:
        screen.say("resuming")
        screen.progress(NOW)  # less than a minute after the start: nothing
    assert stream.getvalue() == "resuming\n"
    assert str(NOW) == "1.50 of 4 kimg  2.0 s/kimg  5 s left  r1 0.250  ada_p 0.100"


def test_a_line_that_lives_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    with Screen(stream) as screen:
        screen.progress(NOW)
        screen.say("kernel distance [0.1]")
    shown = stream.getvalue()
    assert "1.50 of 4 kimg" in shown
    assert "kernel distance [0.1]\n" in shown
    assert "\x1b[2K" in shown  # the living line is taken off


def test_a_walk_begins_and_ends_at_its_latents(tiny_networks: tuple[Generator, Discriminator]) -> None:
    generator = tiny_networks[0].eval()
    z = SampleRandom(5).normal(Purpose.SNAPSHOT, range(2), 8)
    frames = walk_images(generator, z[0], z[1], 5)
    assert (abs(frames[[0, -1]].astype(int) - snapshot_images(generator, 5, 2)) <= 1).all()
    assert all((frames[i] != frames[i + 1]).any() for i in range(4))


def test_strips_of_two_generators_lie_above_each_other(tiny_networks: tuple[Generator, Discriminator]) -> None:
    generator = tiny_networks[0].eval()
    sheet = np.asarray(walk_sheet({"source": generator, "tuned": generator}, 5))
    height = 32 + GAP_PX + LABEL_PX
    assert sheet.shape[0] == 4 * height + GAP_PX
    assert sheet.shape[1] == 12 * (32 + GAP_PX) + GAP_PX
    above, below = (sheet[GAP_PX + i * height + LABEL_PX :][:32] for i in (0, 1))
    assert (above == below).all()


def test_sheets_of_large_pictures_stay_of_a_size_to_look_at() -> None:
    assert [columns_of(resolution) for resolution in (32, 256, 512, 1024)] == [12, 12, 6, 4]


def test_tensorboard_is_an_extra(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(ConfigError, match="tensorboard"):
            Board(tmp_path, 0)
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = Board(tmp_path, 0)
    for images in (8, 16, 24):
        board.picture("samples", images, Image.new("RGB", (8, 6)))
        board.losses(images, {"r1": images / 16})
    Board(tmp_path, 16).losses(24, {"r1": 9.0})  # the run was killed after 16 images and goes on from there
    written = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in written.Scalars("losses/r1")] == [(8, 0.5), (16, 1.0), (24, 9.0)]
    assert [(event.step, event.width, event.height) for event in written.Images("samples")] == [(8, 8, 6), (16, 8, 6)]
