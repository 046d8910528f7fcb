"""Native checkpoints: round trip, halves, and files that are something else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.errors import CheckpointError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator

Networks = tuple[Generator, Discriminator]


def test_round_trip_gives_the_same_images_logits_and_card(tiny_networks: Networks, tmp_path: Path) -> None:
    generator, discriminator = tiny_networks
    path = tmp_path / "g.safetensors"
    save_checkpoint(path, Checkpoint(generator, discriminator, {"origin": "a test"}))
    loaded = load_checkpoint(path)
    z = torch.randn(2, 8)
    assert torch.equal(loaded.generator(z), generator(z))
    assert loaded.discriminator is not None
    assert torch.equal(loaded.discriminator(generator(z)), discriminator(generator(z)))
    assert loaded.card == {"origin": "a test"}
    assert not list(tmp_path.glob("*.part"))


def test_half_precision_halves_the_file_and_keeps_the_picture(tiny_networks: Networks, tmp_path: Path) -> None:
    generator, _ = tiny_networks
    for half in (False, True):
        save_checkpoint(tmp_path / f"{half}.safetensors", Checkpoint(generator), half=half)
    assert (tmp_path / "True.safetensors").stat().st_size < 0.7 * (tmp_path / "False.safetensors").stat().st_size
    z = torch.randn(2, 8)
    with torch.no_grad():
        difference = load_checkpoint(tmp_path / "True.safetensors").generator(z) - generator(z)
    assert float(difference.abs().max()) < 0.02


@pytest.mark.parametrize("content", [b"", b"not tensors at all", b"\xff" * 64])
def test_other_files_are_refused_with_their_path(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "g.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"g\.safetensors"):
        load_checkpoint(path)


def test_missing_and_foreign_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "absent.safetensors")
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="not a checkpoint of this tool"):
        load_checkpoint(tmp_path / "foreign.safetensors")


def test_weights_that_do_not_fit_their_spec_are_refused(tiny_networks: Networks, tmp_path: Path) -> None:
    generator, _ = tiny_networks
    del generator.mapping.layers[-1]
    save_checkpoint(tmp_path / "g.safetensors", Checkpoint(generator))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_checkpoint(tmp_path / "g.safetensors")
