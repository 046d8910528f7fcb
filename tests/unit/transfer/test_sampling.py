"""Pictures by seed, latent and style: which they are, in what form, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from drfhq_tools.errors import UsageError
from transfer import device, sampling
from transfer.checkpoints import Checkpoint, save_checkpoint, write_checkpoint
from transfer.cli import main
from transfer.cli.generate import seeds_of
from transfer.data import to_pixels
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

Networks = tuple[Generator, Discriminator]


@pytest.fixture
def generator(tiny_networks: Networks) -> Generator:
    """With noise that shows and a centre that is not zero."""
    generator = tiny_networks[0].eval()
    with torch.no_grad():
        generator.mapping.w_avg.copy_(torch.linspace(-1, 1, 8))
        for conv in generator.synthesis.styled_convs():
            conv.noise_strength.fill_(0.1)
    return generator


@pytest.fixture
def checkpoint(generator: Generator, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "g.safetensors", Checkpoint(generator))
    return tmp_path / "g.safetensors"


@pytest.fixture
def conditional(tiny_networks: Networks, tmp_path: Path) -> tuple[Path, Generator]:
    torch.manual_seed(1)
    spec = GeneratorSpec.from_dict(tiny_networks[0].spec.to_dict() | {"c_dim": 3, "w_dim": 12})
    generator = Generator(spec).eval()
    save_checkpoint(tmp_path / "c.safetensors", Checkpoint(generator))
    return tmp_path / "c.safetensors", generator


def generate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, arguments), "--device", "cpu"])


def made(out: Path, *arguments: object) -> np.ndarray:
    result = generate(*arguments, "--out", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}\n"
    return np.load(out)


def saved(path: Path, values: torch.Tensor) -> Path:
    np.save(path, values.detach().numpy())
    return path


@torch.no_grad()
def test_a_seed_is_the_latent_that_nvidias_scripts_draw(generator: Generator, checkpoint: Path, tmp_path: Path) -> None:
    images = made(tmp_path / "i.npy", checkpoint, "--seeds", "3,7-8", "--truncation", "0.7")
    z = torch.cat([torch.from_numpy(np.random.RandomState(seed).randn(1, 8)) for seed in (3, 7, 8)]).float()
    assert images.dtype == np.float32
    assert images.shape == (3, 3, 32, 32)
    np.testing.assert_allclose(images, generator(z, 0.7).numpy(), atol=1e-5)


@torch.no_grad()
def test_latents_and_styles_from_files_give_the_same_pictures(
    generator: Generator, checkpoint: Path, tmp_path: Path
) -> None:
    z = torch.randn(5, 8)
    of_z = made(tmp_path / "1.npy", checkpoint, "--z", saved(tmp_path / "z.npy", z), "--noise", "none")
    np.testing.assert_allclose(of_z, generator(z, noise="none").numpy(), atol=1e-5)
    ws = generator.ws(z)
    for name, values in (("ws", ws), ("w", ws[:, 0]), ("one", ws[0])):
        file = saved(tmp_path / f"{name}.npy", values)
        of_ws = made(tmp_path / "2.npy", checkpoint, "--ws", file, "--noise", "none")
        np.testing.assert_allclose(of_ws, of_z[: len(of_ws)], atol=1e-6, err_msg=name)
        assert len(of_ws) == (1 if name == "one" else 5)


def test_random_noise_follows_from_the_seed_alone(checkpoint: Path, tmp_path: Path) -> None:
    kinds = ("random", "const", "none")
    few, const, none = (made(tmp_path / "a.npy", checkpoint, "--seeds", "4-6", "--noise", kind) for kind in kinds)
    other = made(tmp_path / "b.npy", checkpoint, "--seeds", "9,6,4", "--noise", "random")
    np.testing.assert_allclose(other[1:], few[[2, 0]], atol=1e-5)
    for one, two in ((few, const), (const, none), (few, none)):
        assert np.abs(one - two).max() > 1e-3


def test_batches_change_nothing(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(tmp_path / "a.npy", checkpoint, "--seeds", "0-6")
    monkeypatch.setattr(device, "PIXELS_AT_ONCE", 2 * 32**2)
    np.testing.assert_allclose(made(tmp_path / "b.npy", checkpoint, "--seeds", "0-6"), whole, atol=1e-5)


def test_a_sheet_and_a_folder_show_the_pictures_of_the_array(checkpoint: Path, tmp_path: Path) -> None:
    images = to_pixels(torch.from_numpy(made(tmp_path / "i.npy", checkpoint, "--seeds", "0-4")))
    assert generate(checkpoint, "--seeds", "0-4", "--out", tmp_path / "some").exit_code == 0
    assert generate(checkpoint, "--seeds", "0-4", "--out", tmp_path / "sheet.png").exit_code == 0
    files = sorted((tmp_path / "some").iterdir())
    assert [file.name for file in files] == [f"seed000{i}.png" for i in range(5)]
    for file, pixels in zip(files, images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(file)), pixels)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 34 + 2, 3 * 34 + 2, 3)
    np.testing.assert_array_equal(sheet[36:68, 36:68], images[4])


@torch.no_grad()
def test_a_class_decides_the_picture(conditional: tuple[Path, Generator], tmp_path: Path) -> None:
    path, generator = conditional
    z, classes = torch.randn(3, 8), torch.eye(3)
    arguments = (path, "--z", saved(tmp_path / "z.npy", z), "--class")
    each = made(tmp_path / "i.npy", *arguments, saved(tmp_path / "c.npy", classes))
    np.testing.assert_allclose(each, generator(z, c=classes).numpy(), atol=1e-5)
    one = made(tmp_path / "j.npy", *arguments, saved(tmp_path / "c1.npy", classes[1]))
    np.testing.assert_allclose(one[1], each[1], atol=1e-5)
    assert np.abs(one[0] - each[0]).max() > 1e-3


def test_checkpoints_of_other_tools_are_taken_as_they_are(
    generator: Generator, checkpoint: Path, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path / "g.pt", Checkpoint(generator), "rosinality")
    np.testing.assert_array_equal(
        made(tmp_path / "a.npy", tmp_path / "g.pt", "--seeds", "1"),
        made(tmp_path / "b.npy", checkpoint, "--seeds", "1"),
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give one of"),
        (["--seeds", "1", "--z", "z.npy"], "give one of"),
        (["--seeds", "one"], "no list of whole numbers"),
        (["--seeds", "5-3"], "names no seeds"),
        (["--seeds", "0-99999999"], "more than 1000000"),
        (["--seeds", "4294967296"], "from 0 to 4294967295"),
        (["--ws", "w.npy", "--truncation", "0.5"], "--ws gives styles"),
        (["--z", "absent.npy"], "is no .npy"),
        (["--z", "pickled.npy"], "is no .npy"),
        (["--z", "lying.npy"], "is no .npy"),
        (["--z", "wide.npy"], r"(2, 9); this generator takes (N, 8)"),
        (["--ws", "wide.npy"], r"takes (N, 8, 8)"),
        (["--seeds", "1", "--class", "wide.npy"], "takes no classes"),
        (["--seeds", "1", "--device", "abacus"], "no device named"),
    ],
)
def test_what_cannot_be_is_refused_with_advice(
    options: list[str], words: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((2, 9), np.float32))
    np.save("pickled.npy", np.array([{}], dtype=object))
    lying = (tmp_path / "wide.npy").read_bytes().replace(b"(2, 9), }      ", b"(999999999, 9),}")
    (tmp_path / "lying.npy").write_bytes(lying)
    result = CliRunner().invoke(main, ["generate", str(checkpoint), "--out", "out.npy", *options])
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "out.npy").exists()


def test_a_conditional_generator_asks_for_its_class(conditional: tuple[Path, Generator], tmp_path: Path) -> None:
    path, _ = conditional
    result = generate(path, "--seeds", "0", "--out", tmp_path / "i.npy")
    assert result.exit_code == 2
    assert "--class FILE.npy of shape (N, 3)" in result.stderr
    np.save(tmp_path / "c.npy", np.zeros((2, 3)))
    result = generate(path, "--seeds", "0", "--class", tmp_path / "c.npy", "--out", tmp_path / "i.npy")
    assert "(1, 3)" in result.stderr


def test_out_tells_its_kind(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--out is a .png" in generate(checkpoint, "--seeds", "0", "--out", tmp_path / "i.jpg").stderr
    monkeypatch.setattr(sampling, "MAX_SHEET_PIXELS", 3 * 32**2)
    result = generate(checkpoint, "--seeds", "0-3", "--out", tmp_path / "i.png")
    assert "too many for one sheet" in result.stderr


def test_seeds_are_read_in_their_order() -> None:
    assert seeds_of("3, 1-2 ,0") == [3, 1, 2, 0]
    with pytest.raises(UsageError):
        seeds_of("1,,2")
