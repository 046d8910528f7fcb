"""Other tools' checkpoints: equal outputs, equal tensors both ways, and words where they are of another kind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from transfer.checkpoints import (
    Checkpoint,
    LayoutName,
    Opened,
    load_checkpoint,
    open_checkpoint,
    save_checkpoint,
    write_checkpoint,
)
from transfer.checkpoints.layout import write_network
from transfer.checkpoints.nvlabs import (
    Parts,
    discriminator_layout,
    generator_layout,
    generator_spec,
    parts_of,
    read_discriminator,
)
from transfer.checkpoints.torch_files import Module, StoredTensor, read_torch_file
from transfer.errors import CheckpointError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

CHECKPOINTS = Path(__file__).parents[4] / "shared" / "checkpoints"
NVLABS = ["nvlabs-ada-style-64.pkl", "nvlabs-sg3-style-32-conditional.pkl"]
ROSINALITY = ["rosinality-style-64.pt", "rosinality-style-64-plain.pt"]
BAR = 1e-4
SPEC = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(16, 16, 16, 8), conv_clamp=256.0)
UNCLAMPED = GeneratorSpec.from_dict(SPEC.to_dict() | {"conv_clamp": None})
CONDITIONAL = GeneratorSpec.from_dict(SPEC.to_dict() | {"c_dim": 3, "cmap_layers": 2, "w_dim": 12, "mbstd_group": 2})

needs_fixtures = pytest.mark.skipif(not CHECKPOINTS.is_dir(), reason=f"no checkpoint fixtures at {CHECKPOINTS}")


def expected(name: str) -> dict[str, Tensor]:
    stem = Path(name).stem.removesuffix("-plain")
    return {key: torch.from_numpy(values) for key, values in np.load(CHECKPOINTS / f"{stem}.npz").items()}


def distance(found: Tensor, reference: Tensor) -> float:
    return float((found - reference).abs().max() / reference.abs().max())


def networks(spec: GeneratorSpec) -> tuple[Generator, Discriminator]:
    """Of random weights, also where training would begin with zeros."""
    torch.manual_seed(0)
    generator, discriminator = Generator(spec), Discriminator(spec)
    with torch.no_grad():
        for network in (generator, discriminator):
            for value in network.state_dict().values():
                value.add_(torch.randn(value.shape) * 0.1)
    return generator.eval(), discriminator


def tensors_of(found: object) -> dict[str, Tensor]:
    """A network's tensors as they lie in a file."""
    if isinstance(found, Module):
        found = parts_of(found).tensors
    assert isinstance(found, dict)
    return {name: value.load() for name, value in found.items() if isinstance(value, StoredTensor)}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].shape == other[name].shape and torch.equal(one[name], other[name]) for name in one
    )


@needs_fixtures
@pytest.mark.parametrize("name", NVLABS)
@torch.no_grad()
def test_outputs_equal_those_of_nvidias_networks(name: str) -> None:
    opened, wanted = open_checkpoint(CHECKPOINTS / name), expected(name)
    generator, discriminator = opened.checkpoint.generator, opened.checkpoint.discriminator
    c = wanted["c"] if generator.spec.c_dim else None
    z = wanted["z"]
    assert discriminator is not None
    found = {
        "ws": generator.ws(z, c=c),
        "ws_psi07": generator.ws(z, 0.7, c),
        "image_const_noise": generator(z, c=c),
        "image_psi07": generator(z, 0.7, c=c),
        "image_no_noise": generator(z, noise="none", c=c),
        "logits": discriminator(wanted["image_const_noise"], c),
    }
    assert {key: value for key, value in found.items() if distance(value, wanted[key]) > BAR} == {}
    assert wanted.keys() == {*found, "z", "c"}


@needs_fixtures
@pytest.mark.parametrize("name", ROSINALITY)
@torch.no_grad()
def test_outputs_equal_those_of_rosinalitys_networks(name: str) -> None:
    opened, wanted = open_checkpoint(CHECKPOINTS / name), expected(name)
    generator, discriminator = opened.checkpoint.generator, opened.checkpoint.discriminator
    found = {
        "w": generator.mapping(wanted["z"]),
        "latent_avg": generator.mapping.w_avg,
        "image": generator(wanted["z"]),
        "image_psi07": generator(wanted["z"], 0.7),
    }
    assert (discriminator is None) == ("plain" in name)
    if discriminator is not None:
        found["logits"] = discriminator(wanted["image"])
    assert {key: value for key, value in found.items() if distance(value, wanted[key]) > BAR} == {}


