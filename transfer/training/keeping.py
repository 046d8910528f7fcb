"""The checkpoints of a run on the disk: written so that a crash or a full disk loses none, the last few kept.

A snapshot is the state, then the averaged generator made from it, each under a temporary name first. What was there
before is kept under the number of images it had seen, as a second name of the same file where the disk can do that.
Numbered files past the last few are removed, but not the best one's, which has a name of its own.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from drfhq_tools.atomic import replacing, write_file
from transfer.checkpoints import Checkpoint, save_checkpoint
from transfer.errors import CheckpointError, StorageError
from transfer.run_folder import RunFolder
from transfer.training.state import TrainState


@contextmanager
def storing(folder: RunFolder) -> Iterator[None]:
    """Turn failures to write into advice. Files under their names stay whole.

    Raises:
        StorageError: the disk is full, or the folder not ours to write.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        free = shutil.disk_usage(folder.root).free / 1e6
        raise StorageError(
            f"cannot write to {folder.root} ({error}; {free:.0f} MB are free there). Nothing written before is lost: "
            "make room, or lower `keep`, and the same command goes on from the last snapshot"
        ) from error


def save_snapshot(state: TrainState, folder: RunFolder, keep: int) -> None:
    """Write what to resume from, then what the run is for, and keep the last ``keep`` of both.

    Raises:
        NonFiniteLossError: weights are not finite; nothing is written.
    """
    state.save(folder.state)
    save_generator(state, folder)
    if keep > 1:
        also_named(folder.state, folder.kept_state(state.images))
        also_named(folder.g_ema, folder.kept_g_ema(state.images))
    for images in folder.kept()[: -keep if keep > 1 else None]:
        folder.kept_state(images).unlink(missing_ok=True)
        folder.kept_g_ema(images).unlink(missing_ok=True)


def save_generator(state: TrainState, folder: RunFolder) -> None:
    """Write the averaged generator and the discriminator of ``state``."""
    card = folder.read_about() | {"images": state.images}
    save_checkpoint(folder.g_ema, Checkpoint(state.g_ema, state.discriminator, card))


def note_figure(folder: RunFolder, images: int, distance: float) -> bool:
    """Keep the averaged generator as the best where its kernel distance is the least so far; whether it is."""
    try:
        least = float(json.loads(folder.best_about.read_text(encoding="utf-8"))["kernel_distance"])
    except (OSError, ValueError, KeyError, TypeError):
        least = float("inf")
    if not distance < least:
        return False
    also_named(folder.g_ema, folder.best)
    write_file(folder.best_about, json.dumps({"images": images, "kernel_distance": distance}).encode())
    return True


def resume(state: TrainState, folder: RunFolder, say: Callable[[str], None]) -> bool:
    """Load the last state that can be read; whether there is any.

    Raises:
        CheckpointError: there are states, and none can be read.
    """
    paths = [folder.state, *(folder.kept_state(images) for images in reversed(folder.kept()))]
    paths = [path for path in paths if path.is_file()]
    for path in paths:
        try:
            state.load(path)
        except CheckpointError as error:
            if path == paths[-1]:
                raise
            say(f"{error}; trying an older one")
        else:
            return True
    return False


def remove_leftovers(folder: RunFolder) -> None:
    """Remove what a killed process was writing."""
    for name in (folder.state.name, folder.g_ema.name, folder.best.name, folder.log.name, "*.png"):
        for part in folder.root.rglob(f"{name}.part*"):
            part.unlink(missing_ok=True)


def also_named(path: Path, name: Path) -> None:
    """Give a file's present content a second name: a hard link, else a copy."""
    name.parent.mkdir(parents=True, exist_ok=True)
    with replacing(name) as temporary:
        try:
            os.link(path, temporary)
        except OSError:
            shutil.copyfile(path, temporary)
