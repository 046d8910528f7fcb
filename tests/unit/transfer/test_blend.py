"""Blending two generators: which layers come from whom, and what stays."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from transfer.blend import interpolated, swapped
from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.cli import main
from transfer.errors import ConfigError
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

TINY = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8))


def generator(seed: int, spec: GeneratorSpec = TINY) -> Generator:
    torch.manual_seed(seed)
    made = Generator(spec)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made.eval()


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_coarse_layers_are_the_source_s_and_fine_ones_the_tuned_one_s() -> None:
    tuned, source = generator(0), generator(1)
    made = swapped(tuned, source, 16)
    assert same(made.mapping, source.mapping)
    assert torch.equal(made.synthesis.const, source.synthesis.const)
    blocks = zip(made.synthesis.blocks, tuned.synthesis.blocks, source.synthesis.blocks, strict=True)
    assert [(same(block, fine), same(block, coarse)) for block, fine, coarse in blocks] == [
        (False, True),
        (False, True),
        (True, False),
        (True, False),
    ]


def test_coarse_pictures_are_the_source_s() -> None:
    """With the fine layers' output silenced, the swapped generator draws what the source draws."""
    tuned, source = generator(0), generator(1)
    for network in (tuned, source):
        for block in list(network.synthesis.blocks)[2:]:
            torch.nn.init.zeros_(block.to_rgb.weight)  # type: ignore[union-attr, arg-type]
            torch.nn.init.zeros_(block.to_rgb.bias)  # type: ignore[union-attr, arg-type]
    z = torch.randn(2, 8)
    with torch.no_grad():
        torch.testing.assert_close(swapped(tuned, source, 16)(z), source(z), rtol=0, atol=0)
        assert not torch.allclose(swapped(tuned, source, 8)(z), source(z))


def test_all_or_none() -> None:
    tuned, source = generator(0), generator(1)
    assert same(swapped(tuned, source, 4).synthesis, tuned.synthesis)
    assert same(interpolated(source, tuned, {}), source)


def test_shares_are_of_weights_by_resolution() -> None:
    a, b = generator(0), generator(1)
    made = interpolated(a, b, {8: 0.25})
    mine, from_a, from_b = (x.synthesis.blocks[1].conv.weight for x in (made, a, b))  # type: ignore[union-attr]
    torch.testing.assert_close(mine, 0.75 * from_a + 0.25 * from_b)  # type: ignore[operator]
    assert same(made.synthesis.blocks[0], a.synthesis.blocks[0])


def test_the_originals_stay_as_they_are() -> None:
    tuned, source = generator(0), generator(1)
    swapped(tuned, source, 8)
    assert same(tuned, generator(0))
    assert same(source, generator(1))


def test_generators_that_do_not_fit_are_refused() -> None:
    other = generator(0, GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 4)))
    with pytest.raises(ConfigError, match="one ancestor"):
        swapped(generator(0), other, 8)
    with pytest.raises(ConfigError, match=r"no layers of 12².*4², 8², 16², 32²"):
        swapped(generator(0), generator(1), 12)
    with pytest.raises(ConfigError, match="no layers of 64²"):
        interpolated(generator(0), generator(1), {64: 0.5})


def test_the_command_writes_the_blend(tmp_path: Path) -> None:
    for name, seed in (("tuned", 0), ("source", 1)):
        save_checkpoint(tmp_path / f"{name}.safetensors", Checkpoint(generator(seed), None, {"license": "CC0"}))
    words = ["blend", str(tmp_path / "tuned.safetensors"), str(tmp_path / "source.safetensors")]

    def blended(*more: str) -> Checkpoint:
        out = tmp_path / "out.safetensors"
        result = CliRunner().invoke(main, [*words, *more, "--out", str(out)])
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == str(out)
        return load_checkpoint(out)

    assert same(blended().generator, swapped(generator(0), generator(1), 16))
    half = blended("--swap-from", "8", "--share", "0.5")
    assert half.card["license"] == "CC0"
    assert half.card["swapped_from"] == 8
    expected = interpolated(generator(1), generator(0), dict.fromkeys((8, 16, 32), 0.5))
    for got, wanted in zip(half.generator.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(got, wanted)
    result = CliRunner().invoke(main, [*words, "--share", "2", "--out", str(tmp_path / "no.safetensors")])
    assert result.exit_code == 2
    assert "0 to 1" in result.stderr