@needs_fixtures
def test_specs_are_inferred_from_the_files() -> None:
    specs = {name: open_checkpoint(CHECKPOINTS / name).checkpoint.generator.spec for name in [*NVLABS, ROSINALITY[0]]}
    assert list(specs.values()) == [
        GeneratorSpec(resolution=64, z_dim=128, w_dim=128, channels=(32, 32, 32, 32, 16)),
        GeneratorSpec(
            resolution=32, z_dim=64, w_dim=96, mapping_layers=2, channels=(48, 48, 32, 16), conv_clamp=256, c_dim=3
        ),
        GeneratorSpec(resolution=64, z_dim=96, w_dim=96, channels=(32, 32, 32, 24, 16)),
    ]


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "layout"),
    [(NVLABS[0], "nvlabs-state"), (NVLABS[1], "nvlabs-state"), (ROSINALITY[0], "rosinality")],
)
def test_a_file_goes_to_safetensors_and_back_to_the_bit(name: str, layout: LayoutName, tmp_path: Path) -> None:
    opened = open_checkpoint(CHECKPOINTS / name)
    save_checkpoint(tmp_path / "ours.safetensors", opened.checkpoint)
    ours = load_checkpoint(tmp_path / "ours.safetensors")
    write_checkpoint(tmp_path / "back.pt", ours, layout)
    before, after = read_torch_file(CHECKPOINTS / name), read_torch_file(tmp_path / "back.pt")
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    keys = ("g_ema", "d") if layout == "rosinality" else ("G_ema", "D")
    for key in keys:
        assert same(tensors_of(before[key]), tensors_of(after[key])), key
    if layout == "rosinality":
        assert torch.equal(before["latent_avg"].load(), after["latent_avg"].load())
    again = open_checkpoint(tmp_path / "back.pt")
    assert (again.layout, again.checkpoint.generator.spec) == (layout, opened.checkpoint.generator.spec)
    wanted = expected(name)
    c = wanted["c"] if again.checkpoint.generator.spec.c_dim else None
    with torch.no_grad():
        assert torch.equal(again.checkpoint.generator(wanted["z"], c=c), opened.checkpoint.generator(wanted["z"], c=c))


@pytest.mark.parametrize(
    ("layout", "spec"),
    [
        ("safetensors", SPEC),
        ("safetensors", CONDITIONAL),
        ("nvlabs-state", SPEC),
        ("nvlabs-state", CONDITIONAL),
        ("rosinality", UNCLAMPED),
    ],
)
def test_our_networks_come_back_from_every_layout(spec: GeneratorSpec, layout: LayoutName, tmp_path: Path) -> None:
    generator, discriminator = networks(spec)
    write_checkpoint(tmp_path / "file", Checkpoint(generator, discriminator, {"license": "CC0-1.0"}), layout)
    opened = open_checkpoint(tmp_path / "file")
    back = opened.checkpoint
    assert opened.layout == layout
    assert back.card["license"] == "CC0-1.0"
    assert back.generator.spec == spec
    assert back.discriminator is not None
    assert same(dict(generator.state_dict()), dict(back.generator.state_dict()))
    assert same(dict(discriminator.state_dict()), dict(back.discriminator.state_dict()))
    assert all(parameter.requires_grad for parameter in back.generator.parameters())


def test_files_we_write_open_with_weights_only(tmp_path: Path) -> None:
    """So that users of other tools need trust nobody either."""
    generator, discriminator = networks(UNCLAMPED)
    for layout, key in (("rosinality", "g_ema"), ("nvlabs-state", "G_ema")):
        write_checkpoint(tmp_path / layout, Checkpoint(generator, discriminator), layout)
        assert key in torch.load(tmp_path / layout, weights_only=True)


def rosinality_file(path: Path, change: Callable[[dict[str, dict[str, Tensor]]], object], **save: bool) -> Path:
    generator, discriminator = networks(UNCLAMPED)
    write_checkpoint(path, Checkpoint(generator, discriminator), "rosinality")
    found = torch.load(path, weights_only=True)
    change(found)
    torch.save(found, path, **save)
    return path


def test_the_stream_of_older_torch_is_read_alike(tmp_path: Path) -> None:
    new = open_checkpoint(rosinality_file(tmp_path / "new.pt", lambda found: None)).checkpoint.generator
    old = rosinality_file(tmp_path / "old.pt", lambda found: None, _use_new_zipfile_serialization=False)
    assert same(dict(open_checkpoint(old).checkpoint.generator.state_dict()), dict(new.state_dict()))


