"""What training is given to learn from: exported shards, damaged pictures, a data set that changed under way."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from drfhq_tools.cli import main as drfhq
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.writer import manifest_bytes
from transfer.checkpoints import Checkpoint, save_checkpoint
from transfer.cli import main as transfer
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

TINY_DATA = Path(__file__).parents[2] / "manifests" / "examples" / "tiny"
TINY = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the example data set."""
    shutil.copytree(TINY_DATA, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "source.safetensors", Checkpoint(Generator(TINY), Discriminator(TINY)))
    return tmp_path / "source.safetensors"


def finetune(data: Path, source: Path, out: Path, kimg: float = 0.008) -> Result:
    words = [*("finetune", "--data", data, "--init", source, "--out", out, "--kimg", kimg, "--batch", 4)]
    words += [*("--split", "all", "--device", "cpu", "--identity", 0)]
    return CliRunner().invoke(transfer, [str(word) for word in words])


def test_exported_shards_train_what_the_data_set_trains(data: Path, source: Path, tmp_path: Path) -> None:
    words = ["export", str(data), "--format", "parquet", "--out", str(tmp_path / "shards")]
    assert CliRunner().invoke(drfhq, words).exit_code == 0
    for root, out in ((data, "a"), (tmp_path / "shards", "b")):
        result = finetune(root, source, tmp_path / out)
        assert result.exit_code == 0, result.output
    a, b = ((tmp_path / out / "g_ema.safetensors").read_bytes() for out in "ab")
    assert a == b
    assert finetune(tmp_path / "shards", source, tmp_path / "a", kimg=0.012).exit_code == 0  # one run, from either


def test_a_missing_and_a_damaged_picture_are_named_skipped_and_counted(
    data: Path, source: Path, tmp_path: Path
) -> None:
    missing, damaged, *_ = (face.image_path for face in open_manifest(data).faces)
    (data / missing).unlink()
    (data / damaged).write_bytes(b"no picture")
    result = finetune(data, source, tmp_path / "run")
    assert result.exit_code == 0, result.output
    for name in (missing, damaged):
        assert f"skipped {name}: " in result.stderr
    assert f"2 of {len(open_manifest(data).faces)} pictures are never shown" in result.stderr
    listed = json.loads((tmp_path / "run" / "skipped.json").read_text(encoding="utf-8"))
    assert [face["name"] for face in listed] == [missing, damaged]


def test_a_data_set_that_changed_since_the_run_began_is_refused(data: Path, source: Path, tmp_path: Path) -> None:
    assert finetune(data, source, tmp_path / "run").exit_code == 0
    saved = (tmp_path / "run" / "state.pt").read_bytes()
    manifest = open_manifest(data)
    changed = manifest_bytes(manifest.faces[:-1], size_px=manifest.size_px, landmark_scheme=manifest.landmark_scheme)
    (data / "manifest.parquet").write_bytes(changed)
    result = finetune(data, source, tmp_path / "run", kimg=0.016)
    assert result.exit_code == 2
    assert "another data_digest" in result.stderr
    assert (tmp_path / "run" / "state.pt").read_bytes() == saved
