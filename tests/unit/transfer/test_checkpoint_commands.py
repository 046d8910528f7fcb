"""``transfer convert``, ``info`` and ``fetch`` as a user meets them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch
from click.testing import CliRunner, Result
from loopback import folder_served

from drfhq_tools.models import Content, Download, ModelEntry, Registry
from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.checkpoints.about import weights_sha256
from transfer.checkpoints.public import PUBLIC
from transfer.cli import main
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec

ROOT = Path(__file__).parents[3]
Networks = tuple[Generator, Discriminator]
WEIGHTS = bytes(range(256)) * 100


def transfer(*arguments: object, registry: Registry | None = None) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), obj=registry)


@pytest.fixture
def ours(tiny_networks: Networks, tmp_path: Path) -> Path:
    path = tmp_path / "ours.safetensors"
    save_checkpoint(path, Checkpoint(*tiny_networks, {"data_digest": "d1", "images": 5}))
    return path


def facts(path: Path) -> dict[str, object]:
    result = transfer("info", path, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_there_and_back_by_the_command_line(ours: Path, tmp_path: Path) -> None:
    before = facts(ours)
    for layout in ("rosinality", "nvlabs-state"):
        there, back = tmp_path / f"{layout}.pt", tmp_path / f"{layout}.safetensors"
        result = transfer("convert", ours, there, "--to", layout, "--license", "CC0-1.0", "--origin", "a test")
        assert (result.exit_code, result.stdout) == (0, f"{there}\n")
        assert transfer("convert", there, back).exit_code == 0
        after = facts(back)
        assert after["layout"] == "safetensors"
        same = ("spec", "parameters", "weights_sha256", "data_digest", "num_ws")
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
        assert (after["license"], after["origin"]) == ("CC0-1.0", "a test")
        assert after["source"] == {
            "file": there.name,
            "layout": layout,
            "network": "g_ema",
            "sha256": hashlib.sha256(there.read_bytes()).hexdigest(),
        }


def test_the_discriminator_may_stay_behind(ours: Path, tmp_path: Path) -> None:
    result = transfer("convert", ours, tmp_path / "g.safetensors", "--no-discriminator")
    assert "without a discriminator" in result.stderr
    assert "licence is not known" in result.stderr
    assert load_checkpoint(tmp_path / "g.safetensors").discriminator is None


def test_info_says_what_a_checkpoint_is(ours: Path, tiny_networks: Networks) -> None:
    generator, discriminator = tiny_networks
    found = facts(ours)
    assert found["spec"] == generator.spec.to_dict()
    assert found["parameters"] == {
        "generator": sum(p.numel() for p in generator.parameters()),
        "discriminator": sum(p.numel() for p in discriminator.parameters()),
    }
    assert (found["data_digest"], found["images_shown"], found["layout"]) == ("d1", 5, "safetensors")
    assert found["file_sha256"] == hashlib.sha256(ours.read_bytes()).hexdigest()
    assert "not commercial" in str(found["license"])
    shown = transfer("info", ours).stdout
    assert re.search(r"^spec +resolution 32$", shown, re.MULTILINE)
    assert re.search(r"^origin +—$", shown, re.MULTILINE)


def test_the_shipped_generator_says_whose_it_is() -> None:
    found = facts(ROOT / "demo" / "generator" / "photo64.safetensors")
    assert found["license"] == "CC0-1.0"
    assert "Stable Diffusion 3" in str(found["origin"])


def test_the_digest_of_weights_tells_them_apart(tiny_networks: Networks) -> None:
    generator, _ = tiny_networks
    before = weights_sha256(generator)
    assert before == weights_sha256(generator.double().float())
    with torch.no_grad():
        generator.synthesis.const[0, 0, 0] += 1
    assert weights_sha256(generator) != before


def test_what_is_no_checkpoint_fails_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"hello")
    for arguments in (
        ("info", "x.pkl"),
        ("convert", "x.pkl", "y.safetensors"),
        ("generate", "x.pkl", "--seeds", 1, "--out", "o"),
    ):
        command, name, *rest = arguments
        result = transfer(command, tmp_path / name, *rest)
        assert result.exit_code == 1
        assert "x.pkl: neither a pickle" in result.stderr


def test_fine_tuning_refuses_a_conditional_source(tmp_path: Path) -> None:
    spec = GeneratorSpec(resolution=32, z_dim=8, w_dim=8, mapping_layers=2, channels=(8, 8, 8, 8), c_dim=2)
    save_checkpoint(tmp_path / "c.safetensors", Checkpoint(Generator(spec)))
    data = ROOT / "manifests" / "examples" / "tiny"
    result = transfer(
        "finetune", "--data", data, "--init", tmp_path / "c.safetensors", "--out", tmp_path / "run", "--kimg", 1
    )
    assert result.exit_code == 2
    assert "conditional (2 classes)" in result.stderr
    assert not (tmp_path / "run").exists()


# the list of public checkpoints


@pytest.mark.parametrize("entry", PUBLIC.values(), ids=lambda entry: entry.name)
def test_an_entry_is_complete_and_ships_nothing(entry: ModelEntry) -> None:
    assert PUBLIC[entry.name] is entry
    assert entry.purpose
    assert entry.license
    assert "https://" in entry.caution
    if isinstance(entry.origin, Download):
        assert urlsplit(entry.origin.url).scheme == "https"
        assert entry.content, "what is fetched is known to the byte"
    if entry.content:
        assert re.fullmatch("[0-9a-f]{64}", entry.content.sha256)
    assert not list(ROOT.glob(f"*/**/{entry.file_name}"))


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A file on a server, and one the user has to fetch."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "public.pkl").write_bytes(WEIGHTS)
    content = Content(hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS))
    with folder_served(folder, monkeypatch) as url:
        origins = {"public": Download(f"{url}/public.pkl"), "by-hand": None}
        yield {
            name: ModelEntry(
                name=name,
                purpose="to test",
                license="Nobody's Licence",
                file_name=f"{name}.pkl",
                content=content if origin else None,
                origin=origin,
                caution="Read its terms.",
            )
            for name, origin in origins.items()
        }


def test_nothing_is_fetched_before_its_terms_are_accepted(registry: Registry, tmp_path: Path) -> None:
    models = tmp_path / "models"
    refused = transfer("fetch", "public", "--models-dir", models, registry=registry)
    assert refused.exit_code == 2
    assert "Nobody's Licence. Read its terms. If you accept that, add --accept-license" in refused.stderr
    assert not models.exists()
    fetched = transfer("fetch", "public", "--accept-license", "--models-dir", models, registry=registry)
    assert (fetched.exit_code, fetched.stdout) == (0, f"{models / 'public.pkl'}\n")
    assert (models / "public.pkl").read_bytes() == WEIGHTS
    assert hashlib.sha256(WEIGHTS).hexdigest() in fetched.stderr
    assert f"transfer convert {models / 'public.pkl'} public.safetensors" in fetched.stderr


def test_what_has_no_address_is_taken_from_the_folder_and_its_hash_told(registry: Registry, tmp_path: Path) -> None:
    arguments = ("fetch", "by-hand", "--accept-license", "--models-dir", tmp_path)
    missing = transfer(*arguments, registry=registry)
    assert missing.exit_code == 1
    assert f"{tmp_path / 'by-hand.pkl'}; they have no address: put the file there. Read its terms." in missing.stderr
    (tmp_path / "by-hand.pkl").write_bytes(b"mine")
    found = transfer(*arguments, registry=registry)
    assert found.stdout == f"{tmp_path / 'by-hand.pkl'}\n"
    assert hashlib.sha256(b"mine").hexdigest() in found.stderr


def test_the_list_and_names_that_are_not_on_it(registry: Registry) -> None:
    listed = transfer("fetch", registry=registry)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["public", "by-hand"]
    assert transfer("fetch").stdout.count("\n") == len(PUBLIC)
    assert transfer("fetch", "nothing", "--accept-license", registry=registry).exit_code == 2


def test_the_document_lists_the_public_checkpoints() -> None:
    text = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    rows = {
        cells[1]: cells for line in text.splitlines() if len(cells := [cell.strip() for cell in line.split("|")]) == 6
    }
    for name, entry in PUBLIC.items():
        known = "no" if entry.content is None else "yes; fetched" if entry.origin else "yes"
        assert rows[name][3:5] == [entry.file_name, known]
