"""Start, resume and finish a training run in its folder (:mod:`transfer.run_folder`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from drfhq_tools.atomic import write_file
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import Manifest
from transfer import __version__
from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.config import Schedule, TrainConfig
from transfer.data import load_portraits
from transfer.errors import ConfigError
from transfer.losses.terms import consistency_terms
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.identity import load_resnet
from transfer.networks.spec import GeneratorSpec
from transfer.randomness import Purpose, SampleRandom
from transfer.run_folder import RunFolder
from transfer.sheets import save_png
from transfer.training.sinks import LossLog, finetune_sheet, pretrain_sheet
from transfer.training.state import TrainState
from transfer.training.step import Source, Trainer

Report = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a user asks of ``pretrain`` or ``finetune``."""

    manifest: Manifest
    out: Path
    config: TrainConfig
    schedule: Schedule
    device: torch.device
    split: str = "train"


def pretrain(request: RunRequest, spec: GeneratorSpec, report: Report) -> Path:
    """Train a generator from nothing; returns its checkpoint."""
    folder = RunFolder(request.out)
    folder.claim(_about("pretrain", request, spec))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(SampleRandom(request.config.seed).generator(Purpose.INIT, 0).integers(2**62)))
        generator, discriminator = Generator(spec), Discriminator(spec)
    return _train(request, folder, generator, discriminator, None, report)


def finetune(request: RunRequest, init: Path, report: Report) -> Path:
    """Tune the generator in ``init`` towards the data set while the same latent stays the same person."""
    folder = RunFolder(request.out)
    checkpoint = load_checkpoint(init)
    spec = checkpoint.generator.spec
    terms = consistency_terms(request.config.weights)
    weights = {term.name: term.weight for term in terms}
    folder.claim(_about("finetune", request, spec) | {"source_sha256": sha256_file(init), "weights": weights})
    if not folder.source.is_file():
        write_file(folder.source, init.read_bytes())
    generator = load_checkpoint(init).generator
    discriminator = checkpoint.discriminator
    if discriminator is None:
        report(f"{init} holds no discriminator: a fresh one learns from the start, which takes longer")
        discriminator = Discriminator(spec)
    embed = load_resnet().to(request.device).embed if weights.get("identity") else _no_identity
    source = Source(checkpoint.generator.to(request.device).eval().requires_grad_(False), embed, terms)
    return _train(request, folder, generator, discriminator, source, report)


def _train(
    request: RunRequest,
    folder: RunFolder,
    generator: Generator,
    discriminator: Discriminator,
    source: Source | None,
    report: Report,
) -> Path:
    portraits = load_portraits(request.manifest, generator.spec.resolution, folder.portraits, request.split)
    state = TrainState.start(generator, discriminator, request.config, request.device)
    if folder.state.is_file():
        state.load(folder.state)
        report(f"resuming {folder.root} at {state.kimg:.1f} kimg")
    trainer = Trainer(state, portraits, request.config, source)
    log = LossLog(folder.log, state.images)
    if state.images == 0:
        _picture(trainer, folder)
    try:
        _loop(trainer, folder, request.schedule, log, report)
    except KeyboardInterrupt:
        _checkpoint(trainer, folder)
        report(f"stopped at {state.kimg:.1f} kimg and saved; the same command goes on from here")
        raise
    return folder.g_ema


def _loop(trainer: Trainer, folder: RunFolder, schedule: Schedule, log: LossLog, report: Report) -> None:
    state, end = trainer.state, schedule.kimg * 1000
    began, before = time.perf_counter(), state.images
    while state.images < end:
        log.add(trainer.step())
        crossed = state.images // (schedule.snapshot_kimg * 1000) > (state.images - trainer.config.batch) // (
            schedule.snapshot_kimg * 1000
        )
        if not crossed and state.images < end:
            continue
        seconds = time.perf_counter() - began
        means = log.flush(state.images, seconds)
        _checkpoint(trainer, folder)
        _picture(trainer, folder)
        pace = seconds / (state.images - before) * 1000
        left = (end - state.images) / 1000 * pace
        words = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        report(f"{state.kimg:8.2f} kimg  {pace:6.1f} s/kimg  {left / 60:5.1f} min left  {words}")
    if not folder.g_ema.is_file():
        _checkpoint(trainer, folder)


def _checkpoint(trainer: Trainer, folder: RunFolder) -> None:
    """State first: should the process die between the two files, the resume makes the second anew."""
    trainer.state.save(folder.state)
    card = folder.read_about() | {"images": trainer.state.images}
    save_checkpoint(folder.g_ema, Checkpoint(trainer.state.g_ema, trainer.state.discriminator, card))


def _picture(trainer: Trainer, folder: RunFolder) -> None:
    state, seed = trainer.state, trainer.config.seed
    if trainer.source is None:
        sheet = pretrain_sheet(state.g_ema, trainer.data, seed)
    else:
        sheet = finetune_sheet(trainer.source.generator, state.g_ema, seed)
    save_png(sheet, folder.snapshot(state.images))


def _about(kind: str, request: RunRequest, spec: GeneratorSpec) -> dict[str, object]:
    return {
        "kind": kind,
        "config": request.config.to_dict(),
        "spec": spec.to_dict(),
        "data_digest": request.manifest.digest,
        "landmark_scheme": request.manifest.landmark_scheme,
        "split": request.split,
        "tool_version": __version__,
    }


def _no_identity(_: torch.Tensor) -> torch.Tensor:
    raise ConfigError("the identity network is not loaded: the identity term has weight 0")
