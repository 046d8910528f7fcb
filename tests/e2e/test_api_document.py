"""docs/api.md, run block by block as a reader would type it; and one model shared by threads."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from run_folders import make_run

import transfer
from transfer import Control, RenderedToReal

ROOT = Path(__file__).parents[2]
PORTRAITS = ROOT / "demo" / "portraits"
PORTRAIT = PORTRAITS / "White_M_1_Util_205.jpg"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("api") / "run")


def test_every_block_of_the_document_runs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: pip install '.[hub]'")
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) == 8
    given = {
        "run": run,
        "picture": PORTRAIT,
        "data": ROOT / "manifests" / "examples" / "tiny",
        "out": tmp_path,
    }
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), given)
    said = capsys.readouterr().out
    assert "no face was found" in said
    assert "4 1 " in said, "faces in all, women to train on"
    assert "{'male': 3, 'female': 1}" in said or "{'male': 1}" in said
    assert {path.name for path in tmp_path.iterdir()} >= {"scene.png", "strength-0.5.png"}


def test_threads_share_a_model_and_get_what_each_gets_alone(run: Path) -> None:
    renderer = RenderedToReal.from_run(str(run), "cpu", steps=4)
    wishes = [
        (PORTRAIT, Control()),
        (PORTRAITS / "Black_F_3_Casual_123.jpg", Control(strength=0.5)),
        (PORTRAITS / "Asian_M_1_Casual_132.jpg", Control(match_light=False)),
    ]
    alone = [renderer.translate(picture, control) for picture, control in wishes]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda wish: renderer.translate(*wish), wishes * 2))
    for number, scene in enumerate(together):
        wanted = alone[number % 3]
        assert [face.quad.to_row() for face in scene.faces] == [face.quad.to_row() for face in wanted.faces]
        off = np.abs(scene.composite.astype(int) - wanted.composite.astype(int))
        assert off.mean() < 0.5, "rounding alone differs"
        assert scene.faces[0].identity_similarity == pytest.approx(wanted.faces[0].identity_similarity, abs=0.02)


def test_what_is_public_is_said_and_loads_no_torch() -> None:
    assert {"RenderedToReal", "Control", "Scene", "Translation", "__version__"} <= set(dir(transfer))
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        transfer.absent  # noqa: B018
    code = "import sys, transfer; print('torch' in sys.modules); transfer.Control; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]
