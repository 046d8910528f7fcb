"""The command line's face: what it loads, how it fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from drfhq_tools.cli import main


@pytest.mark.parametrize(
    "arguments", [["--help"], ["build", "--help"], ["filter", "--help"], ["stats", "--help"], ["--version"]]
)
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


def test_options_override_the_file_which_overrides_the_preset(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    file = tmp_path / "build.toml"
    file.write_text('preset = "strict"\nmax_pitch_deg = 20\nmax_roll_deg = 20\nsize = 512\n')
    options = ["--config", str(file), "--size", "64", "--set", "roll_deg=10", "--set", "sharpness=2"]

    def settings(name: str, *more: str) -> dict[str, object]:
        arguments = ["build", "--raw", str(tmp_path / "raw"), "--out", str(tmp_path / name), "--workers", "1"]
        result = CliRunner().invoke(main, [*arguments, *options, *more])
        assert result.exit_code == 0, result.stderr
        found: dict[str, object] = json.loads((tmp_path / name / "build.json").read_text())["settings"]
        return found

    found = settings("strict")
    chosen = {"max_yaw_deg": 40, "max_pitch_deg": 20, "max_roll_deg": 10, "min_sharpness": 2, "size": 64}
    assert {name: found[name] for name in chosen} == chosen
    other = settings("lenient", "--preset", "lenient")
    assert (other["max_yaw_deg"], other["max_pad_fraction"], other["max_pitch_deg"]) == (180, 1, 20)


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--preset", "stricter"], "'strict', 'lenient'"), (["--set", "yaw=3"], "did you mean yaw_deg?")],
)
def test_rules_refused_with_advice(tmp_path: Path, options: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["build", "--raw", str(tmp_path), "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()
