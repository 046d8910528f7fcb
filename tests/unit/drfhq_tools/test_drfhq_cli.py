"""The command line's face: its flags, what it loads, how it fails."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from drfhq_tools.cli import main

FLAGS = {
    "build": [
        "--config",
        "--detector",
        "--detector-model",
        "--max-megapixels",
        "--max-pad-fraction",
        "--min-native-ratio",
        "--out",
        "--preset",
        "--raw",
        "--set",
        "--size",
        "--split-seed",
        "--test-fraction",
        "--val-fraction",
        "--workers",
    ],
    "filter": ["--config", "--dry-run", "--preset", "--raw", "--set", "--workers"],
    "stats": ["--json", "--plots"],
}


def test_flags_are_these() -> None:
    """A new flag is a promise: add it here knowingly."""
    found = {
        name: sorted(opt for parameter in command.params for opt in parameter.opts if opt.startswith("--"))
        for name, command in main.commands.items()
    }
    assert {name: found[name] for name in FLAGS} == FLAGS


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["filter", "--help"], ["stats", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from drfhq_tools.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "heavy = {'torch', 'pyarrow', 'pandas', 'dlib', 'cv2', 'scipy', 'matplotlib', 'transfer'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_errors_are_advice(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["stats", str(tmp_path)])
    assert result.exit_code == 1
    assert "run `drfhq build`" in result.stderr
    assert result.stdout == ""


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drfhq_tools.manifest.writer import manifest_bytes

    (tmp_path / "manifest.parquet").write_bytes(manifest_bytes([], size_px=64, landmark_scheme="ibug68"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = CliRunner().invoke(main, ["stats", str(tmp_path), "--plots", str(tmp_path / "plots")])
    assert result.exit_code == 2
    assert "drfhq-tools[plots]" in result.stderr
