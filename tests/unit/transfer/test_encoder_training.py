"""An encoder learns the generator's own images, resumes to the bit, and refuses what it was not begun with."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from transfer.data import Portraits
from transfer.errors import CheckpointError, ConfigError, NonFiniteLossError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet
from transfer.training.encoder import EncoderConfig, EncoderState, EncoderTrainer
from transfer.training.encoder_views import NUMBERS, blurred, compressed, moved, seen, tinted

Networks = tuple[Generator, Discriminator]
BOTH = EncoderConfig(batch=2, free_kimg=0.002)


class Glance(nn.Module):
    """Looks at a chip in three steps, as the identity network does in many."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.mean(dim=(2, 3)))


@pytest.fixture
def network() -> IdentityNet:
    torch.manual_seed(1)
    return IdentityNet(nn.Sequential(nn.AvgPool2d(2), nn.AvgPool2d(5), nn.AvgPool2d(3), Glance()), 1.0)


def trainer(
    networks: Networks, portraits: Portraits, network: IdentityNet, config: EncoderConfig = BOTH
) -> EncoderTrainer:
    generator = networks[0].eval()
    return EncoderTrainer(EncoderState.start(generator, config), generator, portraits, config, network)


def test_an_encoder_learns_to_find_the_generators_own_images(
    tiny_networks: Networks, portraits: Portraits, network: IdentityNet
) -> None:
    config = EncoderConfig(batch=4, free_kimg=0.008, mixing=0)
    learner = trainer(tiny_networks, portraits, network, config)
    losses = [learner.step()["image"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])


def test_a_resumed_encoder_equals_an_uninterrupted_one_to_the_bit(
    tiny_networks: Networks, portraits: Portraits, network: IdentityNet, tmp_path: Path
) -> None:
    whole = trainer(tiny_networks, portraits, network)
    for _ in range(5):
        whole.step()
    first = trainer(tiny_networks, portraits, network)
    for _ in range(3):
        first.step()
    about: dict[str, object] = {"config": json.loads(json.dumps({"batch": 2}))}
    first.state.save(tmp_path / "state.pt", about)
    second = trainer(tiny_networks, portraits, network)
    second.state.load(tmp_path / "state.pt", about)
    for _ in range(2):
        second.step()
    assert second.state.images == whole.state.images == 10
    for mine, theirs in ((second.state.encoder, whole.state.encoder), (second.state.ema, whole.state.ema)):
        expected = theirs.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in mine.state_dict().items())


def test_portraits_join_after_the_free_pairs(
    tiny_networks: Networks, portraits: Portraits, network: IdentityNet
) -> None:
    learner = trainer(tiny_networks, portraits, network)
    assert set(learner.step()) == {"latent", "image"}
    assert set(learner.step()) == {"latent", "image", "portrait", "prior", "spread"}


def test_layers_are_let_go_one_after_another(
    tiny_networks: Networks, portraits: Portraits, network: IdentityNet
) -> None:
    learner = trainer(tiny_networks, portraits, network, EncoderConfig(batch=2, free_kimg=0.008))
    unlocked = []
    for _ in range(5):
        unlocked.append(learner.unlocked)
        learner.step()
    assert unlocked == [0, 2, 4, 6, 8]


def test_the_generator_is_left_alone(tiny_networks: Networks, portraits: Portraits, network: IdentityNet) -> None:
    before = {name: value.clone() for name, value in tiny_networks[0].state_dict().items()}
    learner = trainer(tiny_networks, portraits, network)
    for _ in range(2):
        learner.step()
    assert all(torch.equal(value, before[name]) for name, value in tiny_networks[0].state_dict().items())


def test_other_settings_are_not_resumed_with(
    tiny_networks: Networks, portraits: Portraits, network: IdentityNet, tmp_path: Path
) -> None:
    path = tmp_path / "state.pt"
    learner = trainer(tiny_networks, portraits, network)
    learner.state.save(path, {"seed": 0, "split": "train"})
    with pytest.raises(ConfigError, match="another seed"):
        learner.state.load(path, {"seed": 1, "split": "train"})
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="begin anew"):
        learner.state.load(path, {"seed": 0, "split": "train"})


def test_a_loss_that_is_no_number_stops_with_its_name(
    tiny_networks: Networks, portraits: Portraits, network: IdentityNet
) -> None:
    learner = trainer(tiny_networks, portraits, network)
    with torch.no_grad():
        learner.state.encoder.stem.bias.fill_(torch.nan)
    with pytest.raises(NonFiniteLossError, match="'latent'"):
        learner.step()


def test_a_view_at_the_middle_of_its_ranges_is_the_picture() -> None:
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    middle = torch.full((2, 4), 0.5)
    assert torch.allclose(moved(images, middle), images, atol=1e-5)
    assert torch.allclose(tinted(images, middle[:, :3]), images, atol=1e-6)
    assert torch.allclose(blurred(images, torch.zeros(2)), images, atol=1e-4)
    assert torch.allclose(compressed(images, torch.zeros(2)), images, atol=1e-2)


def test_views_change_little_and_each_by_its_own_numbers() -> None:
    images = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8) * 2 - 1, size=64, mode="bicubic")
    numbers = torch.rand(2, NUMBERS)
    views = seen(images, numbers)
    assert 0.005 < float((views - images).abs().mean()) < 0.4
    assert torch.allclose(seen(images[1:], numbers[1:]), views[1:], atol=1e-5)


def test_coarser_compression_keeps_the_mean_and_loses_more() -> None:
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    errors = [float((compressed(images, torch.tensor([q])) - images).abs().mean()) for q in (0.1, 0.4, 1.0)]
    assert errors[0] < errors[1] < errors[2] < 0.5


@pytest.mark.parametrize(
    "settings", [{"batch": 1}, {"lr": 0.0}, {"mixing": 1.5}, {"free_kimg": -1.0}, {"prior": -0.1}, {"ema_kimg": 0.0}]
)
def test_contradictory_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        EncoderConfig(**settings)  # type: ignore[arg-type]
