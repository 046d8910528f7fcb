"""``transfer fetch``: public checkpoints, once their terms are accepted.

The list may be another one: whoever calls the command line from Python gives it as click's context object.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.errors import UsageError
from transfer.cli.options import PATH, say

if TYPE_CHECKING:
    from drfhq_tools.models import ModelEntry, Registry


@click.command()
@click.argument("name", required=False)
@click.option("--accept-license", is_flag=True, help="You have read the terms of these weights and accept them.")
@click.option("--models-dir", type=PATH, help="Folder of weights.  [default: $DRFHQ_MODELS, else the user's cache]")
@click.pass_context
def fetch(ctx: click.Context, /, name: str | None, accept_license: bool, models_dir: Path | None) -> None:
    """Download the public checkpoint NAME, resuming what was begun; without NAME, list what there is.

    None of them is part of this tool, and all come under other terms than it. Prints the file's path, for
    `transfer convert`.

    \b
    Example:
      transfer fetch nvidia-ffhq-1024 --accept-license
    """
    from drfhq_tools.models import Download, entry_of, resolve
    from drfhq_tools.models import fetch as download
    from transfer.checkpoints.public import PUBLIC

    registry: Registry = PUBLIC if ctx.obj is None else ctx.obj
    if name is None:
        for entry in registry.values():
            click.echo(_line(entry))
        return
    entry = entry_of(name, registry)
    if not accept_license:
        raise UsageError(
            f"{name} comes under: {entry.license}. {entry.caution} If you accept that, add --accept-license"
        )
    fetched = isinstance(entry.origin, Download)
    file = (download if fetched else resolve)(name, models_dir=models_dir, registry=registry)
    say(f"{name}: {entry.license}; sha256 {file.sha256}")
    say(f"next: transfer convert {file.path} {name}.safetensors")
    click.echo(file.path)


def _line(entry: ModelEntry) -> str:
    how = "transfer fetch" if entry.origin else "by hand"
    return f"{entry.name:24} {how:16} {entry.purpose}; {entry.license}"
