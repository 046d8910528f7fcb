"""Where results go, and how sheets are laid out."""

from pathlib import Path

import numpy as np
import pytest

from drfhq_tools.errors import UsageError
from transfer.cli.apply import output_stems
from transfer.sheets import GAP_PX, LABEL_PX, grid


def make(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def test_subfolders_are_mirrored_and_other_files_passed_over(tmp_path: Path) -> None:
    make(tmp_path, "a/face.png", "b/face.JPG", "notes.txt")
    assert [stem.as_posix() for _, stem in output_stems((tmp_path,))] == ["a/face", "b/face"]


def test_equal_stems_keep_their_suffix(tmp_path: Path) -> None:
    make(tmp_path, "face.png", "face.jpg", "other.png")
    assert [stem.as_posix() for _, stem in output_stems((tmp_path,))] == ["face.jpg", "face.png", "other"]


def test_names_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    first, second = make(tmp_path, "a/face.png", "b/face.png")
    with pytest.raises(UsageError, match="one name"):
        output_stems((first, second))


def test_absent_paths_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        output_stems((tmp_path / "absent",))
    with pytest.raises(UsageError, match="holds no picture"):
        output_stems((tmp_path,))


def test_a_sheet_shows_every_picture_at_its_place() -> None:
    red, blue = (np.full((4, 4, 3), colour, dtype=np.uint8) for colour in ([255, 0, 0], [0, 0, 255]))
    sheet = np.asarray(grid([[red, blue], [blue]], ["first", "second"], zoom=2))
    step = 8 + GAP_PX
    assert sheet.shape == (GAP_PX + 2 * (step + LABEL_PX), GAP_PX + 2 * step, 3)
    assert sheet[GAP_PX + LABEL_PX + 4, GAP_PX + 4].tolist() == [255, 0, 0]
    assert sheet[GAP_PX + LABEL_PX + 4, GAP_PX + step + 4].tolist() == [0, 0, 255]
    assert sheet[-GAP_PX - 4, -GAP_PX - 4].tolist() == [24, 24, 24]
