"""Files that mean harm: refused with words, nothing of them run, in bounded time and memory."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import evil_files
import pytest
import torch

from transfer.checkpoints import Checkpoint, open_checkpoint, write_checkpoint
from transfer.checkpoints.pickles import MAX_STEPS
from transfer.errors import CheckpointError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator

MORE_BYTES = 1 << 30
"""Of address space a file may take beyond what the program holds anyway; the largest file here has 4 MB."""
SECONDS = 10

READ_ALL = """
import json, sys, time
from pathlib import Path
folder, more = Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, str(folder.parent))  # where the planted module lies
from transfer.checkpoints import open_checkpoint
from transfer.errors import CheckpointError
import torch
torch.set_num_threads(1)
try:
    import resource
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + more, resource.RLIM_INFINITY))
except (ImportError, OSError):
    pass  # no limits to set on this system: the clock and the marker still tell
said = {}
for path in sorted(folder.iterdir()):
    began = time.process_time()
    try:
        open_checkpoint(path)
        said[path.name] = ["taken", 0.0]
    except CheckpointError as error:
        said[path.name] = [str(error), time.process_time() - began]
print(json.dumps(said))
"""


def test_evil_files_are_refused_and_nothing_of_them_runs(tmp_path: Path) -> None:
    marker, folder = tmp_path / "marker", tmp_path / "files"
    folder.mkdir()
    for name, data in evil_files.everything(tmp_path, marker):
        (folder / name).write_bytes(data)
    result = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(folder), str(MORE_BYTES)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert len(said) == len(list(folder.iterdir())) > 60
    assert not marker.exists()
    assert {name: words for name, (words, _) in said.items() if str(folder / name) not in words} == {}
    assert {name: seconds for name, (_, seconds) in said.items() if seconds > SECONDS} == {}
    assert all(len(words) < 1000 for words, _ in said.values())
    for name, words in (
        ("os.system-2", "'posix.system'" if sys.platform != "win32" else "'nt.system'"),
        ("eval-4", "'builtins.eval'"),
        ("planted-class", "'planted.Here'"),
        ("in-a-storage", "'os.system'"),
        ("same-bytes-often", f"more than {MAX_STEPS} instructions"),
        ("flood-of-dicts", f"more than {MAX_STEPS} instructions"),
        ("announced-shape", "announces 1000000000000 elements"),
        ("bomb", "compressed entries"),
        ("modules-within-themselves", "more than 10000 modules"),
        ("ours-layers", "at most 64 layers"),
    ):
        assert words in said[name][0], name


def test_the_same_files_would_run_where_they_are_trusted(tmp_path: Path) -> None:
    """That the marker tells: Python's own unpickler runs what ours refuses."""
    import pickle

    marker = tmp_path / "marker"
    files = dict(evil_files.code_runners(tmp_path, marker))
    pickle.loads(files["eval-4"])
    assert marker.exists()


@pytest.mark.parametrize("layout", ["rosinality", "nvlabs-state", "stream"])
def test_a_damaged_file_is_refused_or_read_and_nothing_else(
    layout: str, tiny_networks: tuple[Generator, Discriminator], tmp_path: Path
) -> None:
    path = tmp_path / "g.pt"
    write_checkpoint(path, Checkpoint(*tiny_networks), "rosinality" if layout == "rosinality" else "nvlabs-state")
    if layout == "stream":
        torch.save(torch.load(path, weights_only=True), path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    chance = random.Random(0)
    outcomes = set()
    for _ in range(60):
        data = bytearray(whole)
        head = 4000 if layout == "stream" else len(data)  # the pickle is at the head of a stream
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(head)] = chance.randrange(256)
        path.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data)
        try:
            open_checkpoint(path)
            outcomes.add("read")
        except CheckpointError:
            outcomes.add("refused")
    assert "refused" in outcomes


def test_weights_that_do_not_match_their_checksum_are_refused(
    tiny_networks: tuple[Generator, Discriminator], tmp_path: Path
) -> None:
    path = tmp_path / "g.pt"
    write_checkpoint(path, Checkpoint(*tiny_networks), "nvlabs-state")
    data = bytearray(path.read_bytes())
    const = tiny_networks[0].synthesis.const.detach().numpy().tobytes()
    data[data.index(const) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"damaged zip .*CRC"):
        open_checkpoint(path)


def test_the_tensorflow_era_is_refused_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(evil_files.pickled(evil_files.named("dnnlib.tflib.network", "Network") + b")\x81"))
    with pytest.raises(CheckpointError, match=r"old\.pkl: a file of the TensorFlow era.*legacy\.py --source"):
        open_checkpoint(path)


def test_empty_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pkl").touch()
    with pytest.raises(CheckpointError, match=r"empty\.pkl: neither a pickle"):
        open_checkpoint(tmp_path / "empty.pkl")
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        open_checkpoint(tmp_path / "absent.pkl")
