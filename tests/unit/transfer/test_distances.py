"""Set distances on analytic cases, on networks given, and the structure of the published Inception."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from transfer.checkpoints import Checkpoint, save_checkpoint
from transfer.cli import main
from transfer.data import Portraits, to_pixels
from transfer.errors import CheckpointError, ConfigError
from transfer.metrics.distances import distances
from transfer.metrics.inception import Inception, InceptionFeatures, resized_as_tensorflow
from transfer.metrics.kernel import frechet_distance
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator

TINY = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"


class MeanColour:
    """Three numbers an image."""

    name = "mean colour"

    def features(self, images: Tensor) -> npt.NDArray[np.float64]:
        return np.asarray(images.mean(dim=(2, 3)).double().numpy())


def whitened(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same samples with mean 0 and covariance I exactly."""
    centred = features - features.mean(axis=0)
    return np.asarray(centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred, rowvar=False))).T)


def test_frechet_distance_of_known_gaussians() -> None:
    white = whitened(np.random.default_rng(0).standard_normal((500, 4)))
    mean = np.array([1.0, -2.0, 0.5, 0.0])
    scales = np.array([1.0, 2.0, 0.5, 3.0])
    # |μ|² + Σ (1 − σᵢ)² for diagonal covariances
    expected = float((mean**2).sum() + ((1 - scales) ** 2).sum())
    assert frechet_distance(white, white * scales + mean) == pytest.approx(expected, rel=1e-9)
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))  # not diagonal, not commuting
    a, b = white * scales, (white * scales[::-1]) @ turn
    first, second = np.diag(scales**2), turn.T @ np.diag(scales[::-1] ** 2) @ turn
    cross = np.sqrt(np.linalg.eigvals(first @ second).real).sum()
    assert frechet_distance(a, b) == pytest.approx(float(np.trace(first) + np.trace(second) - 2 * cross), rel=1e-6)


def test_any_network_may_look(tiny_networks: tuple[Generator, Discriminator]) -> None:
    generator = tiny_networks[0].eval()
    own = [to_pixels(generator(torch.randn(16, 8), noise="random")) for _ in range(4)]
    same = Portraits(np.concatenate(own), "", "")
    dark = Portraits(np.zeros((64, 32, 32, 3), np.uint8), "", "")
    near, far = (distances(generator, data, MeanColour(), 64) for data in (same, dark))
    assert (near.generated, near.real, near.network) == (64, 64, "mean colour")
    assert far.frechet > 20 * abs(near.frechet)
    assert far.kernel > 20 * abs(near.kernel)
    assert distances(generator, dark, MeanColour(), 64) == far  # a function of the seed
    with pytest.raises(ConfigError, match="two of each"):
        distances(generator, Portraits(np.zeros((1, 32, 32, 3), np.uint8), "", ""), MeanColour(), 64)


def test_the_command_states_its_counts(tiny_networks: tuple[Generator, Discriminator], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "g.safetensors", Checkpoint(tiny_networks[0]))
    words = ["metrics", tmp_path / "g.safetensors", "--data", TINY, "--count", 6, "--device", "cpu"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["generated"] == 6
    assert figures["real"] > 1
    assert figures["kernel"] > 0
    assert CliRunner().invoke(main, [*map(str, words), "--features", "inception"]).exit_code == 2


def test_inception_has_the_published_structure() -> None:
    network = Inception()
    # Szegedy et al.'s network as torchvision counts it without auxiliary head (23,834,568) less its classifier.
    assert sum(p.numel() for p in network.parameters()) == 23_834_568 - 2049 * 1000
    state = network.state_dict()
    assert state["Mixed_6c.branch7x7dbl_4.conv.weight"].shape == (160, 160, 7, 1)
    assert state["Mixed_7c.branch3x3dbl_3b.bn.running_var"].shape == (384,)
    assert state["Mixed_7a.branch7x7x3_4.conv.weight"].shape == (192, 192, 3, 3)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 2048)


def test_a_users_weights_are_loaded_and_others_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Inception()
    path = tmp_path / "weights.pth"
    torch.save(network.state_dict() | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}, path)
    loaded = InceptionFeatures(path, torch.device("cpu"))
    images = torch.rand(1, 3, 40, 40) * 2 - 1
    assert np.allclose(loaded.features(images), network(images).numpy())
    assert "not the published file" in loaded.name
    torch.save({"conv.weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="pytorch-fid"):
        InceptionFeatures(path, torch.device("cpu"))
    with pytest.raises(CheckpointError, match="pytorch-fid"):
        InceptionFeatures(tmp_path / "absent.pth", torch.device("cpu"))


def test_resizing_samples_where_tensorflow_did() -> None:
    ramp = torch.arange(598.0).expand(1, 1, 598, 598)
    assert torch.allclose(resized_as_tensorflow(ramp)[0, 0, 0], torch.arange(299.0) * 2, atol=1e-3)
    small = torch.arange(100.0).expand(1, 1, 100, 100)
    expected = (torch.arange(299.0) * 100 / 299).clamp(max=99)
    assert torch.allclose(resized_as_tensorflow(small)[0, 0, 5], expected, atol=1e-4)
