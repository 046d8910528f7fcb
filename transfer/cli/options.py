"""Options that ``pretrain`` and ``finetune`` share, and the request they describe."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.toml_file import read_settings
from transfer.config import ADA, PRECISIONS
from transfer.errors import ConfigError
from transfer.settings import DEFAULTS, configured, parse_settings

if TYPE_CHECKING:
    from transfer.networks.spec import GeneratorSpec
    from transfer.recipes import Recipe
    from transfer.training.processes import Processes
    from transfer.training.run import Console, RunRequest

_Decorator = Callable[[Callable[..., None]], Callable[..., None]]
PATH = click.Path(path_type=Path)

_TRAINING: list[_Decorator] = [
    click.option("--data", "data_dir", type=PATH, required=True, help="A data set built by `drfhq build`."),
    click.option("--out", type=PATH, required=True, help="The run's folder; an unfinished run there goes on."),
    click.option("--kimg", type=float, required=True, help="Thousands of images to show in all."),
    click.option("--device", default="auto", help="cpu, cuda, mps or auto."),
    click.option("--split", default="train", help="The split of the data set to train on, or all."),
    click.option("--weights", "face_weights", type=PATH, help="How often to show each face, by `drfhq balance`."),
    click.option("--config", "config_file", type=PATH, help="TOML file of settings; options given here override it."),
    click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any setting by its name in --config: --set path_length=2. Repeatable; docs/training.md lists them.",
    ),
    click.option("--dry-run", is_flag=True, help="Print settings, parameters and memory to expect, as JSON, and stop."),
]


def _setting(name: str, help_text: str, kind: type | click.Choice[str] | None = None) -> _Decorator:
    """An option for one setting, absent unless given, so that it can override a file."""
    default = DEFAULTS[name]
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return click.option(f"--{name.replace('_', '-')}", type=kind, help=f"{help_text}  [default: {shown}]")


_SETTINGS: list[_Decorator] = [
    _setting("batch", "Images a step.", int),
    _setting("seed", "Seed of every random number of the run.", int),
    _setting("snapshot_kimg", "Thousands of images between checkpoints.", float),
    _setting("g_lr", "Learning rate of the generator.", float),
    _setting("d_lr", "Learning rate of the discriminator.", float),
    _setting("r1_gamma", "Weight of the R1 gradient penalty.", float),
    _setting("ema_kimg", "Half-life of the averaged generator.", float),
    click.option("--mirror/--no-mirror", default=None, help="Show every second picture mirrored.  [default: mirror]"),
    _setting("augment", f"What the discriminator's view varies, or {ADA}, which adapts; '' for none."),
    click.option("--tensorboard/--no-tensorboard", default=None, help="Write losses and pictures for TensorBoard too."),
    _setting("precision", "What feature maps are computed in.", click.Choice(PRECISIONS)),
]


def training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options to a command."""
    decorated: Callable[..., None] = command
    for option in reversed([*_TRAINING, *_SETTINGS]):
        decorated = option(decorated)
    return decorated


def training_request(
    options: dict[str, object],
    processes: Processes,
    *,
    recipe: Recipe | None = None,
) -> RunRequest:
    """The request that the shared options describe, its data set opened and its device found.

    ``recipe`` is what fine-tuning follows where no option says otherwise; None to train from nothing.
    """
    from transfer.data import load_weights, open_data
    from transfer.device import pick_device
    from transfer.training.run import RunRequest

    config_file, assignments = options["config_file"], options["assignments"]
    assert isinstance(assignments, tuple)
    named = {name: options[name] for name in DEFAULTS if options.get(name) is not None}
    if isinstance(augment := named.get("augment"), str):
        named["augment"] = [word for word in augment.split(",") if word]
    file = read_settings(config_file, "train") if isinstance(config_file, Path) else {}
    config, schedule = configured(
        dict(recipe.settings if recipe else {}) | file | named | parse_settings(assignments),
        kimg=_number(options, "kimg"),
        freeze_mapping=recipe is not None,
        weights=recipe.weights if recipe else {},
        every=recipe.every if recipe else {},
    )
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
        processes=processes,
    )


def plan(request: RunRequest, spec: GeneratorSpec, *, tuned: bool) -> str:
    """What ``--dry-run`` prints: all that decides the run, and what it will take, as JSON."""
    from transfer.training.footprint import footprint

    size = request.processes.size
    faces = sum(request.split in ("all", face.split) for face in request.manifest.faces)
    facts = {
        "config": request.config.to_dict(),
        "schedule": asdict(request.schedule),
        "spec": spec.to_dict(),
        "data": {"digest": request.manifest.digest, "split": request.split, "faces": faces},
        "device": request.device.type,
        "processes": size,
    }
    needs = footprint(spec, request.config, request.schedule, request.device, tuned=tuned, processes=size)
    return json.dumps(facts | needs.to_dict(), indent=2)


def say(words: str) -> None:
    """Progress, on stderr."""
    click.echo(words, err=True)


@contextmanager
def training() -> Iterator[tuple[Console, Processes]]:
    """The console and the processes of a run, as torchrun started them; only the first process speaks.

    The first Ctrl-C or SIGTERM asks the run to save and stop, a second one ends it at once.
    """
    from transfer.cli.screen import Screen
    from transfer.training.processes import joined
    from transfer.training.run import Console

    asked: list[int] = []

    with joined() as processes, Screen() as screen:

        def tell(words: str) -> None:
            if processes.first:
                screen.say(words)

        def ask(number: int, _: object) -> None:
            if asked:
                raise KeyboardInterrupt
            asked.append(number)
            tell("stopping after this step; once more to stop at once")

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield Console(tell, lambda: bool(asked), screen.progress), processes
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _number(options: dict[str, object], name: str) -> float:
    return float(str(options[name]))
