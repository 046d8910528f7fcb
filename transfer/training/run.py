"""Start, resume and finish a training run in its folder (:mod:`transfer.run_folder`)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from drfhq_tools.atomic import write_file
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import Manifest
from transfer import __version__
from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from transfer.config import Schedule, TrainConfig
from transfer.data import FaceWeights, load_portraits
from transfer.errors import ConfigError, StoppedError
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


@dataclass(frozen=True)
class Console:
    """The person at the other end: ``say`` shows a line, ``stop_requested`` is asked between two steps."""

    say: Callable[[str], None]
    stop_requested: Callable[[], bool] = lambda: False


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a user asks of ``pretrain`` or ``finetune``."""

    manifest: Manifest
    out: Path
    config: TrainConfig
    schedule: Schedule
    device: torch.device
    split: str = "train"
    face_weights: FaceWeights | None = None
    """How often each face is shown; None for equally often."""


def pretrain(request: RunRequest, spec: GeneratorSpec, console: Console) -> Path:
    """Train a generator from nothing; returns its checkpoint."""
    folder = RunFolder(request.out)
    folder.claim(_about("pretrain", request, spec))
    with _seeded_initialisation(request.config.seed):
        generator, discriminator = Generator(spec), Discriminator(spec)
    return _train(request, folder, generator, discriminator, None, console)


def finetune(request: RunRequest, init: Path, console: Console) -> Path:
    """Tune the generator in ``init`` towards the data set while the same latent stays the same person."""
    folder = RunFolder(request.out)
    checkpoint = load_checkpoint(init)
    spec = checkpoint.generator.spec
    if spec.c_dim:
        raise ConfigError(
            f"{init} is conditional ({spec.c_dim} classes), and training knows no classes: give an unconditional one"
        )
    terms = consistency_terms(request.config.weights)
    weights = {term.name: term.weight for term in terms}
    folder.claim(_about("finetune", request, spec) | {"source_sha256": sha256_file(init), "weights": weights})
    if not folder.source.is_file():
        write_file(folder.source, init.read_bytes())
    generator, discriminator = copy.deepcopy(checkpoint.generator), checkpoint.discriminator
    if discriminator is None:
        console.say(f"{init} holds no discriminator: a fresh one learns from the start, which takes longer")
        with _seeded_initialisation(request.config.seed):
            discriminator = Discriminator(spec)
    embed = load_resnet().to(request.device).embed if weights.get("identity") else _no_identity
    source = Source(checkpoint.generator.to(request.device).eval().requires_grad_(False), embed, terms)
    return _train(request, folder, generator, discriminator, source, console)


@contextmanager
def _seeded_initialisation(seed: int) -> Iterator[None]:
    """Fresh weights follow from the run's seed; torch's own generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(SampleRandom(seed).generator(Purpose.INIT, 0).integers(2**62)))
        yield


def _train(
    request: RunRequest,
    folder: RunFolder,
    generator: Generator,
    discriminator: Discriminator,
    source: Source | None,
    console: Console,
) -> Path:
    portraits = load_portraits(
        request.manifest, generator.spec.resolution, folder.portraits, request.split, say=console.say
    )
    folder.note_skipped([asdict(face) for face in portraits.skipped])
    for face in portraits.skipped:
        console.say(f"skipped {face.name}: {face.reason}")
    if portraits.skipped:
        console.say(
            f"{len(portraits.skipped)} of {len(portraits)} pictures are never shown, {folder.skipped} lists them"
        )
    if request.face_weights is not None:
        portraits = portraits.weighted(request.face_weights.values)
    state = TrainState.start(generator, discriminator, request.config, request.device)
    trainer = Trainer(state, portraits, request.config, source)
    if folder.state.is_file():
        state.load(folder.state)
        _export(trainer, folder)
        console.say(f"resuming {folder.root} at {state.kimg:.1f} kimg")
    else:
        _picture(trainer, folder)
    _loop(trainer, folder, request.schedule, console)
    return folder.g_ema


def _loop(trainer: Trainer, folder: RunFolder, schedule: Schedule, console: Console) -> None:
    """Step until the schedule's end; save at every snapshot, at the end, and before giving way to a request to stop."""
    state, log = trainer.state, LossLog(folder.log, trainer.state.images)
    began, before = time.perf_counter(), state.images
    while state.kimg < schedule.kimg:
        snapshots = state.kimg // schedule.snapshot_kimg
        log.add(trainer.step())
        stopping = console.stop_requested()
        if not (stopping or state.kimg >= schedule.kimg or state.kimg // schedule.snapshot_kimg > snapshots):
            continue
        seconds = time.perf_counter() - began
        means = log.flush(state.images, seconds)
        state.save(folder.state)
        _export(trainer, folder)
        _picture(trainer, folder)
        pace = seconds / (state.kimg - before / 1000)
        left = (schedule.kimg - state.kimg) * pace / 60
        words = "  ".join(f"{name} {value:.3f}" for name, value in means.items())
        console.say(f"{state.kimg:8.2f} kimg  {pace:6.1f} s/kimg  {left:5.1f} min left  {words}")
        if stopping and state.kimg < schedule.kimg:
            raise StoppedError(f"stopped at {state.kimg:.2f} kimg and saved; the same command goes on from here")


def _export(trainer: Trainer, folder: RunFolder) -> None:
    """Write what the run is for. Follows the state: should the process die in between, a resume does it first."""
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
        "face_weights_sha256": request.face_weights and request.face_weights.sha256,
        "tool_version": __version__,
    }


def _no_identity(_: torch.Tensor) -> torch.Tensor:
    raise ConfigError("the identity network is not loaded: the identity term has weight 0")
