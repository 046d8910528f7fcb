"""The exported graph computes what PyTorch computes, for any batch, and says what it is."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from drfhq_tools.hashing import sha256_file
from transfer.checkpoints import Checkpoint, save_checkpoint
from transfer.checkpoints.encoder import save_encoder
from transfer.cli import main
from transfer.networks.encoder import Encoder
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytest.importorskip("onnxscript", reason="the extra onnx is not installed")

ROOT = Path(__file__).parents[3]
# As wide as Winograd's method asks for, which no graph can hold: it must be passed over.
SPEC = GeneratorSpec(resolution=32, z_dim=16, w_dim=16, mapping_layers=1, channels=(16, 256, 256, 16))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an encoder that has something to say."""
    folder = tmp_path_factory.mktemp("onnx") / "run"
    folder.mkdir()
    torch.manual_seed(0)
    encoder, generator = Encoder(SPEC), Generator(SPEC)
    with torch.no_grad():
        for weights in encoder.parameters():
            weights.add_(0.02 * torch.randn_like(weights))
    save_encoder(folder / "encoder.safetensors", encoder, {})
    save_checkpoint(folder / "source.safetensors", Checkpoint(generator, None, {"license": "CC0-1.0"}))
    (folder / "run.json").write_text(json.dumps({"kind": "finetune", "landmark_scheme": "ibug68"}), encoding="utf-8")
    result = CliRunner().invoke(main, ["export", str(folder), "--onnx", str(folder / "portrait.onnx")])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(folder / "portrait.onnx")
    assert "largest difference to PyTorch" in result.stderr
    return folder


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_outputs_equal_pytorchs_for_any_batch(run: Path, batch: int) -> None:
    from transfer.checkpoints import load_checkpoint
    from transfer.checkpoints.encoder import load_encoder

    session = onnxruntime.InferenceSession(run / "portrait.onnx", providers=["CPUExecutionProvider"])
    (portrait,) = session.get_inputs()
    assert (portrait.name, portrait.type, portrait.shape[1:]) == ("portrait", "tensor(float)", [3, 32, 32])
    portraits = np.random.default_rng(batch).uniform(-1, 1, (batch, 3, 32, 32)).astype(np.float32)
    realistic, ws = session.run(["realistic", "ws"], {"portrait": portraits})
    encoder, _ = load_encoder(run / "encoder.safetensors")
    generator = load_checkpoint(run / "source.safetensors").generator
    with torch.no_grad():
        wanted_ws = encoder(torch.from_numpy(portraits))
        wanted = generator.synthesis(wanted_ws)
    assert np.abs(ws - wanted_ws.numpy()).max() < 1e-3
    assert np.abs(realistic - wanted.numpy()).max() < 1e-3
    assert np.ptp(ws[0]) > 0.1, "the encoder has something to say"


def test_the_file_says_what_it_is_and_whose(run: Path) -> None:
    session = onnxruntime.InferenceSession(run / "portrait.onnx", providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert GeneratorSpec.from_dict(json.loads(about["spec"])) == SPEC
    assert (about["license"], about["landmark_scheme"]) == ("CC0-1.0", "ibug68")
    assert about["generator_sha256"] == sha256_file(run / "source.safetensors")
    assert about["encoder_sha256"] == sha256_file(run / "encoder.safetensors")


def test_the_example_needs_numpy_alone(run: Path, tmp_path: Path) -> None:
    face = ROOT / "manifests" / "examples" / "tiny" / "images" / "00000" / "00000.png"
    script = ROOT / "examples" / "onnx_portrait.py"
    assert "torch" not in script.read_text(encoding="utf-8")
    words = [sys.executable, script, run / "portrait.onnx", face, tmp_path / "out.png"]
    subprocess.run(words, check=True)
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (32, 32)
        assert np.asarray(picture).std() > 1


def test_a_run_without_encoder_is_told(run: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes((run / "run.json").read_bytes())
    result = CliRunner().invoke(main, ["export", str(tmp_path), "--onnx", str(tmp_path / "x.onnx")])
    assert result.exit_code == 1
    assert "transfer train-encoder" in result.stderr
    assert not (tmp_path / "x.onnx").exists()
