"""``drfhq merge``."""

from __future__ import annotations

from pathlib import Path

import click

from drfhq_tools.cli.build import print_summary


@click.command("merge")
@click.argument("data", type=click.Path(path_type=Path))
@click.pass_context
def merge_command(ctx: click.Context, data: Path) -> None:
    """Make one data set of the shards in DATA, the same as one build gives.

    `drfhq build --shard i/N` makes them, for each i from 0 to N - 1, in any order and on any machines that share DATA.
    Duplicates, splits and numbers need all of them, so they are settled here. The shards are then taken away.

    \b
    Example:
      drfhq merge data/
    """
    from drfhq_tools.build.run import merge_shards

    summary = merge_shards(data)
    if summary is None:
        click.echo(f"All shards in {data} were merged before")
        return
    print_summary(summary, data)
    if summary.failed_inputs:
        ctx.exit(3)
