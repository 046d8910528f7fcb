"""``drfhq crawl``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drfhq_tools.errors import UsageError

if TYPE_CHECKING:
    from drfhq_tools.crawl.run import CrawlRequest, CrawlSummary
    from drfhq_tools.crawl.walk import Tally

_PATH = click.Path(path_type=Path)
_FILE_WIDTH = 240  # of tables that go to a file or a pipe


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
    **settings: Any,
) -> None:
    """Bring pictures from the gallery that the TOML file SITE describes, or from a list, with their origin.

    Polite: robots.txt and its delay, one request at a time a host, Retry-After, and the owner's noai and TDM opt-outs
    are obeyed. The same command again goes on where it was cut, and retries what failed. docs/crawl.md tells more.

    \b
    Example:
      drfhq crawl gallery.toml --out raw/ --contact you@example.org --rights-basis 'written permission'
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


def _request(site: Path | None, urls: Path | None, settings: Mapping[str, Any]) -> CrawlRequest:
    """What is asked for: the command line over the TOML file."""
    from drfhq_tools.crawl.run import CrawlRequest, need_extra
    from drfhq_tools.crawl.site import Plan, read_plan
    from drfhq_tools.crawl.urllist import read_urls

    need_extra()
    if site is None and urls is None:
        raise UsageError("name a site's TOML file, or a list with --urls")
    plan = Plan() if site is None else read_plan(site)
    contact = settings["contact"] or plan.contact
    rights = settings["rights_basis"] or plan.rights_basis
    if contact is None or rights is None:
        missing = "--contact" if contact is None else "--rights-basis"
        raise UsageError(f"{missing} is needed, here or in the TOML file's [crawl]; --help says what for")
    limits = {"delay_s": settings["delay"], "max_pages": settings["max_pages"], "max_images": settings["max_images"]}
    given = {name: value for name, value in limits.items() if value is not None}
    return CrawlRequest(
        site=plan.site if urls is None else None,
        items=() if urls is None else read_urls(urls),
        hosts=(*plan.hosts, *settings["hosts"]),
        contact=contact,
        rights_basis=rights,
        accept=replace(plan.accept, mature=plan.accept.mature or settings["mature"]),
        limits=replace(plan.limits, **given),
        tombstones=settings["tombstones"],
        allow_private=settings["allow_private"],
        ignore_robots=settings["ignore_robots"],
        revisit=settings["revisit"],
    )


def _dry_run(request: CrawlRequest) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from drfhq_tools.crawl.preview import preview

    found = preview(request)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    table = Table("title", "author", "licence", "tags", "rating", "page", "picture", "left out", box=SIMPLE_HEAD)
    for shown in found.shown:
        item = shown.item
        said = (item.title, item.author, item.license or item.license_url, ", ".join(item.tags), item.rating)
        table.add_row(*(Text(cell or "") for cell in (*said, item.page_url, item.url, shown.against)))
    console.print(table)
    more = f"{found.more} more are listed. " if found.more else ""
    following = f"The next page is {found.next}. " if found.next else ""
    click.echo(f"{more}{following}Nothing was taken.")


@contextmanager
def _progress() -> Iterator[Callable[[Tally], None]]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from drfhq_tools.crawl.outcomes import Outcome

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("Asking")
        began = time.monotonic()

        def report(tally: Tally) -> None:
            rate = tally.outcomes.total() / max(time.monotonic() - began, 1e-9)
            failed = sum(count for outcome, count in tally.outcomes.items() if outcome.failed)
            counts = f"{tally.pages} pages, {tally.outcomes[Outcome.KEPT]} pictures kept, {failed} failed"
            bars.update(task, description=f"{counts}, {rate:.1f} a second")

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
