"""``drfhq remove``."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drfhq_tools.removal.remove import Removal

_PATH = click.Path(path_type=Path)


@click.command("remove")
@click.argument("data", type=_PATH)
@click.option("--sha256", multiple=True, metavar="HASH", help="Of a raw picture or of a crop.")
@click.option("--author", multiple=True, metavar="NAME", help="All pictures of theirs; case does not matter.")
@click.option("--source-url", multiple=True, metavar="URL", help="All pictures that came from this address.")
@click.option("--list", "list_file", type=_PATH, help="Lines, each a sha256, an address or author:NAME.")
@click.option("--reason", help="To be recorded with the time.")
@click.option("--runs", type=_PATH, multiple=True, help="Folder to search for training runs that saw the faces.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken out, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def remove_command(
    ctx: click.Context,
    data: Path,
    sha256: tuple[str, ...],
    author: tuple[str, ...],
    source_url: tuple[str, ...],
    list_file: Path | None,
    reason: str | None,
    runs: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take pictures, and all faces of them, out of the data set DATA for good.

    DATA/tombstones.parquet keeps them out of later builds there; give it to other builds and to crawls with
    --tombstones. Delete the raw pictures yourself: their paths are printed. Exit code 3: some of what was named is not
    there.

    \b
    Example:
      drfhq remove data/ --author 'Ann Artist' --reason 'asked by the artist' --runs runs/ --dry-run
    """
    from drfhq_tools.removal.remove import Request, read_list, remove

    listed = read_list(list_file) if list_file else None
    request = Request(
        sha256=frozenset(sha256) | (listed.sha256 if listed else frozenset()),
        authors=frozenset(author) | (listed.authors if listed else frozenset()),
        urls=frozenset(source_url) | (listed.urls if listed else frozenset()),
    )
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    removal = remove(data, request, removed_at=now, reason=reason, runs=runs, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(removal.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(removal, data, dry_run)
    if removal.unmatched:
        ctx.exit(3)


def _print(removal: Removal, data: Path, dry_run: bool) -> None:
    would = "would be taken" if dry_run else "taken"
    click.echo(f"{len(removal.faces)} faces of {len(removal.sources)} pictures {would} out of {data}")
    for path in removal.paths:
        click.echo(f"  raw picture: {path}")
    for word in removal.unmatched:
        click.echo(f"nothing is of {word}")
    if removal.copies:
        click.echo(f"{len(removal.copies)} faces that stay are copies of what goes: {' '.join(removal.copies)}")
    if removal.waiting:
        click.echo(f"{removal.waiting} faces were left out as copies of what goes; `drfhq filter` would take them in")
    seen = removal.exposure
    for run in seen.runs:
        click.echo(f"{run.run} saw {len(run.faces)} of the faces: {' '.join(run.faces)}")
        if run.cache:
            click.echo(f"  and keeps their pixels in {run.cache}")
    for folder in seen.unread:
        click.echo(f"{folder} could not be read")
    if seen.other:
        click.echo(f"{seen.other} runs learned from data that is not known here")
