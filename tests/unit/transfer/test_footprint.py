"""The memory a dry run announces, held to what the system then sees of the real command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from transfer.cli import main
from transfer.config import Schedule, TrainConfig
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec
from transfer.training.footprint import LiveBytes, footprint

TINY = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"
SPEC = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))


def test_live_bytes_follow_tensors_as_they_come_and_go() -> None:
    with LiveBytes() as live:
        a = torch.empty(1000, device="meta")
        view = a.view(10, 100)
        b = a + 1
        assert live.now == 8000
        del a
        assert live.now == 8000  # the view holds it
        del view, b
        assert (live.now, live.peak) == (0, 8000)


def test_parameters_are_those_of_the_networks() -> None:
    needs = footprint(SPEC, TrainConfig(batch=2), Schedule(kimg=1), torch.device("cpu"), tuned=False)
    assert needs.parameters["generator"] == sum(p.numel() for p in Generator(SPEC).parameters())


@pytest.mark.parametrize(
    "settings", [{"augment": ("ada",)}, {"precision": "fp16"}, {"path_length": 2.0}, {"style_mixing": 0.9}]
)
def test_every_kind_of_run_can_be_estimated(settings: dict[str, object]) -> None:
    config = TrainConfig(batch=4, **settings)  # type: ignore[arg-type]
    needs = footprint(SPEC, config, Schedule(kimg=1), torch.device("cuda"), tuned=True)
    assert needs.tensors_mib > needs.standing_mib > 0
    assert needs.process_mib is None


def test_micro_batches_need_less() -> None:
    spec = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 32, 32))
    whole, parts = (
        footprint(spec, TrainConfig(batch=16), Schedule(kimg=1, micro_batch=size), torch.device("cpu"), tuned=False)
        for size in (0, 4)
    )
    assert parts.tensors_mib < whole.tensors_mib / 2


def check(tmp_path: Path, resolution: int, base: int, widest: int, batch: int) -> None:
    words = ["pretrain", "--data", TINY, "--out", tmp_path / "run", "--split", "all", "--device", "cpu"]
    words += ["--kimg", 2 * batch / 1000, "--batch", batch, "--set", "r1_every=1"]
    words += ["--resolution", resolution, "--channel-base", base, "--channel-max", widest]
    line = [str(word) for word in words]
    told = CliRunner().invoke(main, [*line, "--dry-run"])
    assert told.exit_code == 0, told.output
    assert not (tmp_path / "run").exists()
    code = f"from transfer.cli import main; main({line!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    announced = json.loads(told.stdout)["memory"]["process_mib"]
    print("announced", announced, "measured", usage.ru_maxrss / 1024)
    assert usage.ru_maxrss / 1024 == pytest.approx(announced, rel=0.2)


linux = pytest.mark.skipif(sys.platform != "linux", reason="peak resident memory is read as Linux counts it")


@pytest.mark.slow  # a child's peak counts what its parent held when it began: run it alone
@linux
def test_a_dry_run_announces_what_the_run_takes(tmp_path: Path) -> None:
    check(tmp_path, 64, 8192, 96, 4)


@linux
@pytest.mark.slow
@pytest.mark.parametrize(
    ("resolution", "base", "widest", "batch"),
    [(64, 8192, 256, 4), (64, 8192, 128, 8), (128, 8192, 128, 4), (128, 16384, 512, 4)],
)
def test_also_of_larger_runs(tmp_path: Path, resolution: int, base: int, widest: int, batch: int) -> None:
    check(tmp_path, resolution, base, widest, batch)
