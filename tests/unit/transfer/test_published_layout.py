"""Our generator against another implementation's outputs, on a small checkpoint in a published layout."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

CHECKPOINTS = Path(__file__).parents[4] / "shared" / "checkpoints"


def renamed(state: dict[str, Tensor], latent_avg: Tensor, levels: int) -> dict[str, Tensor]:
    """rosinality's generator names → ours."""
    ours = {"mapping.w_avg": latent_avg, "synthesis.const": state["input.input"][0]}
    for name, value in state.items():
        if name.startswith("style."):
            _, layer, kind = name.split(".")
            ours[f"mapping.layers.{int(layer) - 1}.{kind}"] = value
    layers = [("conv1", "blocks.0.conv", "noises.noise_0")]
    rgbs = [("to_rgb1", "blocks.0.to_rgb")]
    for i in range(levels - 1):
        layers += [(f"convs.{2 * i}", f"blocks.{i + 1}.conv_up", f"noises.noise_{2 * i + 1}")]
        layers += [(f"convs.{2 * i + 1}", f"blocks.{i + 1}.conv", f"noises.noise_{2 * i + 2}")]
        rgbs += [(f"to_rgbs.{i}", f"blocks.{i + 1}.to_rgb")]
    for theirs, mine, noise in layers:
        ours[f"synthesis.{mine}.weight"] = state[f"{theirs}.conv.weight"][0]
        ours[f"synthesis.{mine}.bias"] = state[f"{theirs}.activate.bias"]
        ours[f"synthesis.{mine}.noise_strength"] = state[f"{theirs}.noise.weight"][0]
        ours[f"synthesis.{mine}.noise_const"] = state[noise][0, 0]
    for theirs, mine in rgbs:
        ours[f"synthesis.{mine}.weight"] = state[f"{theirs}.conv.weight"][0]
        ours[f"synthesis.{mine}.bias"] = state[f"{theirs}.bias"].flatten()
    for theirs, mine in [*((t, m) for t, m, _ in layers), *rgbs]:
        for kind in ("weight", "bias"):
            ours[f"synthesis.{mine}.affine.{kind}"] = state[f"{theirs}.conv.modulation.{kind}"]
    return ours


def test_outputs_equal_those_of_the_published_port() -> None:
    if not CHECKPOINTS.is_dir():
        pytest.skip(f"no checkpoint fixtures at {CHECKPOINTS}")
    checkpoint = torch.load(CHECKPOINTS / "rosinality-style-64-plain.pt", weights_only=True)
    expected = {name: torch.from_numpy(a) for name, a in np.load(CHECKPOINTS / "rosinality-style-64.npz").items()}
    spec = GeneratorSpec(resolution=64, z_dim=96, w_dim=96, channels=(32, 32, 32, 24, 16))
    generator = Generator(spec).eval()
    generator.load_state_dict(renamed(checkpoint["g_ema"], checkpoint["latent_avg"], 5))
    with torch.no_grad():
        for got, name in (
            (generator.mapping(expected["z"]), "w"),
            (generator(expected["z"]), "image"),
            (generator(expected["z"], truncation=0.7), "image_psi07"),
        ):
            difference = (got - expected[name]).abs().max() / expected[name].abs().max()
            assert difference <= 1e-4, name
