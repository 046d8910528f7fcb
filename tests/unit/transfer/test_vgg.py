"""VGG-16 from a torchvision state dict: its shapes, its pooling, and files that are something else."""

from pathlib import Path

import pytest
import torch

from transfer.checkpoints.vgg import load_vgg
from transfer.errors import CheckpointError

LAYERS = {
    0: (3, 64),
    2: (64, 64),
    5: (64, 128),
    7: (128, 128),
    10: (128, 256),
    12: (256, 256),
    14: (256, 256),
    17: (256, 512),
    19: (512, 512),
    21: (512, 512),
    24: (512, 512),
    26: (512, 512),
    28: (512, 512),
}
"""Configuration D as torchvision numbers it: a convolution, its rectifier, and a pooling after the 2nd, 4th, 7th, …"""


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    found: dict[str, torch.Tensor] = {"classifier.0.bias": torch.zeros(3)}
    for number, (inputs, width) in LAYERS.items():
        found[f"features.{number}.weight"] = torch.randn(width, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5
        found[f"features.{number}.bias"] = torch.zeros(width)
    return found


def test_stages_are_those_of_the_layers_in_a_row(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "vgg16.pth")
    network = load_vgg(tmp_path / "vgg16.pth")
    layers: list[torch.nn.Module] = []
    for number in range(30):
        if number in LAYERS:
            layer = torch.nn.Conv2d(*LAYERS[number], 3, padding=1)
            layer.load_state_dict({part: weights[f"features.{number}.{part}"] for part in ("weight", "bias")})
            layers.append(layer)
        else:
            layers.append(torch.nn.ReLU() if number - 1 in LAYERS else torch.nn.MaxPool2d(2))
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    x = ((images + 1) / 2 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    expected = []
    for layer in layers:
        if isinstance(layer, torch.nn.MaxPool2d):
            expected.append(x)
        x = layer(x)
    expected.append(x)
    stages = network(images)
    assert [stage.shape[-1] for stage in stages] == [32, 16, 8, 4, 2]
    for got, wanted in zip(stages, expected, strict=True):
        torch.testing.assert_close(got, wanted.detach(), rtol=1e-4, atol=1e-5)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_other_files_are_refused_by_name(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(CheckpointError, match=r"weights\.pth.*cannot be read"):
        load_vgg(path)
    few = {name: value for name, value in weights.items() if not name.startswith("features.28")}
    for wrong in ([1, 2], {"features.0.weight": torch.zeros(2)}, few):
        torch.save(wrong, path)
        with pytest.raises(CheckpointError, match=r"weights\.pth"):
            load_vgg(path)
    torch.save(few, path)
    with pytest.raises(CheckpointError, match=r"features\.28\.weight"):
        load_vgg(path)
