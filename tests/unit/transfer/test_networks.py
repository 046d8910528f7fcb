"""Shapes, statistics and the discriminator's minibatch statistic."""

import pytest
import torch

from transfer.errors import ConfigError
from transfer.networks.discriminator import Discriminator, minibatch_stddev
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec, channels_for


@pytest.mark.parametrize("resolution", [32, 128, 1024])
def test_every_resolution_gives_its_images_and_logits(resolution: int) -> None:
    spec = GeneratorSpec(
        resolution=resolution, z_dim=8, w_dim=12, mapping_layers=2, channels=channels_for(resolution, maximum=8)
    )
    torch.manual_seed(0)
    generator, discriminator = Generator(spec), Discriminator(spec)
    images = generator(torch.randn(2, 8))
    assert images.shape == (2, 3, resolution, resolution)
    assert generator.ws(torch.randn(2, 8)).shape == (2, spec.num_ws, 12)
    assert discriminator(images).shape == (2, 1)


@pytest.mark.parametrize("resolution", [48, 16, 2048])
def test_impossible_resolutions_are_refused(resolution: int) -> None:
    with pytest.raises(ConfigError, match="power of two"):
        GeneratorSpec(resolution=resolution, channels=(8,) * 5)


def test_a_spec_survives_json_and_refuses_strange_names() -> None:
    spec = GeneratorSpec(resolution=32, channels=(4, 4, 4, 4))
    assert GeneratorSpec.from_dict(spec.to_dict()) == spec
    with pytest.raises(ConfigError, match="unknown generator settings colour"):
        GeneratorSpec.from_dict(spec.to_dict() | {"colour": 1})


def test_activations_keep_unit_variance_through_a_fresh_generator() -> None:
    spec = GeneratorSpec(resolution=32, z_dim=64, w_dim=64, channels=(64, 64, 64, 64))
    torch.manual_seed(0)
    w = Generator(spec).mapping(torch.randn(256, 64))
    assert 0.3 < float(w.detach().std()) < 1.5


def test_truncation_moves_towards_the_mean() -> None:
    spec = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))
    torch.manual_seed(0)
    generator = Generator(spec)
    generator.mapping.w_avg.copy_(torch.arange(8.0))
    z = torch.randn(3, 8)
    full, none, half = (generator.ws(z, psi)[:, 0] for psi in (1.0, 0.0, 0.5))
    assert torch.allclose(none, torch.arange(8.0).expand(3, 8))
    assert torch.allclose(half, (full + none) / 2, atol=1e-6)


def test_minibatch_stddev_is_zero_for_equal_samples_and_known_otherwise() -> None:
    same = torch.ones(4, 2, 3, 3)
    assert float(minibatch_stddev(same, 4)[:, -1].max()) < 1e-3
    spread = torch.tensor([0.0, 2.0])[:, None, None, None].expand(2, 1, 2, 2)
    assert torch.allclose(minibatch_stddev(spread, 2)[:, -1], torch.tensor(1.0), atol=1e-4)


def test_minibatch_stddev_takes_any_batch() -> None:
    assert minibatch_stddev(torch.randn(5, 2, 4, 4), 4).shape == (5, 3, 4, 4)
    assert minibatch_stddev(torch.randn(6, 2, 4, 4), 4).shape == (6, 3, 4, 4)
