"""``drfhq verify``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.cli.progress import progress_bars

if TYPE_CHECKING:
    from drfhq_tools.verify import Report


@click.command("verify")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--deep", is_flag=True, help="Also read, decode and hash every crop, and look for copies anew.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.pass_context
def verify_command(ctx: click.Context, data: Path, deep: bool, as_json: bool) -> None:
    """Check whether the data set DATA is what it says; nothing is changed.

    Tables are held against their schema, their vocabulary, their numbers' ranges and each other, crops against their
    rows, splits against leaks. Exit code 0: nothing found; 1: something was.

    \b
    Example:
      drfhq verify data/ --deep
    """
    from drfhq_tools.verify import verify

    with progress_bars() as progress:
        report = verify(data, deep=deep, progress=progress)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(report, data)
    if not report.clean:
        ctx.exit(1)


def _print(report: Report, data: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from drfhq_tools.verify import CHECKS

    console = Console(highlight=False)
    checks = Table("check", "found", "what holds, or what to do", box=SIMPLE_HEAD)
    checks.columns[1].justify = "right"
    for name in report.checks:
        holds, advice = CHECKS[name]
        checks.add_row(name, str(report.counts[name] or "ok"), advice if report.counts[name] else holds)
    console.print(checks)
    for finding in report.findings:
        console.print(Text(f"{finding.check}: {finding.where}: {finding.what}"))
    left = report.counts.total() - len(report.findings)
    if left:
        console.print(f"and {left} more")
    console.print(Text(f"{report.faces} faces in {data}: {'nothing found' if report.clean else 'see above'}"))
