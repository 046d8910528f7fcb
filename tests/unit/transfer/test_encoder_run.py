"""An encoder is trained in a run folder: stopped, resumed to the bit, used by inverters, refused where it cannot be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from drfhq_tools.manifest import open_manifest
from transfer.checkpoints import Checkpoint, load_encoder, save_checkpoint
from transfer.errors import CheckpointError, ConfigError, StoppedError
from transfer.inversion import RefineInverter, make_inverter
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.identity import load_resnet
from transfer.run_folder import RunFolder
from transfer.training.encoder import EncoderConfig
from transfer.training.encoder_run import EncoderRequest, train_encoder
from transfer.training.run import Console

EXAMPLE = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"
Networks = tuple[Generator, Discriminator]
CONFIG = EncoderConfig(batch=4, free_kimg=0.004)  # two portraits a step: one alone sums as threads fall
QUIET = Console(lambda _: None)


def request_for(root: Path, generator: Generator) -> EncoderRequest:
    """A run with one generator, and the data set it is said to have been tuned on."""
    manifest = open_manifest(EXAMPLE)
    about = {"kind": "finetune", "landmark_scheme": manifest.landmark_scheme}
    root.mkdir()
    (root / "run.json").write_text(json.dumps(about), encoding="utf-8")
    save_checkpoint(RunFolder(root).g_ema, Checkpoint(generator))
    return EncoderRequest(
        run=root, manifest=manifest, config=CONFIG, kimg=0.012, snapshot_kimg=1, device=torch.device("cpu"), split="all"
    )


def test_a_stopped_encoder_goes_on_to_the_same_bits(tiny_networks: Networks, tmp_path: Path) -> None:
    straight, cut = (request_for(tmp_path / name, tiny_networks[0]) for name in ("straight", "cut"))
    made = train_encoder(straight, QUIET)
    with pytest.raises(StoppedError, match="goes on from here"):
        train_encoder(cut, Console(lambda _: None, lambda: True))
    said: list[str] = []
    train_encoder(cut, Console(said.append))
    assert any("resuming" in words for words in said)
    assert RunFolder(cut.run).encoder.read_bytes() == made.read_bytes()
    folder = RunFolder(straight.run)
    assert load_encoder(made)[1]["images"] == 12
    assert folder.encoder_sheet(12).is_file()
    assert isinstance(make_inverter("auto", folder, load_resnet()), RefineInverter)


def test_another_seed_or_another_alignment_is_refused(tiny_networks: Networks, tmp_path: Path) -> None:
    request = replace(request_for(tmp_path / "run", tiny_networks[0]), kimg=0.004)
    train_encoder(request, QUIET)
    with pytest.raises(ConfigError, match="another config"):
        train_encoder(replace(request, config=replace(CONFIG, seed=1), kimg=0.008), QUIET)
    other = replace(request, manifest=replace(request.manifest, landmark_scheme="five"))
    with pytest.raises(ConfigError, match="five"):
        train_encoder(other, QUIET)
    with pytest.raises(CheckpointError, match="no run folder"):
        train_encoder(replace(request, run=tmp_path), QUIET)
