"""Training that is killed, told to stop, out of room or out of its mind, alone and in several processes: real ones."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from transfer.checkpoints import load_checkpoint

TINY_DATA = Path(__file__).parents[2] / "manifests" / "examples" / "tiny"
SETTINGS = ("ada_kimg=0.2", "ada_every=1", "ada_target=0.1", "path_length=2", "style_mixing=0.9")
EVERYTHING = ("--augment", "ada", *(word for setting in SETTINGS for word in ("--set", setting)))
CALL = "from transfer.cli import main; main()"
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals to one process and file size limits need POSIX")


def command(out: Path, *more: object, images: int, call: str = CALL) -> list[str]:
    words = [*("pretrain", "--data", TINY_DATA, "--out", out, "--split", "all", "--device", "cpu"), *EVERYTHING]
    words += [*("--resolution", 32, "--channel-max", 8, "--latent", 8, "--mapping-layers", 2, "--batch", 8)]
    words += [*("--kimg", images / 1000, "--snapshot-kimg", 0.016), *more]
    return [sys.executable, "-c", call, *map(str, words)]


def under_torchrun(words: list[str]) -> list[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    return [*start, *words]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def ran(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300)


@contextmanager
def begun(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes to ``log``; it does not outlive the block."""
    with log.open("ab") as file, subprocess.Popen(words, env=ENVIRONMENT, stdout=file, stderr=file) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Until ``condition`` holds; the process must be alive all the while."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


def state(out: Path) -> dict[str, object]:
    return dict(torch.load(out / "state.pt", weights_only=True))


def equal(a: object, b: object) -> bool:
    """Whether two states are the same to the bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(equal, a, b))
    return a == b


def difference(a: object, b: object) -> float:
    """Of all weights of two networks' states, relative to their norm."""
    assert isinstance(a, dict)
    assert isinstance(b, dict)
    flat = [torch.cat([value.flatten() for value in weights.values()]) for weights in (a, b)]
    return float((flat[0] - flat[1]).norm() / flat[0].norm())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 96 images that nothing happened to."""
    out = tmp_path_factory.mktemp("whole") / "run"
    result = ran(command(out, images=96))
    assert result.returncode == 0, result.stderr
    return out


@POSIX
def test_killed_at_random_a_run_ends_as_if_nothing_had_happened(whole: Path, tmp_path: Path) -> None:
    out, log, chance = tmp_path / "run", tmp_path / "log", random.Random(0)
    words = command(out, images=96)
    for _ in range(3):
        with begun(words, log) as process:
            seen = set(out.glob("kept/*"))
            wait_for(lambda seen=seen: set(out.glob("kept/*")) != seen, process, log)  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
    result = ran(words)
    assert result.returncode == 0, result.stderr
    assert "resuming" in log.read_text()
    assert equal(state(out), state(whole))
    assert (out / "g_ema.safetensors").read_bytes() == (whole / "g_ema.safetensors").read_bytes()
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["images"] for line in lines] == [16, 32, 48, 64, 80, 96]
    assert max(line["losses"]["ada_p"] for line in lines) > 0
    assert not list(out.glob("**/*.part*"))


def test_the_last_snapshots_are_kept_and_stand_in_for_a_damaged_one(whole: Path, tmp_path: Path) -> None:
    assert {path.name for path in (whole / "kept").iterdir()} == {
        f"{kind}-{images:08d}.{suffix}"
        for kind, suffix in (("state", "pt"), ("g_ema", "safetensors"))
        for images in (64, 80, 96)
    }
    out = tmp_path / "run"
    assert ran(command(out, images=32)).returncode == 0
    (out / "state.pt").write_bytes(b"damaged")
    result = ran(command(out, "--set", "keep=1", images=96))
    assert result.returncode == 0, result.stderr
    assert "trying an older one" in result.stderr
    assert equal(state(out), state(whole))
    assert not list((out / "kept").iterdir())


def test_the_best_by_kernel_distance_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = ran(command(out, "--set", "measure=4", images=32))
    assert result.returncode == 0, result.stderr
    best = json.loads((out / "best.json").read_text(encoding="utf-8"))
    assert f"kernel distance {best['kernel_distance']:.4f} of 4 images, the least so far" in result.stderr
    assert load_checkpoint(out / "best-g_ema.safetensors").card["images"] == best["images"]


def test_a_run_that_diverges_names_the_loss_and_leaves_what_was_good(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = ran(command(out, "--g-lr", 1e12, "--d-lr", 1e12, "--snapshot-kimg", 0.008, "--batch", 4, images=400))
    assert result.returncode == 1
    assert "the run diverged" in result.stderr
    assert any(f"{name} became" in result.stderr for name in ("d_adversarial", "g_adversarial", "r1", "path_length"))
    assert "Traceback" not in result.stderr
    if (out / "state.pt").is_file():
        assert all(
            bool(torch.isfinite(w).all()) for w in load_checkpoint(out / "g_ema.safetensors").generator.parameters()
        )


@POSIX
def test_a_full_disk_loses_no_checkpoint_and_says_so(whole: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: writing fails in the same places."""
    out = tmp_path / "run"
    assert ran(command(out, images=64)).returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".pt", ".safetensors")}
    assert len(before) == 2 + 2 * 3  # the last and the kept ones
    limit = (out / "state.pt").stat().st_size // 2
    call = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); {CALL}"
    result = ran(command(out, images=96, call=call))
    assert result.returncode == 1
    assert "Nothing written before is lost" in result.stderr
    assert "Traceback" not in result.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert ran(command(out, images=96)).returncode == 0
    assert equal(state(out), state(whole))


