"""``drfhq models``: what weights there are, under which licence, and whether they are at hand.

The registry may be another one: whoever calls the command line from Python gives it as click's context object.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.progress import Progress

    from drfhq_tools.models import ModelEntry, Registry, Status

_FILE_WIDTH = 160  # of tables that go to a file or a pipe

_models_dir = click.option(
    "--models-dir",
    type=click.Path(path_type=Path),
    help="Folder of weights.  [default: $DRFHQ_MODELS, else the user's cache]",
)
_names = click.argument("names", nargs=-1)


@click.group("models")
def models_group() -> None:
    """List, fetch and check the weights that detectors, labelers and measures use.

    A build never downloads by itself. Nothing is fetched where DRFHQ_OFFLINE or HF_HUB_OFFLINE is 1.
    """


@models_group.command("list")
@_models_dir
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list instead of a table.")
@click.pass_obj
def list_command(registry: Registry | None, /, models_dir: Path | None, as_json: bool) -> None:
    """Every entry: what it is for, its licence, and whether the file is here and whole.

    \b
    Example:
      drfhq models list
    """
    from drfhq_tools.models import models_folder, status_of

    found = [(entry, status_of(entry, models_dir)) for entry in _registry(registry).values()]
    if as_json:
        click.echo(json.dumps([_row(entry, status) for entry, status in found], indent=2))
    else:
        _print(found)
        click.echo(f"Downloads go to {models_folder(models_dir)}", err=True)


@models_group.command("fetch")
@_names
@click.option("--all", "everything", is_flag=True, help="Fetch all that have an address.")
@_models_dir
@click.pass_context
def fetch_command(ctx: click.Context, /, names: tuple[str, ...], everything: bool, models_dir: Path | None) -> None:
    """Download the weights NAMES, resuming what was begun; only files of the known sha256 are kept.

    Prints each file's path. Exit code 3 when some were fetched and some failed.

    \b
    Example:
      drfhq models fetch yunet
    """
    from drfhq_tools.models import Download, entry_of, fetch

    if everything == bool(names):
        raise UsageError("name the weights to fetch, or give --all; drfhq models list shows them")
    registry = _registry(ctx.obj)
    wanted = [entry for entry in registry.values() if isinstance(entry.origin, Download)]
    failures = 0
    for entry in wanted if everything else [entry_of(name, registry) for name in dict.fromkeys(names)]:
        try:
            with _progress() as progress:
                report = _reporter(progress, entry.name)
                file = fetch(entry.name, models_dir=models_dir, registry=registry, progress=report)
        except ModelFileError as error:
            failures += 1
            click.echo(f"drfhq: {error}", err=True)
        else:
            click.echo(file.path)
            click.echo(f"{entry.name}: licence {entry.license}. {entry.caution}".rstrip(), err=True)
    if failures:
        ctx.exit(1 if failures == len(names or wanted) else 3)


@models_group.command("verify")
@_names
@_models_dir
@click.pass_context
def verify_command(ctx: click.Context, /, names: tuple[str, ...], models_dir: Path | None) -> None:
    """Check the weights NAMES, or all, against the registry's sha256.

    Exit code 1 when one is damaged, 3 when one that was named is missing.

    \b
    Example:
      drfhq models verify
    """
    from drfhq_tools.models import entry_of, status_of

    registry = _registry(ctx.obj)
    found = {}
    for name in names or registry:
        found[name] = status_of(entry_of(name, registry), models_dir)
        click.echo(f"{name}: {found[name]}")
    if "damaged" in found.values():
        ctx.exit(1)
    if names and "missing" in found.values():
        ctx.exit(3)


def _registry(given: Registry | None) -> Registry:
    from drfhq_tools.models import REGISTRY

    return REGISTRY if given is None else given


def _row(entry: ModelEntry, status: Status) -> dict[str, object]:
    from drfhq_tools.models import Download, Package

    return {
        "name": entry.name,
        "purpose": entry.purpose,
        "license": entry.license,
        "caution": entry.caution,
        "file": entry.file_name,
        "sha256": entry.content.sha256 if entry.content else None,
        "size_bytes": entry.content.size_bytes if entry.content else None,
        "url": entry.origin.url if isinstance(entry.origin, Download) else None,
        "package": entry.origin.name if isinstance(entry.origin, Package) else None,
        "status": status,
    }


def _print(found: Iterable[tuple[ModelEntry, Status]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    table = Table("name", "for", "licence", "size", "status", box=SIMPLE_HEAD)
    table.columns[3].justify = "right"
    cautions = []
    for entry, status in found:
        size = decimal(entry.content.size_bytes) if entry.content else ""
        table.add_row(entry.name, entry.purpose, entry.license, size, status)
        if entry.caution:
            cautions.append(f"{entry.name}: {entry.caution}")
    console.print(table, *cautions, sep="\n", markup=False)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _reporter(progress: Progress, name: str) -> Callable[[int, int], None]:
    task = progress.add_task(name, total=None)

    def report(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    return report
