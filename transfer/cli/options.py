"""Options that ``pretrain`` and ``finetune`` share, and the request they describe."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from transfer.config import AUGMENTATIONS, Schedule, TrainConfig
from transfer.errors import ConfigError

if TYPE_CHECKING:
    from transfer.training.run import Console, RunRequest

Command = TypeVar("Command", bound=Callable[..., None])
DEFAULTS = TrainConfig()
PATH = click.Path(path_type=Path)

_TRAINING = [
    click.option("--data", "data_dir", type=PATH, required=True, help="A built data set, or its Parquet shards."),
    click.option("--out", type=PATH, required=True, help="The run's folder; an unfinished run there goes on."),
    click.option("--kimg", type=float, required=True, help="Thousands of images to show in all."),
    click.option("--batch", type=int, default=DEFAULTS.batch, help="Images a step."),
    click.option("--seed", type=int, default=DEFAULTS.seed, help="Seed of every random number of the run."),
    click.option("--device", default="auto", help="cpu, cuda, mps or auto."),
    click.option("--snapshot-kimg", type=float, default=10.0, help="Thousands of images between checkpoints."),
    click.option("--g-lr", type=float, default=DEFAULTS.g_lr, help="Learning rate of the generator."),
    click.option("--d-lr", type=float, default=DEFAULTS.d_lr, help="Learning rate of the discriminator."),
    click.option("--r1-gamma", type=float, default=DEFAULTS.r1_gamma, help="Weight of the R1 gradient penalty."),
    click.option("--ema-kimg", type=float, default=DEFAULTS.ema_kimg, help="Half-life of the averaged generator."),
    click.option("--mirror/--no-mirror", default=True, help="Show every second picture mirrored."),
    click.option(
        "--augment", default=",".join(AUGMENTATIONS), help="What the discriminator's view varies; '' for none."
    ),
    click.option("--split", default="train", help="The split of the data set to train on, or all."),
    click.option("--weights", "face_weights", type=PATH, help="How often to show each face, by `drfhq balance`."),
]


def training_options(command: Command) -> Command:
    """Add the shared options to a command."""
    for option in reversed(_TRAINING):
        command = option(command)
    return command


def training_request(
    options: dict[str, object], *, freeze_mapping: bool = False, weights: dict[str, float] | None = None
) -> RunRequest:
    """The request that the shared options describe, its data set opened and its device found."""
    from transfer.data import load_weights, open_data
    from transfer.device import pick_device
    from transfer.training.run import RunRequest

    names = ("batch", "seed", "g_lr", "d_lr", "r1_gamma", "ema_kimg", "mirror")
    augment = tuple(word for word in str(options["augment"]).split(",") if word)
    config = TrainConfig(
        **{name: options[name] for name in names},  # type: ignore[arg-type]
        augment=augment,
        freeze_mapping=freeze_mapping,
        weights=weights or {},
    )
    schedule = Schedule(kimg=_number(options, "kimg"), snapshot_kimg=_number(options, "snapshot_kimg"))
    device = pick_device(str(options["device"]))
    data_dir, out = options["data_dir"], options["out"]
    if not (isinstance(data_dir, Path) and isinstance(out, Path)):
        raise ConfigError("--data and --out are folders")
    manifest, split, face_weights = open_data(data_dir), str(options["split"]), options["face_weights"]
    return RunRequest(
        manifest=manifest,
        out=out,
        config=config,
        schedule=schedule,
        device=device,
        split=split,
        face_weights=load_weights(face_weights, manifest, split) if isinstance(face_weights, Path) else None,
    )


def say(words: str) -> None:
    """Progress, on stderr."""
    click.echo(words, err=True)


@contextmanager
def console() -> Iterator[Console]:
    """Progress on stderr; the first Ctrl-C or SIGTERM asks the run to save and stop, a second one ends it at once."""
    from transfer.training.run import Console

    asked: list[int] = []

    def ask(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        say("stopping after this step; once more to stop at once")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield Console(say, lambda: bool(asked))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _number(options: dict[str, object], name: str) -> float:
    return float(str(options[name]))