def test_half_precision_and_transposed_weights_are_read_as_they_mean(tmp_path: Path) -> None:
    def change(found: dict[str, dict[str, Tensor]]) -> None:
        state = found["g_ema"]
        state["conv1.conv.weight"] = state["conv1.conv.weight"].half()
        state["style.1.weight"] = state["style.1.weight"].t().contiguous().t()
        change.weights = {name: value.float().clone() for name, value in state.items()}  # type: ignore[attr-defined]

    path = rosinality_file(tmp_path / "g.pt", change)
    generator = open_checkpoint(path).checkpoint.generator
    weights = change.weights  # type: ignore[attr-defined]
    assert torch.equal(generator.synthesis.blocks[0].conv.weight[None], weights["conv1.conv.weight"])  # type: ignore[union-attr, index]
    assert torch.equal(generator.mapping.layers[0].weight, weights["style.1.weight"])


def test_a_missing_centre_and_missing_noise_are_made_and_told(tmp_path: Path) -> None:
    def strip(found: dict[str, dict[str, Tensor]]) -> None:
        del found["latent_avg"]
        found["g_ema"] = {name: value for name, value in found["g_ema"].items() if not name.startswith("noises.")}

    opened = open_checkpoint(rosinality_file(tmp_path / "g.pt", strip))
    assert [note for note in opened.notes if "noise" in note]
    assert [note for note in opened.notes if "latent_avg" in note]
    assert opened.checkpoint.card["notes"] == opened.notes
    generator = opened.checkpoint.generator
    with torch.no_grad():
        mean = generator.mapping(torch.randn(20_000, 8, generator=torch.Generator().manual_seed(1))).mean(dim=0)
    assert float((generator.mapping.w_avg - mean).abs().max()) < 0.05
    assert float(generator.synthesis.styled_convs()[-1].noise_const.std()) == pytest.approx(1.0, abs=0.1)


def test_the_trained_generator_may_be_asked_for(tmp_path: Path) -> None:
    def add(found: dict[str, dict[str, Tensor]]) -> None:
        found["g"] = {name: value * 2 for name, value in found["g_ema"].items() if "kernel" not in name}

    path = rosinality_file(tmp_path / "g.pt", add)
    averaged, trained = (open_checkpoint(path, which).checkpoint.generator for which in ("g_ema", "g"))
    assert torch.equal(trained.synthesis.const, averaged.synthesis.const * 2)


def test_rosinalitys_layout_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="conditional, z and w differ"):
        write_checkpoint(tmp_path / "g.pt", Checkpoint(*networks(CONDITIONAL)), "rosinality")
    notes = write_checkpoint(tmp_path / "g.pt", Checkpoint(*networks(SPEC)), "rosinality")
    assert any("does not clamp" in note for note in notes)
    assert any("{4: 16, 8: 16, 16: 16, 32: 8}" in note for note in notes)


def test_nvidias_classes_take_the_init_kwargs_we_write(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "g.pt", Checkpoint(*networks(SPEC)), "nvlabs-state")
    kwargs = torch.load(tmp_path / "g.pt", weights_only=True)["init_kwargs"]["G_ema"]
    shape = kwargs["synthesis_kwargs"]
    assert [min(shape["channel_base"] // side, shape["channel_max"]) for side in (4, 8, 16, 32)] == [16, 16, 16, 8]
    odd = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, channels=(16, 8, 16, 8))
    with pytest.raises(CheckpointError, match="no base and maximum"):
        write_checkpoint(tmp_path / "g.pt", Checkpoint(*networks(odd)), "nvlabs-state")


def parts(spec: GeneratorSpec = SPEC) -> tuple[Parts, Parts]:
    generator, discriminator = networks(spec)
    return (
        Parts(dict(write_network(generator, generator_layout(spec))), {}),
        Parts(dict(write_network(discriminator, discriminator_layout(spec))), {}),
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("synthesis.b8.architecture", "orig", "architecture 'orig'"),
        ("synthesis.b8.conv0.activation", "relu", "activation 'relu'"),
        ("synthesis.b8.conv0.use_noise", False, "take no noise"),
    ],
)
def test_generators_of_other_mathematics_are_refused(name: str, value: str | bool, words: str) -> None:
    generator, _ = parts()
    generator.plain[name] = value
    with pytest.raises(CheckpointError, match=words):
        generator_spec(generator)


def test_layers_that_are_clamped_unlike_are_refused() -> None:
    generator, _ = parts()
    generator.plain.update({"synthesis.b8.conv0.conv_clamp": 256, "synthesis.b8.conv1.conv_clamp": None})
    with pytest.raises(CheckpointError, match="some are clamped"):
        generator_spec(generator)


