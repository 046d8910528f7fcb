"""The lock of a folder: one holder at a time, and no trace."""

import subprocess
import sys
from pathlib import Path

import pytest

from drfhq_tools.errors import DrfhqError
from drfhq_tools.lock import LOCK_NAME, locked

TRY = "import sys, pathlib, drfhq_tools.lock\nwith drfhq_tools.lock.locked(pathlib.Path(sys.argv[1])): pass"


def tries(folder: Path) -> bool:
    """Whether another process gets it."""
    return not subprocess.run([sys.executable, "-c", TRY, str(folder)], check=False, capture_output=True).returncode


def test_one_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    with locked(folder):
        assert not tries(folder)
        with pytest.raises(DrfhqError, match="at work in"), locked(folder):
            pass
        assert not tries(folder)  # whoever was refused takes nothing away
    assert tries(folder)
    assert not list(folder.iterdir())


def test_a_file_left_behind_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_bytes(b"")
    with locked(tmp_path):
        assert not tries(tmp_path)


def test_it_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(LookupError), locked(tmp_path):
        raise LookupError
    assert tries(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DrfhqError, match="cannot write to"), locked(tmp_path / "file" / "folder"):
        pass
