"""`drfhq` in a process of its own that dies, as if its plug were pulled, right before it renames a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import os, sys
from drfhq_tools.cli import main
where = sys.argv.pop(1)
def hook(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(where):
        os._exit(137)
sys.addaudithook(hook)
if __name__ == "__main__":
    main()
"""


def run_killed(where: str, folder: Path, *words: object) -> None:
    """`drfhq WORDS`, killed before the first rename to a path that ends in ``where``; the script lies in ``folder``,
    since spawned workers import it."""
    script = folder / "killed.py"
    script.write_text(_SCRIPT)
    killed = subprocess.run([sys.executable, script, where, *map(str, words)], check=False, capture_output=True)
    assert killed.returncode == 137, killed.stderr
