"""Inversion finds the latent of a generator's own image, whatever batch it comes in."""

import pytest
import torch

from transfer.errors import ConfigError
from transfer.inversion.likeness import pyramid_distance
from transfer.inversion.optimise import OptimiseInverter, OptimiseSettings
from transfer.inversion.wspace import WSpace
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator

Networks = tuple[Generator, Discriminator]
SETTINGS = OptimiseSettings(w_steps=60, wplus_steps=60, candidates=64, prior=0.0, spread=0.0)


def test_a_generators_own_image_is_found_again(tiny_networks: Networks) -> None:
    generator = tiny_networks[0].eval()
    target = generator(torch.randn(1, 8, generator=torch.manual_seed(5))).detach()
    result = OptimiseInverter(SETTINGS)(generator, target)
    start, end = result.curve[0], float(pyramid_distance(result.images, target))
    assert end < 0.25 * start
    assert torch.equal(generator.synthesis(result.ws), result.images)


def test_a_portrait_inverts_alike_alone_and_in_company(tiny_networks: Networks) -> None:
    generator = tiny_networks[0].eval()
    targets = generator(torch.randn(2, 8, generator=torch.manual_seed(6))).detach()
    settings = OptimiseSettings(w_steps=10, wplus_steps=10, candidates=16)
    together = OptimiseInverter(settings)(generator, targets)
    alone = OptimiseInverter(settings)(generator, targets[1:])
    assert torch.allclose(together.ws[1:], alone.ws, atol=1e-3)


def test_the_prior_keeps_latents_near_the_known_ones(tiny_networks: Networks) -> None:
    generator = tiny_networks[0].eval()
    target = torch.rand(1, 3, 32, 32, generator=torch.manual_seed(7)) * 2 - 1
    far, near = (
        OptimiseInverter(OptimiseSettings(w_steps=20, wplus_steps=20, candidates=16, prior=prior))(generator, target)
        for prior in (0.0, 10.0)
    )
    mean = generator.mapping(torch.randn(512, 8, generator=torch.manual_seed(8))).mean(dim=0).detach()
    assert (near.ws - mean).square().mean() < (far.ws - mean).square().mean()


def test_whitened_coordinates_have_unit_variance_and_return() -> None:
    samples = torch.randn(2000, 3, generator=torch.manual_seed(9)) * torch.tensor([5.0, 1.0, 0.2]) + 3
    space = WSpace.fitted(samples)
    v = space.to_v(samples)
    assert torch.allclose(v.std(dim=0), torch.ones(3), atol=1e-2)
    assert torch.allclose(space.to_w(v), samples, atol=1e-4)


def test_a_portrait_of_another_size_is_refused(tiny_networks: Networks) -> None:
    with pytest.raises(ConfigError, match="64²"):
        OptimiseInverter(SETTINGS)(tiny_networks[0], torch.zeros(1, 3, 64, 64))
