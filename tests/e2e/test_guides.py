"""The guides, followed word for word on a few shipped renders: every fenced command of each, in order, in one folder.

Only what the guides leave to the reader is other than there: the sizes they name in their first block, tiny here, and
what makes training and inversion short (a file of settings would be too long to read).
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from drfhq_tools.cli import main as drfhq
from transfer.checkpoints import Checkpoint, save_checkpoint
from transfer.cli import main as transfer
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

ROOT = Path(__file__).parents[2]
DOCS, DEMO = ROOT / "docs", ROOT / "demo"
TINY = GeneratorSpec(resolution=32, z_dim=16, w_dim=16, mapping_layers=2, channels=(16, 16, 16, 16))
GIVEN = {"SIZE": "64", "KIMG": "0.008", "INIT": "tiny.safetensors"}
SHORTER = {
    "drfhq build": ["--workers", "1"],
    "transfer finetune": ["--batch", "4", "--snapshot-kimg", "0.008", "--device", "cpu"],
    "transfer train-encoder": ["--batch", "4", "--free-kimg", "0.004", "--snapshot-kimg", "0.004", "--device", "cpu"],
    "transfer apply": ["--steps", "4", "--device", "cpu"],
    "transfer evaluate": ["--steps", "4", "--device", "cpu", "--split", "all"],
}
PROGRAMS = {"drfhq": drfhq, "transfer": transfer}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader of any guide has: renders, scenes, photos, a generator."""
    root = tmp_path_factory.mktemp("guides")
    for name, source, count in (("renders", "renders", 6), ("scenes", "portraits", 1), ("photos", "portraits", 3)):
        (root / name).mkdir()
        for picture in sorted((DEMO / source).glob("*.jpg"))[:count]:
            shutil.copy(picture, root / name)
    shutil.copy(DEMO / "renders" / "labels.csv", root / "renders")
    next((root / "scenes").iterdir()).rename(root / "scenes" / "product.jpg")
    torch.manual_seed(0)
    save_checkpoint(root / GIVEN["INIT"], Checkpoint(Generator(TINY), Discriminator(TINY)))
    return root


@pytest.fixture
def here(studio: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the studio; what one guide made is there for the next, as for a reader of both."""
    monkeypatch.chdir(studio)
    return studio


def commands(guide: str) -> list[list[str]]:
    """The words of each fenced command, names replaced by their values here."""
    text = (DOCS / guide).read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)).replace("\\\n", " ").splitlines()
    calls = [line for line in lines if line.strip() and not re.match(r"[A-Z]+=", line)]
    named = [re.sub(r"\$([A-Z]+)", lambda found: GIVEN[found.group(1)], line) for line in calls]
    return [shlex.split(line) for line in named]


def follow(guide: str) -> str:
    """Run all commands of a guide; what they printed."""
    said = []
    for words in commands(guide):
        program, arguments = words[0], [*words[1:], *SHORTER.get(" ".join(words[:2]), [])]
        result = CliRunner().invoke(PROGRAMS[program], arguments)
        assert result.exit_code == 0, f"{guide}: {shlex.join(words)}\n{result.output}"
        said.append(result.output)
    return "\n".join(said)


def test_the_artists(here: Path) -> None:
    follow("guide-artist.md")
    assert (here / "data" / "report.html").is_file()
    assert list((here / "runs" / "mine" / "snapshots").glob("*.png"))
    for name in ("out/product.png", "out/product.compare.png", "out/product.json", "softer/product.png"):
        assert (here / name).is_file(), name


def test_the_researchers(here: Path) -> None:
    said = follow("guide-researcher.md")
    assert '"faces": 6' in said
    assert (here / "evaluation" / "evaluation.html").is_file()
    assert (here / "release" / "train").is_dir()


def test_the_stewards(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On faces, two of them by the artist who asks to be out; the Hub is one on the loopback."""
    pytest.importorskip("huggingface_hub", reason="pip install '.[hub]'")
    from hub_server import TOKEN, serving
    from huggingface_hub import constants

    shutil.copytree(here / "renders", tmp_path / "renders")
    labels = (tmp_path / "renders" / "labels.csv").read_text(encoding="utf-8").splitlines()
    ann = [labels[0], *(re.sub('"Tiffany Do[^"]*"', "Ann Artist", line) for line in labels[1:3]), *labels[3:]]
    (tmp_path / "renders" / "labels.csv").write_text("\n".join(ann) + "\n", encoding="utf-8")
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    built = CliRunner().invoke(drfhq, ["build", "--raw", "renders", "--out", "data", "--size", "64", "--workers", "1"])
    assert built.exit_code == 0, built.output
    with serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        said = follow("guide-steward.md")
        assert hub.repos == {}, "a dry run makes no repository"
    assert "nothing found" in said.lower() or "0" in said
    assert (tmp_path / "data" / "tombstones.parquet").is_file()
    assert "Ann Artist" not in (tmp_path / "data" / "README.md").read_text(encoding="utf-8")
