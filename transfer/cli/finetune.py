"""``transfer finetune``: a photo generator learns to render, and the same latent stays the same person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from transfer.cli.options import PATH, plan, say, training, training_options, training_request
from transfer.errors import ConfigError

if TYPE_CHECKING:
    from transfer.recipes import Recipe


@click.command()
@training_options
@click.option("--init", type=PATH, required=True, help="The source generator: a checkpoint of this tool.")
@click.option(
    "--recipe",
    "recipe_name",
    metavar="NAME|FILE.toml",
    default="drfhq",
    help="Settings and terms; options override them.",
)
@click.option("--identity", type=float, help="Weight of the identity term (dlib's face embedding).")
@click.option("--geometry", type=float, help="Weight of the geometry term (where edges lie).")
@click.option("--colour", type=float, help="Weight of the colour term (skin, lips, hair, eyes).")
@click.option(
    "--term",
    "named",
    multiple=True,
    metavar="NAME=WEIGHT[/EVERY]",
    help="Weight of any term, and the steps between its turns; docs/losses.md lists the terms. Repeatable.",
)
def finetune(
    init: Path,
    recipe_name: str,
    identity: float | None,
    geometry: float | None,
    colour: float | None,
    named: tuple[str, ...],
    **shared: object,
) -> None:
    """Tune a generator towards a built data set, keeping who each latent is. The same command again resumes.

    The mapping network stays frozen, so both generators share one latent space. A weight of 0 switches its term off.
    Recipes: drfhq (the terms that proved themselves), plain (no terms), freezed (plain, the discriminator's outer
    layers frozen), frozen (plain, the generator's coarse layers frozen), swapped (plain, then the source's coarse
    layers: swapped-g_ema.safetensors), or a TOML file of your own.

    \b
    Examples:
      transfer finetune --data data --init photo64.safetensors --out runs/render64 --kimg 50
      transfer finetune --data data --init photo64.safetensors --out runs/plain --kimg 50 --recipe plain
      transfer finetune --data data --init photo64.safetensors --out runs/mine --kimg 50 --term identity=2/2
    """
    from transfer.checkpoints import load_checkpoint
    from transfer.recipes import load_recipe
    from transfer.training.run import finetune as run

    given = {"identity": identity, "geometry": geometry, "colour": colour}
    weights = {name: weight for name, weight in given.items() if weight is not None}
    recipe = _with_terms(load_recipe(recipe_name), weights, named)
    with training() as (console, processes):
        request = training_request(shared, processes, recipe=recipe)
        if shared["dry_run"]:
            click.echo(plan(request, load_checkpoint(init).generator.spec, tuned=True))
            return
        made = run(request, init, console)
        if processes.first:
            click.echo(made if recipe.swap_from is None else _swap(request.out, recipe.swap_from))


def _with_terms(recipe: Recipe, weights: dict[str, float], named: tuple[str, ...]) -> Recipe:
    """The recipe with the weights of ``--identity`` and the like, and of ``--term`` NAME=WEIGHT[/EVERY]."""
    if recipe.direct:
        raise ConfigError(f"recipe {recipe.name} trains nothing: it is for `transfer ablate` to compare with")
    every = dict(recipe.every)
    for text in named:
        name, _, rest = text.partition("=")
        weight, lazy, period = rest.partition("/")
        try:
            weights[name] = float(weight)
            every[name] = int(period) if lazy else every.get(name, 1)
        except ValueError as error:
            raise ConfigError(
                f"cannot read {text!r}; write NAME=WEIGHT, such as identity=1, or identity=1/2"
            ) from error
    merged = {name: weight for name, weight in (dict(recipe.weights) | weights).items() if weight}
    return replace(recipe, weights=merged, every={name: every[name] for name in merged if every.get(name, 1) != 1})


def _swap(run: Path, from_side: int) -> Path:
    """Write the run's generator with the source's layers below ``from_side``; where it lies."""
    from transfer.blend import swapped
    from transfer.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
    from transfer.run_folder import RunFolder

    folder = RunFolder(run)
    tuned = load_checkpoint(folder.g_ema)
    made = swapped(tuned.generator, load_checkpoint(folder.source).generator, from_side)
    save_checkpoint(folder.swapped, Checkpoint(made, None, tuned.card | {"swapped_from": from_side}))
    say(f"layers below {from_side}² are the source's in {folder.swapped}")
    return folder.swapped
