"""A run as `transfer finetune` leaves it, made in no time: two tiny generators with random weights."""

import json
from pathlib import Path

import torch

from transfer.checkpoints import Checkpoint, save_checkpoint
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

TINY = GeneratorSpec(resolution=32, z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16))


def make_run(folder: Path) -> Path:
    """The folder, with what inference reads of a run."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    source = Generator(TINY)
    tuned = Generator(TINY)
    tuned.load_state_dict(source.state_dict())
    with torch.no_grad():
        for weights in tuned.synthesis.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    save_checkpoint(folder / "source.safetensors", Checkpoint(source))
    save_checkpoint(folder / "g_ema.safetensors", Checkpoint(tuned))
    about = {"kind": "finetune", "landmark_scheme": "ibug68", "config": {}, "spec": TINY.to_dict()}
    (folder / "run.json").write_text(json.dumps(about), encoding="utf-8")
    return folder
