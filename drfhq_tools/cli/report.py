"""``drfhq report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: report.html in DATA]")
@click.option("--raw", type=click.Path(path_type=Path), help="Folder DATA was built from: shows what was left out.")
def report_command(data: Path, out: Path | None, raw: Path | None) -> None:
    """Write one HTML page on the data set DATA that opens anywhere, offline.

    Who is in it and how sure that is, from raw pictures to kept faces with the reasons, faces by cell, the worst by
    every measure, what was left out, copies, licences, splits. It holds small copies of faces: share it as you would
    share them.

    \b
    Example:
      drfhq report data/ --raw renders/
    """
    from drfhq_tools.report import write_report

    written = write_report(data, out=out, raw=raw)
    if written.missing_crops:
        click.echo(f"{written.missing_crops} crops are missing or damaged: run `drfhq verify {data} --deep`", err=True)
    if written.missing_raw:
        click.echo(f"{written.missing_raw} of what was left out is not in {raw} as it was", err=True)
    click.echo(f"{written.path} ({written.size_bytes / 1e6:.1f} MB)")