def test_pictures_that_are_not_square_or_not_rgb_are_refused() -> None:
    generator, _ = parts()
    generator.tensors["synthesis.b4.const"] = torch.zeros(16, 4, 8)
    with pytest.raises(CheckpointError, match="not square"):
        generator_spec(generator)
    generator, _ = parts()
    generator.tensors["synthesis.b4.torgb.weight"] = torch.zeros(1, 16, 1, 1)
    with pytest.raises(CheckpointError, match="not RGB"):
        generator_spec(generator)


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"b32.architecture": "skip"}, "architecture 'skip'"),
        ({"b32.conv0.conv_clamp": 8}, "clamps otherwise"),
        ({"b4.mbstd.num_channels": 2}, "minibatch statistic"),
        ({"b4.mbstd.group_size": None}, "minibatch statistic"),
    ],
)
def test_discriminators_of_other_mathematics_are_refused(plain: dict[str, str | int | None], words: str) -> None:
    generator, discriminator = parts(UNCLAMPED)
    discriminator.plain.update(plain)
    with pytest.raises(CheckpointError, match=words):
        read_discriminator(discriminator, generator_spec(generator))


def state_file(path: Path, change: Callable[[dict[str, dict[str, Tensor]]], object]) -> Path:
    write_checkpoint(path, Checkpoint(*networks(SPEC)), "nvlabs-state")
    found = torch.load(path, weights_only=True)
    change(found)
    torch.save(found, path)
    return path


def set_to(key: str, name: str, value: Tensor | None) -> Callable[[dict[str, dict[str, Tensor]]], None]:
    def change(found: dict[str, dict[str, Tensor]]) -> None:
        if value is None:
            del found[key][name]
        else:
            found[key][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_to("G_ema", "synthesis.L0_36_1024.weight", torch.zeros(1)), "alias-free StyleGAN3.*--cfg=stylegan2"),
        (set_to("G_ema", "synthesis.b8.conv0.weight", None), r"lacks synthesis\.b8\.conv0\.weight"),
        (set_to("G_ema", "synthesis.b8.skip.weight", torch.zeros(1)), "another architecture"),
        (set_to("G_ema", "synthesis.b8.conv0.bias", torch.zeros(3)), "shape 3, and 16 is what would fit"),
        (set_to("G_ema", "synthesis.b8.resample_filter", torch.ones(4, 4)), "another filter"),
        (set_to("G_ema", "synthesis.b4.conv1.affine.weight", torch.zeros(())), "no StyleGAN2 can be made"),
        (set_to("D", "b32.skip.weight", None), "discriminator cannot be taken.*--no-discriminator"),
        (lambda found: found.pop("G_ema"), "known are NVIDIA's"),
    ],
)
def test_files_of_other_networks_are_refused_with_words(
    change: Callable[[dict[str, dict[str, Tensor]]], object], words: str, tmp_path: Path
) -> None:
    path = state_file(tmp_path / "x.pt", change)
    with pytest.raises(CheckpointError, match=rf"x\.pt: .*{words}"):
        open_checkpoint(path)


def test_without_its_discriminator_a_generator_can_be_had(tmp_path: Path) -> None:
    path = state_file(tmp_path / "x.pt", set_to("D", "b32.skip.weight", None))
    opened: Opened = open_checkpoint(path, discriminator=False)
    assert opened.checkpoint.discriminator is None
    assert opened.checkpoint.generator.spec == SPEC


def test_other_files_of_torch_are_refused(tmp_path: Path) -> None:
    for number, found in enumerate(({"weight": torch.zeros(2)}, [1, 2], "words", {"G_ema": 3})):
        path = tmp_path / f"{number}.pt"
        torch.save(found, path)
        with pytest.raises(CheckpointError, match=r"known are NVIDIA's|no file of StyleGAN2"):
            open_checkpoint(path)


def test_the_card_names_the_bytes_that_were_read(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "g.pt", Checkpoint(*networks(SPEC)), "nvlabs-state")
    assert open_checkpoint(tmp_path / "g.pt").checkpoint.card["source"] == {
        "file": "g.pt",
        "sha256": hashlib.sha256((tmp_path / "g.pt").read_bytes()).hexdigest(),
        "layout": "nvlabs-state",
        "network": "g_ema",
    }


@pytest.mark.parametrize("number", [0, -1.0, float("nan"), float("inf"), 10**400])
def test_numbers_of_which_no_network_can_be_made_are_refused(number: float, tmp_path: Path) -> None:
    def change(found: dict[str, dict[str, object]]) -> None:
        found["init_kwargs"]["G_ema"]["mapping_kwargs"]["lr_multiplier"] = number  # type: ignore[index]

    with pytest.raises(
        CheckpointError, match=r"x\.pt: .*(positive numbers|beyond all measure|malformed|no checkpoint needs)"
    ):
        open_checkpoint(state_file(tmp_path / "x.pt", change))