def test_two_processes_follow_one(tmp_path: Path) -> None:
    """Five steps: as one of the same batch, but for rounding; as one that computes the same shares, to the bit."""
    for out, words in {
        "one": command(tmp_path / "one", images=40),
        "parts": command(tmp_path / "parts", "--set", "micro_batch=4", images=40),
        "two": under_torchrun(command(tmp_path / "two", images=40)),
    }.items():
        result = ran(words)
        assert result.returncode == 0, (out, result.stderr)
    assert result.stdout.strip() == str(tmp_path / "two" / "g_ema.safetensors")
    one, parts, two = (state(tmp_path / out) for out in ("one", "parts", "two"))
    for network in ("generator", "discriminator", "g_ema"):
        assert difference(one[network], two[network]) < 1e-5
        assert equal(parts[network], two[network])
    assert parts["measured"] == two["measured"]


@pytest.mark.slow
def test_two_processes_follow_one_for_fifty_steps(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert ran(command(one, "--set", "micro_batch=4", images=400)).returncode == 0
    assert ran(under_torchrun(command(two, images=400))).returncode == 0
    for network in ("generator", "discriminator", "g_ema"):
        assert difference(state(one)[network], state(two)[network]) < 1e-4


@POSIX
def test_processes_told_to_stop_save_together_and_go_on(whole: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    words = under_torchrun(command(out, images=4000))
    with begun(words, log) as process:
        wait_for((out / "state.pt").is_file, process, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) != 0
    assert "the same command goes on from here" in log.read_text()
    saved = state(out)
    assert saved["images"] < 4000
    more = int(str(saved["images"])) + 16
    assert ran(under_torchrun(command(out, images=more))).returncode == 0
    assert state(out)["images"] == more


@POSIX
def test_a_process_that_dies_ends_the_run(tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    call = (
        "import os, signal, threading, pathlib\n"
        f"state = pathlib.Path({str(out / 'state.pt')!r})\n"
        "def die():\n"
        "    while not state.is_file(): pass\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "if os.environ['RANK'] == '1': threading.Thread(target=die, daemon=True).start()\n" + CALL
    )
    with begun(under_torchrun(command(out, images=40000, call=call)), log) as process:
        assert process.wait(120) != 0
    assert (out / "g_ema.safetensors").is_file()
