"""Settings of training: what each does, what contradicts what, and how they are read."""

from pathlib import Path

import pytest
import torch

from drfhq_tools.errors import UsageError
from drfhq_tools.toml_file import read_settings
from transfer.config import TrainConfig
from transfer.data import Portraits
from transfer.errors import ConfigError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec
from transfer.settings import DEFAULTS, configured, parse_settings
from transfer.training.precision import check_precision
from transfer.training.regularise import mixed, next_mean, path_lengths, path_penalty
from transfer.training.state import TrainState
from transfer.training.step import Trainer

CPU = torch.device("cpu")
Networks = tuple[Generator, Discriminator]


def trainer(networks: Networks, portraits: Portraits, **settings: object) -> Trainer:
    config = TrainConfig(**{"batch": 4} | settings)  # type: ignore[arg-type]
    return Trainer(TrainState.start(*networks, config, CPU), portraits, config)


def changed(network: torch.nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


def copied(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"augment": ("ada", "colour")}, "name it alone"),
        ({"ada_target": 1.0}, "ada_target"),
        ({"style_mixing": 1.5}, "0 to 1"),
        ({"path_length": -1.0}, "path_length"),
        ({"freeze_d": -1}, "freeze_d"),
        ({"precision": "fp8"}, "fp8"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TrainConfig(**settings)  # type: ignore[arg-type]


def test_path_lengths_of_a_linear_map_are_its_gain() -> None:
    """Where an image is A·w, the expected length over directions is |A| in the Frobenius norm, by the side."""
    torch.manual_seed(0)
    matrix = torch.randn(3 * 16 * 16, 5)
    ws = torch.randn(400, 1, 5, requires_grad=True)
    images = (ws[:, 0] @ matrix.T).view(-1, 3, 16, 16)
    lengths = path_lengths(images, ws, torch.randn_like(images))
    expected = (matrix.square().sum() / 16**2).sqrt()
    assert float(lengths.square().mean().sqrt()) == pytest.approx(float(expected), rel=0.05)


def test_a_path_penalty_has_gradients_to_the_weights() -> None:
    weight = torch.tensor(2.0, dtype=torch.double, requires_grad=True)
    ws = torch.randn(2, 1, 3, dtype=torch.double, requires_grad=True)
    noise = torch.randn(2, 3, 4, 4, dtype=torch.double)

    def penalty(gain: torch.Tensor) -> torch.Tensor:
        images = (gain * ws[:, 0].sin())[:, :, None, None].expand(2, 3, 4, 4)
        return path_penalty(path_lengths(images, ws, noise), 1.0)

    assert torch.autograd.gradcheck(penalty, (weight,))


def test_the_first_mean_path_length_is_measured_and_costs_nothing() -> None:
    assert float(path_penalty(torch.tensor([3.0, 5.0]), 0.0)) == 0.0
    assert next_mean(0.0, 4.0) == 4.0
    assert next_mean(4.0, 5.0) == pytest.approx(4.01)
    assert float(path_penalty(torch.tensor([3.0, 5.0]), 4.0)) == 1.0


def test_mixing_leaves_coarse_layers_and_takes_fine_ones() -> None:
    ws, other = torch.zeros(3, 6, 2), torch.ones(3, 2)
    numbers = torch.tensor([[0.2, 0.0], [0.2, 0.999], [0.8, 0.0]])
    taken = mixed(ws, other, numbers, 0.5)[:, :, 0]
    assert taken.tolist() == [[0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1], [0] * 6]


def test_path_length_and_mixing_take_part_in_a_step(tiny_networks: Networks, portraits: Portraits) -> None:
    training = trainer(tiny_networks, portraits, path_length=2.0, path_length_every=2, style_mixing=0.9)
    first, second, third = (training.step() for _ in range(3))
    assert first["path_length"] > 0 == first["path_penalty"]
    assert "path_length" not in second
    assert third["path_penalty"] > 0
    assert training.state.measured.path_length != first["path_length"]


def test_ada_raises_p_while_the_discriminator_is_sure(tiny_networks: Networks, portraits: Portraits) -> None:
    training = trainer(
        tiny_networks, portraits, augment=("ada",), ada_kimg=0.064, ada_every=2, d_lr=0.01, g_lr=1e-6, ada_target=0.1
    )
    shown = [training.step()["ada_p"] for _ in range(24)]
    assert shown[0] == 0.0
    assert max(shown) > 0.2
    assert {abs(b - a) for a, b in zip(shown[1::2], shown[3::2], strict=False)} <= {0.0, 0.125}


def test_what_is_frozen_stays(tiny_networks: Networks, portraits: Portraits) -> None:
    generator, discriminator = tiny_networks
    before = copied(generator), copied(discriminator)
    trainer(tiny_networks, portraits, freeze_g=(4, 8), freeze_d=4, freeze_mapping=True).step()
    moved = changed(generator, before[0])
    assert moved
    assert all(name.startswith(("synthesis.blocks.2", "synthesis.blocks.3")) for name in moved)
    judged = changed(discriminator, before[1])
    assert "blocks.1.conv.weight" in judged
    assert not {name for name in judged if name.startswith(("from_rgb", "blocks.0"))}
    assert all(p.requires_grad == (name in judged) for name, p in discriminator.named_parameters())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"freeze_g": (64,)}, "freeze_g names 64"),
        ({"freeze_g": (4, 8, 16, 32), "freeze_mapping": True}, "nothing"),
        ({"freeze_d": 11}, "10 layers"),
    ],
)
def test_layers_that_are_not_there_cannot_be_frozen(
    tiny_networks: Networks, portraits: Portraits, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        trainer(tiny_networks, portraits, **settings)


def losses_of_steps(networks: Networks, portraits: Portraits, count: int, **settings: object) -> list[dict[str, float]]:
    """Losses of ``count`` steps from the networks' weights, which stay as they are."""
    generator, discriminator = Generator(networks[0].spec), Discriminator(networks[0].spec)
    for new, old in zip((generator, discriminator), networks, strict=True):
        new.load_state_dict(old.state_dict())
    training = trainer((generator, discriminator), portraits, r1_every=2, path_length=1.0, **settings)
    losses = [training.step() for _ in range(count)]
    assert generator.synthesis.dtype == discriminator.dtype == torch.float32, "as they were outside of steps"
    assert all(weights.dtype == torch.float32 for weights in generator.parameters())
    return losses


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_has_nearly_the_losses_of_full(
    tiny_networks: Networks, portraits: Portraits, precision: str
) -> None:
    (full,) = losses_of_steps(tiny_networks, portraits, 1)
    (half,) = losses_of_steps(tiny_networks, portraits, 1, precision=precision)
    assert half != full
    for name in ("d_adversarial", "g_adversarial", "r1", "path_length"):
        assert half[name] == pytest.approx(full[name], rel=0.02)


def test_fp16_scales_its_losses_until_gradients_fit(tiny_networks: Networks, portraits: Portraits) -> None:
    training = trainer(tiny_networks, portraits, precision="fp16")
    begun = training.state.scaler.get_scale()
    before = copied(tiny_networks[0])
    for _ in range(4):
        training.step()
    assert changed(tiny_networks[0], before)
    assert 1 < training.state.scaler.get_scale() <= begun


def test_fp16_wants_cuda_and_limited_activations() -> None:
    spec = GeneratorSpec(resolution=32, channels=(8, 8, 8, 8))
    config = TrainConfig(precision="fp16")
    with pytest.raises(ConfigError, match="bf16"):
        check_precision(config, spec, CPU)
    with pytest.raises(ConfigError, match="conv_clamp"):
        check_precision(config, spec, torch.device("cuda"))
    check_precision(TrainConfig(precision="bf16"), spec, CPU)


def test_settings_are_read_by_name_and_kind(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('[train]\npath_length = 2\naugment = ["ada"]\nfreeze_g = [8, 4]\nkeep = 5\n', encoding="utf-8")
    given = parse_settings(["keep=2", "mirror=false", "freeze_g=16,8"])
    config, schedule = configured(read_settings(file, "train") | given, kimg=1.0, freeze_mapping=False, weights={})
    assert (config.path_length, config.augment, config.freeze_g, config.mirror) == (2.0, ("ada",), (8, 16), False)
    assert (schedule.keep, schedule.kimg) == (2, 1.0)


def test_all_defaults_are_the_config_without_settings() -> None:
    config, schedule = configured(DEFAULTS, kimg=1.0, freeze_mapping=False, weights={})
    assert config == TrainConfig()
    assert schedule.keep == DEFAULTS["keep"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["path_lenght=2"], "did you mean path_length"),
        (["path_length"], "NAME=VALUE"),
        (["path_length=much"], "must be a number"),
        (["freeze_g=4,x"], "must be a list"),
        (["mirror=perhaps"], "true or false"),
        (["weights=1"], "no training setting"),
    ],
)
def test_mistaken_settings_are_named(texts: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_settings(texts)


@pytest.mark.parametrize(
    ("text", "words"),
    [("keep = true", "whole number"), ("augment = 3", "a list"), ("= 3", "no valid TOML"), ("train = 3", "a table")],
)
def test_mistaken_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((ConfigError, UsageError), match=words):
        configured(read_settings(file, "train"), kimg=1.0, freeze_mapping=False, weights={})
