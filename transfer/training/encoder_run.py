"""Start, resume and finish the training of a run's encoder, in the run's folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import Manifest
from transfer import __version__
from transfer.checkpoints import load_checkpoint, save_encoder
from transfer.data import Portraits, load_portraits, to_pixels
from transfer.device import placed
from transfer.errors import ConfigError, StoppedError
from transfer.inversion.make import GENERATOR_HASH
from transfer.networks.identity import load_resnet
from transfer.run_folder import RunFolder
from transfer.sheets import grid, save_png
from transfer.training.encoder import EncoderConfig, EncoderState, EncoderTrainer, described
from transfer.training.keeping import storing
from transfer.training.progress import Pacer
from transfer.training.run import Console
from transfer.training.sinks import LossLog, columns_of


@dataclass(frozen=True, kw_only=True)
class EncoderRequest:
    """What a user asks of ``train-encoder``; ``kimg`` thousands of pictures in all."""

    run: Path
    manifest: Manifest
    config: EncoderConfig
    kimg: float
    snapshot_kimg: float
    device: torch.device
    split: str = "train"

    def __post_init__(self) -> None:
        if self.kimg <= 0 or self.snapshot_kimg <= 0:
            raise ConfigError("kimg and snapshot_kimg are above 0")


def train_encoder(request: EncoderRequest, console: Console) -> Path:
    """Train, or go on training, the encoder of a fine-tuning run; returns its file.

    Raises:
        CheckpointError: the folder holds no run with a generator, or a state that cannot be read.
        ConfigError: the data set is aligned otherwise than the run's, or the encoder was begun with other settings.
    """
    folder = RunFolder(request.run)
    run = folder.read_about()
    if run.get("landmark_scheme") != request.manifest.landmark_scheme:
        raise ConfigError(
            f"the run's pictures were aligned by {run.get('landmark_scheme')!r} landmarks, those of "
            f"{request.manifest.root} by {request.manifest.landmark_scheme!r}: give a data set of the same detector"
        )
    generator = placed(load_checkpoint(folder.g_ema).generator, request.device)
    about: dict[str, object] = {
        GENERATOR_HASH: sha256_file(folder.g_ema),
        "data_digest": request.manifest.digest,
        "split": request.split,
        "config": described(request.config),
        "tool_version": __version__,
    }
    state = EncoderState.start(generator, request.config)
    if folder.encoder_state.is_file():
        state.load(folder.encoder_state, about)
        console.say(f"resuming {folder.encoder_state} at {state.images / 1000:.1f} kimg")
    network = load_resnet().to(request.device)
    portraits = _portraits(request, folder, run, generator.spec.resolution, console)
    trainer = EncoderTrainer(state, generator, portraits, request.config, network)
    _loop(trainer, folder, request, about, console)
    return folder.encoder


def _portraits(
    request: EncoderRequest, folder: RunFolder, run: dict[str, object], resolution: int, console: Console
) -> Portraits:
    """From the run's own cache where it holds the same pictures."""
    same = (run.get("data_digest"), run.get("split")) == (request.manifest.digest, request.split)
    cache = folder.portraits if same else folder.encoder_portraits
    with storing(folder):
        return load_portraits(request.manifest, resolution, cache, request.split, say=console.say)


def _loop(
    trainer: EncoderTrainer, folder: RunFolder, request: EncoderRequest, about: dict[str, object], console: Console
) -> None:
    state, goal, every = trainer.state, round(1000 * request.kimg), round(1000 * request.snapshot_kimg)
    log, pacer, began = LossLog(folder.encoder_log, state.images), Pacer(state.images, goal), time.perf_counter()
    while state.images < goal:
        snapshots = state.images // every
        losses = trainer.step()
        log.add(losses)
        now = pacer.stepped(state.images, losses)
        console.progress(now)
        stopping = console.stop_requested()
        if not (stopping or state.images >= goal or state.images // every > snapshots):
            continue
        with storing(folder):
            means = log.flush(state.images, time.perf_counter() - began)
            save(state, folder, about)
            save_png(sheet(trainer), folder.encoder_sheet(state.images))
        console.say(str(replace(now, losses=means)))
        if stopping and state.images < goal:
            raise StoppedError(
                f"stopped at {state.images / 1000:.2f} kimg and saved; the same command goes on from here"
            )


def save(state: EncoderState, folder: RunFolder, about: dict[str, object]) -> None:
    """What to resume from, then the averaged encoder."""
    state.save(folder.encoder_state, about)
    save_encoder(folder.encoder, state.ema, about | {"images": state.images})


@torch.no_grad()
def sheet(trainer: EncoderTrainer) -> Image.Image:
    """Free pairs and portraits, each over what the generator makes of the averaged encoder's answer."""
    columns = range(columns_of(trainer.generator.spec.resolution))
    rows = []
    for images in (trainer.pairs(columns)[0], trainer.pictures(columns)):
        again = trainer.generator.synthesis(trainer.state.ema(images))
        rows += [list(to_pixels(images)), list(to_pixels(again))]
    return grid(rows, ["the generator's own", "found again", "portraits", "found again"])
