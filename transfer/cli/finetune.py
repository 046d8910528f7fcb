"""``transfer finetune``: a photo generator learns to render, and the same latent stays the same person."""

from __future__ import annotations

from pathlib import Path

import click

from transfer.cli.options import PATH, plan, training, training_options, training_request


@click.command()
@training_options
@click.option("--init", type=PATH, required=True, help="The source generator: a checkpoint of this tool.")
@click.option("--identity", type=float, help="Weight of the identity term (dlib's face embedding).")
@click.option("--geometry", type=float, help="Weight of the geometry term (where edges lie).")
@click.option("--colour", type=float, help="Weight of the colour term (skin, lips, hair, eyes).")
def finetune(
    init: Path, identity: float | None, geometry: float | None, colour: float | None, **shared: object
) -> None:
    """Tune a generator towards a built data set, keeping who each latent is. The same command again resumes.

    The mapping network stays frozen, so both generators share one latent space. A weight of 0 switches its term off.

    \b
    Example:
      transfer finetune --data data --init photo64.safetensors --out runs/render64 --kimg 50
    """
    from transfer.checkpoints import load_checkpoint
    from transfer.training.run import finetune as run

    given = {"identity": identity, "geometry": geometry, "colour": colour}
    weights = {name: weight for name, weight in given.items() if weight is not None}
    with training() as (console, processes):
        request = training_request(shared, processes, freeze_mapping=True, weights=weights)
        if shared["dry_run"]:
            click.echo(plan(request, load_checkpoint(init).generator.spec, tuned=True))
            return
        made = run(request, init, console)
        if processes.first:
            click.echo(made)
