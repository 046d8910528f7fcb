"""``drfhq crawl``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.errors import UsageError

if TYPE_CHECKING:
    from drfhq_tools.crawl.run import CrawlRequest, CrawlSummary
    from drfhq_tools.crawl.walk import Tally

_PATH = click.Path(path_type=Path)


@click.command("crawl")
@click.argument("site", type=_PATH, required=False)
@click.option("--urls", type=_PATH, help="CSV or Parquet with a column url; other columns say more of each picture.")
@click.option("--out", type=_PATH, help="Folder for the pictures and provenance.parquet.")
@click.option("--contact", help="Mail or web address at which a site's owner reaches you; sent with every request.")
@click.option("--rights-basis", help="Why you may keep these pictures, in your own words; recorded with each.")
@click.option("--delay", type=float, help="Least seconds between requests to a host.  [default: robots.txt's, else 1]")
@click.option("--max-pages", type=int, help="Pages to ask for at most.")
@click.option("--max-images", type=int, help="Pictures in the folder at most.")
@click.option("--allow-host", "hosts", multiple=True, help="Another host that may be asked, such as *.cdn.example.")
@click.option("--mature", is_flag=True, help="Take pictures rated or tagged as mature too.")
@click.option("--revisit", is_flag=True, help="Ask again, for news only, for pictures that are here.")
@click.option("--tombstones", type=_PATH, multiple=True, help="What to leave alone; OUT/tombstones.parquet counts too.")
@click.option("--allow-private", is_flag=True, help="Ask private and loopback addresses too.")
@click.option("--ignore-robots-with-the-owners-permission", "ignore_robots", is_flag=True, help="Recorded with each.")
@click.option("--dry-run", is_flag=True, help="Show the first page's items, or the list's first, and take nothing.")
@click.pass_context
def crawl_command(
    ctx: click.Context,
    /,
    site: Path | None,
    urls: Path | None,
    out: Path | None,
    dry_run: bool,
    **settings: object,
) -> None:
    """Bring pictures from the gallery that the TOML file SITE describes, or from a list, with their origin.

    Polite: robots.txt and its delay, one request at a time a host, Retry-After, and the owner's noai and TDM opt-outs
    are obeyed. The same command again goes on where it was cut, and retries what failed. docs/crawl.md tells more.
    """
    request = _request(site, urls, settings)
    if dry_run:
        _dry_run(request)
        return
    if out is None:
        raise UsageError("name the folder to fill with --out, or look first with --dry-run")
    from drfhq_tools.crawl.run import crawl

    with _progress() as progress:
        summary = crawl(request, out, progress)
    _print(summary)
    click.echo(f"{summary.pictures} pictures and provenance.parquet are in {out}")
    if summary.failed:
        ctx.exit(3)


def _request(site: Path | None, urls: Path | None, settings: dict[str, object]) -> CrawlRequest:
    """What is asked for: the command line over the TOML file."""
    from drfhq_tools.crawl.run import CrawlRequest, need_extra
    from drfhq_tools.crawl.site import Plan, read_plan
    from drfhq_tools.crawl.urllist import read_urls

    need_extra()
    if site is None and urls is None:
        raise UsageError("name a site's TOML file, or a list with --urls")
    plan = Plan() if site is None else read_plan(site)
    contact = _text(settings["contact"]) or plan.contact
    rights = _text(settings["rights_basis"]) or plan.rights_basis
    if contact is None or rights is None:
        missing = "--contact" if contact is None else "--rights-basis"
        raise UsageError(f"{missing} is needed, here or in the TOML file's [crawl]; --help says what for")
    limits = {"delay_s": settings["delay"], "max_pages": settings["max_pages"], "max_images": settings["max_images"]}
    given = {name: value for name, value in limits.items() if value is not None}
    return CrawlRequest(
        site=plan.site if urls is None else None,
        items=() if urls is None else read_urls(urls),
        hosts=(*plan.hosts, *settings["hosts"]),  # type: ignore[misc]
        contact=contact,
        rights_basis=rights,
        accept=replace(plan.accept, mature=plan.accept.mature or bool(settings["mature"])),
        limits=replace(plan.limits, **given),  # type: ignore[arg-type]
        tombstones=settings["tombstones"],  # type: ignore[arg-type]
        allow_private=bool(settings["allow_private"]),
        ignore_robots=bool(settings["ignore_robots"]),
        revisit=bool(settings["revisit"]),
    )


def _text(value: object) -> str | None:
    return str(value) if value is not None else None


def _dry_run(request: CrawlRequest) -> None:
    raise NotImplementedError(time, request)


@contextmanager
def _progress() -> Iterator[Callable[[Tally], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("Asking")
        began = time.monotonic()

        def report(tally: Tally) -> None:
            done = tally.outcomes.total()
            failed = sum(count for outcome, count in tally.outcomes.items() if outcome.failed)
            rate = done / max(time.monotonic() - began, 1e-9)
            text = f"{tally.pages} pages, {tally.outcomes['kept']} pictures kept, {failed} failed, {rate:.1f} a second"  # type: ignore[index]
            bars.update(task, description=text)

        yield report


def _print(summary: CrawlSummary) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("outcome", "count", box=SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for outcome, count in sorted(summary.outcomes.items(), key=lambda pair: -pair[1]):
        table.add_row(outcome.value, str(count))
    Console().print(table)
