"""Start, resume and finish a training run in its folder (:mod:`transfer.run_folder`)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from drfhq_tools.atomic import write_file
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import Manifest
from transfer import __version__
from transfer.checkpoints import load_checkpoint
from transfer.checkpoints.vgg import load_vgg
from transfer.config import Schedule, TrainConfig
from transfer.data import FaceWeights, Portraits, load_portraits
from transfer.device import placed
from transfer.errors import ConfigError, NonFiniteLossError, StoppedError
from transfer.losses.terms import consistency_terms
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.identity import load_resnet
from transfer.networks.spec import GeneratorSpec
from transfer.randomness import Purpose, SampleRandom
from transfer.run_folder import RunFolder
from transfer.sheets import save_png
from transfer.training.keeping import (
    note_figure,
    remove_leftovers,
    resume,
    save_generator,
    save_snapshot,
    storing,
)
from transfer.training.measure import Meter
from transfer.training.precision import check_precision
from transfer.training.processes import ALONE, Processes
from transfer.training.progress import Pacer, Progress
from transfer.training.sinks import Board, LossLog, finetune_sheet, pretrain_sheet, walk_sheet
from transfer.training.state import TrainState
from transfer.training.step import Source, Trainer


@dataclass(frozen=True)
class Console:
    """The person at the other end: ``say`` shows a line, ``stop_requested`` is asked between two steps."""

    say: Callable[[str], None]
    stop_requested: Callable[[], bool] = lambda: False
    progress: Callable[[Progress], None] = lambda _: None
    """Told after every step."""


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
    processes: Processes = ALONE
    """Those that train together; each makes the same request, but for its device."""


def pretrain(request: RunRequest, spec: GeneratorSpec, console: Console) -> Path:
    """Train a generator from nothing; returns its checkpoint."""
    folder = RunFolder(request.out)
    _claim(request, folder, _about("pretrain", request, spec))
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
    terms = consistency_terms(request.config.weights, request.config.every)
    weights = {term.name: term.weight for term in terms}
    about = _about("finetune", request, spec) | {"source_sha256": sha256_file(init), "weights": weights}
    vgg = load_vgg(Path(request.schedule.vgg)) if request.schedule.vgg and "perceptual" in weights else None
    if vgg is not None:
        about["vgg_sha256"] = sha256_file(Path(request.schedule.vgg))
    _claim(request, folder, about, init)
    generator, discriminator = copy.deepcopy(checkpoint.generator), checkpoint.discriminator
    if discriminator is None:
        console.say(f"{init} holds no discriminator: a fresh one learns from the start, which takes longer")
        with _seeded_initialisation(request.config.seed):
            discriminator = Discriminator(spec)
    source = Source(
        placed(checkpoint.generator, request.device).eval().requires_grad_(False),
        placed(load_resnet(), request.device).look if any(term.looks for term in terms) else _no_identity,
        terms,
        None if vgg is None else placed(vgg, request.device),
    )
    return _train(request, folder, generator, discriminator, source, console)


def _claim(request: RunRequest, folder: RunFolder, about: dict[str, object], init: Path | None = None) -> None:
    """Begin or take up the run in its folder, the source generator beside it."""

    def claim() -> None:
        folder.claim(about)
        with storing(folder):
            remove_leftovers(folder)
            if init is not None and not folder.source.is_file():
                write_file(folder.source, init.read_bytes())

    request.processes.once(claim)


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
    check_precision(request.config, generator.spec, request.device)
    state = TrainState.start(generator, discriminator, request.config, request.device)
    portraits = _portraits(request, folder, generator.spec.resolution, console)
    trainer = Trainer(state, portraits, request.config, source, schedule=request.schedule, processes=request.processes)
    resumed = resume(state, folder, console.say)
    if resumed:
        console.say(f"resuming {folder.root} at {state.kimg:.1f} kimg")
    if request.processes.first:
        if resumed:
            with storing(folder):
                save_generator(state, folder)  # in case the process died between the state and this
        else:
            _picture(trainer, folder)
    _loop(trainer, folder, request.schedule, console)
    return folder.g_ema


def _portraits(request: RunRequest, folder: RunFolder, resolution: int, console: Console) -> Portraits:
    """The pictures to learn from; the first process decodes them, the others wait for the cache it leaves."""

    def load() -> Portraits:
        return load_portraits(request.manifest, resolution, folder.portraits, request.split, say=console.say)

    def first() -> None:
        with storing(folder):
            portraits = load()
            folder.note_skipped([asdict(face) for face in portraits.skipped])
        for face in portraits.skipped:
            console.say(f"skipped {face.name}: {face.reason}")
        if portraits.skipped:
            console.say(
                f"{len(portraits.skipped)} of {len(portraits)} pictures are never shown, {folder.skipped} lists them"
            )

    request.processes.once(first)
    portraits = load()
    return portraits if request.face_weights is None else portraits.weighted(request.face_weights.values)


def _loop(trainer: Trainer, folder: RunFolder, schedule: Schedule, console: Console) -> None:
    """Step until the schedule's end; save at every snapshot, at the end, and before giving way to a request to stop."""
    state, processes = trainer.state, trainer.processes
    with storing(folder):
        log = LossLog(folder.log, state.images) if processes.first else None
    measured = schedule.measure if processes.first else 0
    meter = Meter(trainer.data, measured, trainer.config.seed, trainer.device) if measured else None
    board = Board(folder.board, state.images) if processes.first and schedule.tensorboard else None
    pacer, began = Pacer(state.images, round(schedule.kimg * 1000)), time.perf_counter()
    while state.kimg < schedule.kimg:
        snapshots = state.kimg // schedule.snapshot_kimg
        losses = _stepped(trainer, folder)
        now = pacer.stepped(state.images, losses)
        if log is not None:
            log.add(losses)
            console.progress(now)
        stopping = processes.any(console.stop_requested())
        if not (stopping or state.kimg >= schedule.kimg or state.kimg // schedule.snapshot_kimg > snapshots):
            continue
        if log is not None:
            seconds = time.perf_counter() - began
            with storing(folder):
                means = log.flush(state.images, seconds)
                save_snapshot(state, folder, schedule.keep)
            _picture(trainer, folder, board)
            distance = {} if meter is None else {"kernel_distance": _measure(meter, trainer, folder, console)}
            if board is not None:
                board.losses(state.images, means | distance)
            console.say(str(replace(now, losses=means)))
        if stopping and state.kimg < schedule.kimg:
            raise StoppedError(f"stopped at {state.kimg:.2f} kimg and saved; the same command goes on from here")


def _measure(meter: Meter, trainer: Trainer, folder: RunFolder, console: Console) -> float:
    distance = meter.distance(trainer.state.g_ema)
    with storing(folder):
        best = note_figure(folder, trainer.state.images, distance)
    console.say(f"kernel distance {distance:.4f} of {meter.count} images{', the least so far' if best else ''}")
    return distance


def _stepped(trainer: Trainer, folder: RunFolder) -> dict[str, float]:
    try:
        return trainer.step()
    except NonFiniteLossError as error:
        left = (
            f"{folder.g_ema} and {folder.state} are" if folder.state.is_file() else "no snapshot was taken, nothing is"
        )
        raise NonFiniteLossError(
            f"{error}: the run diverged. As of the last snapshot {left} good; the same settings would end the same "
            "way. Begin another run with lower learning rates, a larger r1_gamma, or --precision fp32"
        ) from error


def _picture(trainer: Trainer, folder: RunFolder, board: Board | None = None) -> None:
    state, seed = trainer.state, trainer.config.seed
    if trainer.source is None:
        sheet = pretrain_sheet(state.g_ema, trainer.data, seed)
        walk = walk_sheet({"walk": state.g_ema}, seed)
    else:
        sheet = finetune_sheet(trainer.source.generator, state.g_ema, seed)
        walk = walk_sheet({"source": trainer.source.generator, "tuned": state.g_ema}, seed)
    with storing(folder):
        save_png(sheet, folder.snapshot(state.images))
        save_png(walk, folder.walk(state.images))
    if board is not None:
        board.picture("samples", state.images, sheet)
        board.picture("walk", state.images, walk)


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


def _no_identity(_: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    raise ConfigError("the identity network is not loaded: no term was said to ask it")
