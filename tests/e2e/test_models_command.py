"""``drfhq models`` as a user meets it, from an empty folder to checked weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from loopback import folder_served

from drfhq_tools.cli import main
from drfhq_tools.models import REGISTRY, Content, Download, ModelEntry, Registry

WEIGHTS = bytes(range(256)) * 100


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Two files on a server, one of them not what it should be, and one the user has to supply."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "good.dat").write_bytes(WEIGHTS)
    (folder / "bad.dat").write_bytes(WEIGHTS[::-1])
    content = Content(hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS))
    with folder_served(folder, monkeypatch) as url:
        yield {
            name: ModelEntry(
                name=name,
                purpose="to test",
                license="CC0-1.0",
                file_name=f"{name}.dat",
                content=content if origin else None,
                origin=origin,
                caution=f"mind the {name}",
            )
            for name, origin in {
                "good": Download(f"{url}/good.dat"),
                "bad": Download(f"{url}/bad.dat"),
                "own": None,
            }.items()
        }


def drfhq(registry: Registry | None, *arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["models", *map(str, arguments)], obj=registry)


def test_from_nothing_to_checked_weights(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    fetched = drfhq(registry, "fetch", "good", "--models-dir", folder)
    assert (fetched.exit_code, fetched.stdout) == (0, f"{folder / 'good.dat'}\n")
    assert "CC0-1.0. mind the good" in fetched.stderr
    assert (folder / "good.dat").read_bytes() == WEIGHTS

    verified = drfhq(registry, "verify", "--models-dir", folder)
    assert (verified.exit_code, verified.stdout) == (0, "good: present\nbad: missing\nown: missing\n")

    (folder / "good.dat").write_bytes(b"rot")
    rotten = drfhq(registry, "verify", "good", "own", "--models-dir", folder)
    assert (rotten.exit_code, rotten.stdout) == (1, "good: damaged\nown: missing\n")

    assert drfhq(registry, "fetch", "good", "--models-dir", folder).exit_code == 0
    assert (folder / "good.dat").read_bytes() == WEIGHTS


def test_one_bad_file_does_not_keep_the_others_away(registry: Registry, tmp_path: Path) -> None:
    result = drfhq(registry, "fetch", "--all", "--models-dir", tmp_path)
    assert result.exit_code == 3
    assert result.stdout == f"{tmp_path / 'good.dat'}\n"
    assert "not the file meant" in result.stderr
    assert not (tmp_path / "bad.dat").exists()
    assert drfhq(registry, "fetch", "bad", "--models-dir", tmp_path).exit_code == 1


def test_a_named_file_that_is_missing_has_its_own_exit_code(registry: Registry, tmp_path: Path) -> None:
    assert drfhq(registry, "verify", "own", "--models-dir", tmp_path).exit_code == 3


@pytest.mark.parametrize("arguments", [["fetch"], ["fetch", "good", "--all"], ["fetch", "gud"], ["verify", "gud"]])
def test_wrong_usage(registry: Registry, tmp_path: Path, arguments: list[str]) -> None:
    assert drfhq(registry, *arguments, "--models-dir", tmp_path).exit_code == 2


def test_list_shows_licence_cautions_and_status(tmp_path: Path) -> None:
    result = drfhq(None, "list", "--models-dir", tmp_path)
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert "missing" in lines["yunet"]
    assert "research only" in lines["dlib-landmarks-68"]
    assert "in package" in lines["dlib-landmarks-68"]
    assert "excludes commercial use" in lines["dlib-landmarks-68:"]
    assert str(tmp_path) in result.stderr


def test_list_for_programs(tmp_path: Path) -> None:
    (tmp_path / REGISTRY["yunet"].file_name).write_bytes(b"rot")
    rows = json.loads(drfhq(None, "list", "--json", "--models-dir", tmp_path).stdout)
    assert [row["name"] for row in rows] == list(REGISTRY)
    found = {row["name"]: row for row in rows}
    assert found["yunet"]["status"] == "damaged"
    assert found["fairface"]["sha256"] is None
    assert found["dlib-cnn"]["package"] == "face_recognition_models"


def test_offline_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRFHQ_OFFLINE", "1")
    result = drfhq(None, "fetch", "yunet", "--models-dir", tmp_path)
    assert result.exit_code == 1
    assert "DRFHQ_OFFLINE" in result.stderr
    assert result.stdout == ""
