"""The encoder starts at the mean face, treats each portrait alone, and survives the disk."""

from pathlib import Path

import pytest
import torch

from transfer.checkpoints import load_encoder, save_encoder
from transfer.errors import CheckpointError
from transfer.networks.encoder import Encoder
from transfer.networks.spec import GeneratorSpec, channels_for

TINY = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))


@pytest.fixture
def encoder() -> Encoder:
    """One whose heads are past their zero start."""
    generator = torch.manual_seed(3)
    made = Encoder(TINY).eval()
    with torch.no_grad():
        for weights in made.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.05)
        made.mean.copy_(torch.randn(8, generator=generator))
    return made


def test_an_untrained_encoder_answers_with_the_mean_face() -> None:
    encoder = Encoder(TINY)
    encoder.mean.fill_(2.0)
    assert torch.equal(encoder(torch.randn(2, 3, 32, 32)), torch.full((2, 8, 8), 2.0))


@pytest.mark.parametrize("resolution", [64, 256, 512])
def test_every_size_of_generator_gets_all_its_layers(resolution: int) -> None:
    spec = GeneratorSpec(resolution=resolution, w_dim=16, z_dim=16, channels=channels_for(resolution, maximum=16))
    assert Encoder(spec)(torch.zeros(1, 3, resolution, resolution)).shape == (1, spec.num_ws, 16)


def test_a_large_portrait_is_read_as_its_shrunk_copy() -> None:
    specs = [
        GeneratorSpec(resolution=side, w_dim=8, z_dim=8, channels=channels_for(side, maximum=8)) for side in (256, 512)
    ]
    small, large = (Encoder(spec) for spec in specs)
    shared = {name: value for name, value in small.state_dict().items() if not name.startswith("deltas.2")}
    large.load_state_dict(shared, strict=False)
    with torch.no_grad():
        large.base.linear.weight.normal_()
        small.base.linear.weight.copy_(large.base.linear.weight)
        portrait = torch.rand(1, 3, 256, 256) * 2 - 1
        doubled = portrait.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        assert torch.allclose(large(doubled)[:, 0], small(portrait)[:, 0], atol=1e-5)


def test_locked_layers_share_one_offset(encoder: Encoder) -> None:
    images = torch.randn(2, 3, 32, 32)
    whole, part = encoder.offsets(images), encoder.offsets(images, unlocked=3)
    assert torch.equal(part[:, :3], whole[:, :3])
    assert torch.equal(part[:, 3:], part[:, 3:4].expand(-1, 5, -1))
    assert not torch.equal(part[:, 3:], whole[:, 3:])


def test_a_portraits_answer_is_the_same_in_any_company(encoder: Encoder) -> None:
    images = torch.randn(4, 3, 32, 32)
    assert torch.allclose(encoder(images)[2:3], encoder(images[2:3]), atol=1e-5)


def test_an_encoder_comes_back_from_the_disk(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, encoder, {"images": 5})
    loaded, card = load_encoder(path)
    images = torch.randn(1, 3, 32, 32)
    assert card == {"images": 5}
    assert torch.equal(loaded(images), encoder(images))


def test_files_that_are_no_encoder_are_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    with pytest.raises(CheckpointError, match="transfer train-encoder"):
        load_encoder(path)
    path.write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match="no encoder"):
        load_encoder(path)


def test_a_generators_checkpoint_is_no_encoder(tmp_path: Path) -> None:
    from transfer.checkpoints import Checkpoint, save_checkpoint
    from transfer.networks.generator import Generator

    path = tmp_path / "g_ema.safetensors"
    save_checkpoint(path, Checkpoint(Generator(TINY)))
    with pytest.raises(CheckpointError, match="drfhq-encoder-v1"):
        load_encoder(path)
