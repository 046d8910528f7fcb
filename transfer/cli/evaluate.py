"""``transfer evaluate``: is it still them, and do they look like photos? By group, with pictures."""

from __future__ import annotations

from pathlib import Path

import click

from transfer.cli.options import PATH, say


@click.command()
@click.argument("run", type=PATH)
@click.argument("portraits", type=PATH)
@click.option("--photos", type=PATH, required=True, help="A data set or a folder of photos to compare with.")
@click.option("--out", type=PATH, required=True, help="Where the report goes; an unfinished evaluation there goes on.")
@click.option("--split", default="all", help="The split of PORTRAITS to evaluate, where it is a data set.")
@click.option("--direct", is_flag=True, help="Invert straight into the photo generator, without the rendered one.")
@click.option("--generator", type=PATH, help="A checkpoint in the tuned generator's place, such as a blend.")
@click.option("--densenet", type=PATH, help="The held-out identity network's file [that of `drfhq models`, if there].")
@click.option("--inverter", default="auto", help="encoder, encoder+refine, optimise, pivotal or auto.")
@click.option("--steps", type=int, help="Steps of the inverter [its own number].")
@click.option("--seed", type=int, default=0, help="Seed of the inverter.")
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
def evaluate(
    run: Path,
    portraits: Path,
    photos: Path,
    out: Path,
    split: str,
    direct: bool,
    generator: Path | None,
    densenet: Path | None,
    inverter: str,
    steps: int | None,
    seed: int,
    device: str,
) -> None:
    """Make PORTRAITS realistic by a fine-tuning RUN and measure how real they look and who they still are.

    PORTRAITS is a built data set, whose labels and people the report goes by, or a folder of pictures. Use people that
    RUN was not trained on. Writes evaluation.json, evaluation.md and evaluation.html; docs/evaluation.md explains them.

    \b
    Examples:
      transfer evaluate runs/render64 held-out --photos photos --out evaluation
      transfer evaluate runs/render64 held-out --photos photos --out evaluation-direct --direct
    """
    from transfer.device import keep_freed_memory, pick_device
    from transfer.evaluation.evaluate import Compared, Inverting, Seen, way_through
    from transfer.evaluation.evaluate import evaluate as run_evaluation
    from transfer.evaluation.look import Instruments
    from transfer.evaluation.subjects import load_evaluated

    keep_freed_memory()
    instruments = Instruments.load(pick_device(device), densenet)
    how = Inverting(name=inverter, steps=steps, seed=seed)
    way = way_through(run, instruments, how, direct=direct, generator=generator)
    side = way.rendered.spec.resolution
    given, everyone, real = load_evaluated(portraits, split, photos, side, out, say)
    for line in (*everyone.left_out, *real.left_out):
        say(f"left out {line}")
    if instruments.densenet is None:
        say(
            "without the held-out network identity is told by the one that training and inversion use: get it with"
            " `drfhq models fetch dlib-densenet`"
        )
    compared = Compared(photos=Seen.of(real, instruments), strangers=Seen.of(everyone, instruments))
    run_evaluation(way, given, compared, instruments, out, say)
    click.echo(out / "evaluation.html")
