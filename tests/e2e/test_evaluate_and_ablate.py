"""`transfer ablate` and `transfer evaluate` on shipped pictures: a tiny grid, and demo portraits through a run."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from drfhq_tools.cli import main as drfhq
from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.cli import main as transfer
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec
from transfer.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo"
DENSENET = ROOT / ".." / "shared" / "models" / "dlib" / "face_recognition_densenet_model_v1.dat.bz2"
TINY = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))


def invoke(command: object, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever weights the machine has, a test finds those it names."""
    monkeypatch.setenv("DRFHQ_MODELS", str(tmp_path / "no-models"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four renders built, 64 pixels wide, and a tiny source generator beside."""
    root = tmp_path_factory.mktemp("data")
    (root / "raw").mkdir()
    for picture in sorted((DEMO / "renders").glob("*.jpg"))[:4]:
        shutil.copy(picture, root / "raw")
    shutil.copy(DEMO / "renders" / "labels.csv", root / "raw")
    built = invoke(drfhq, "build", "--raw", root / "raw", "--out", root / "data", "--size", 64, "--workers", 1)
    assert built.exit_code == 0, built.output
    torch.manual_seed(0)
    save_checkpoint(root / "tiny.safetensors", Checkpoint(Generator(TINY), Discriminator(TINY)))
    return root


def ablation(data: Path, out: Path, *more: object) -> list[str]:
    words = ["ablate", "--data", data / "data", "--init", data / "tiny.safetensors", "--out", out, "--split", "all"]
    words += ["--kimg", 0.008, "--snapshot-kimg", 0.004, "--set", "batch=4", "--device", "cpu", "--count", 2, *more]
    return [str(word) for word in words]


def test_a_grid_is_trained_measured_and_taken_up_again(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "ablation"
    words = ablation(data, out, "--recipes", "plain,swapped,direct", "--seeds", 0)
    result = invoke(transfer, *words)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "table.md")
    cells = [path.name for path in (out / "cells").iterdir()]
    assert cells == ["plain-seed0"], "swapped has plain's cell, direct none"
    assert len(list((out / "cells" / "plain-seed0" / "kept").iterdir())) == 2, "each snapshot's generator, no states"
    with (out / "table.csv").open(encoding="utf-8") as file:
        rows = {row["recipe"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["plain", "swapped", "direct"]
    assert float(rows["direct"]["identity"]) == 1
    assert float(rows["plain"]["identity"]) < 1
    assert rows["plain"]["matched_kernel_distance"] == rows["plain"]["kernel_distance"]
    assert rows["plain"]["judge"] == "resnet"
    with Image.open(out / "table.png") as sheet:
        assert sheet.width > 3 * 100
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.suffix in (".safetensors", ".npz")}
    again = invoke(transfer, *words)
    assert again.exit_code == 0
    assert "training" not in again.stderr
    assert "measuring" not in again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    refused = invoke(transfer, *words, "--set", "batch=2")
    assert refused.exit_code == 2
    assert "another batch" in refused.stderr


@pytest.mark.skipif(os.name == "nt", reason="a signal to one process needs POSIX")
def test_a_killed_grid_ends_with_the_weights_of_one_that_was_not(data: Path, tmp_path: Path) -> None:
    words = ablation(data, tmp_path / "cut", "--recipes", "plain", "--seeds", 0, "--stage", "train")
    command = [sys.executable, "-c", "from transfer.cli import main; main()", *words]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        kept = tmp_path / "cut" / "cells" / "plain-seed0" / "kept"
        while not list(kept.glob("g_ema-00000004*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert invoke(transfer, *words).exit_code == 0
    whole = ablation(data, tmp_path / "whole", "--recipes", "plain", "--seeds", 0, "--stage", "train")
    assert invoke(transfer, *whole).exit_code == 0
    cut, straight = (
        load_checkpoint(RunFolder(tmp_path / name / "cells" / "plain-seed0").kept_g_ema(8)).generator.state_dict()
        for name in ("cut", "whole")
    )
    assert all(torch.equal(cut[name], straight[name]) for name in cut)


def test_measuring_before_training_ends_in_advice(data: Path, tmp_path: Path) -> None:
    result = invoke(transfer, *ablation(data, tmp_path / "none", "--recipes", "plain", "--stage", "measure"))
    assert result.exit_code == 2
    assert "train it first" in result.stderr
    alone = invoke(transfer, *ablation(data, tmp_path / "none", "--portraits", data / "data"))
    assert alone.exit_code == 2
    assert "--photos" in alone.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose rendered generator is the demo's photo generator itself."""
    root = tmp_path_factory.mktemp("run")
    for name in ("source", "g_ema"):
        shutil.copy(DEMO / "generator" / "photo64.safetensors", root / f"{name}.safetensors")
    (root / "run.json").write_text(json.dumps({"kind": "finetune", "landmark_scheme": "ibug68"}), encoding="utf-8")
    return root


def evaluation(run: Path, photos: Path, out: Path, *more: object) -> Result:
    words = ["evaluate", run, DEMO / "portraits", "--photos", photos, "--out", out, "--steps", 3, "--device", "cpu"]
    return invoke(transfer, *words, *more)


def test_demo_portraits_are_evaluated(run: Path, data: Path, tmp_path: Path) -> None:
    """The shipped generator is no good at likeness in three steps; the report says so, and everything is in it."""
    result = evaluation(run, data / "data", tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "evaluation.html")
    assert "dlib-densenet" in result.stderr
    found = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert [face["name"] for face in found["portraits"]] == sorted(p.name for p in (DEMO / "portraits").glob("*.jpg"))
    summary = found["summary"]
    assert summary["judge"] == "resnet"
    assert (summary["people"], summary["portraits"]) == (3, 3)
    assert summary["overall"]["identity"]["mean"] < 0.7
    assert summary["missed"][0] == 0, "the inputs' faces are found"
    assert summary["realism"]["count"] == 3
    assert (tmp_path / "evaluation.html").read_text(encoding="utf-8").count("data:image/webp") == 9
    again = evaluation(run, data / "data", tmp_path)
    assert again.exit_code == 0
    assert "inverting" not in again.stderr
    assert json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8")) == found


def test_direct_inversion_and_another_generator_are_evaluated_by_the_same_command(
    run: Path, data: Path, tmp_path: Path
) -> None:
    direct = evaluation(run, data / "data", tmp_path / "a", "--direct")
    assert direct.exit_code == 0, direct.output
    given = evaluation(run, data / "data", tmp_path / "b", "--generator", run / "source.safetensors")
    assert given.exit_code == 0, given.output
    a, b = (json.loads((tmp_path / name / "evaluation.json").read_text(encoding="utf-8")) for name in "ab")
    assert a["portraits"] == b["portraits"], "one generator under two names"
    assert "straight into the photo generator" in (tmp_path / "a" / "evaluation.md").read_text(encoding="utf-8")
    both = evaluation(run, data / "data", tmp_path / "c", "--direct", "--generator", run / "source.safetensors")
    assert both.exit_code == 2
    mixed = evaluation(run, data / "data", tmp_path / "a")
    assert mixed.exit_code == 2
    assert "another direct" in mixed.stderr


@pytest.mark.skipif(not DENSENET.is_file(), reason=f"needs {DENSENET.name} in ../shared/models/dlib")
def test_a_data_set_is_reported_by_group_and_judged_by_the_held_out_network(
    run: Path, data: Path, tmp_path: Path
) -> None:
    words = ["evaluate", run, data / "data", "--photos", data / "data", "--out", tmp_path, "--steps", 3]
    result = invoke(transfer, *words, "--device", "cpu", "--densenet", DENSENET)
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["summary"]
    assert summary["judge"] == "densenet"
    assert {"identity", "identity_resnet"} <= set(summary["overall"])
    assert {group["label"] for group in summary["groups"]["gender"]} == {"female", "male"}
    assert sum(group["figures"]["identity"]["count"] for group in summary["groups"]["gender"]) == 4
    assert summary["worst"]["race"]["identity"]["gap"] > 0


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["evaluate", "nowhere", str(DEMO / "portraits"), "--photos", str(DEMO / "portraits")], "no run folder"),
        (["evaluate", "RUN", "nowhere", "--photos", str(DEMO / "portraits")], "no folder"),
        (["evaluate", "RUN", str(DEMO / "portraits"), "--photos", str(DEMO / "generator")], "neither a data set nor"),
        (
            ["evaluate", "RUN", str(DEMO / "portraits"), "--photos", "x", "--direct", "--inverter", "encoder"],
            "optimise",
        ),
        (["evaluate", "RUN", str(DEMO / "portraits"), "--photos", "x", "--densenet", "nowhere.dat"], "no file"),
    ],
)
def test_wrong_requests_end_in_advice(run: Path, tmp_path: Path, words: list[str], advice: str) -> None:
    result = invoke(transfer, *[str(run) if word == "RUN" else word for word in words], "--out", tmp_path / "o")
    assert result.exit_code in (1, 2)
    assert advice in result.stderr
    assert "Traceback" not in result.stderr
