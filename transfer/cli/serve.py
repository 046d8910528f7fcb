"""``transfer serve``: a page on this machine to translate pictures on."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from drfhq_tools.errors import UsageError
from transfer.cli.options import PATH, say


@click.command()
@click.argument("run", type=PATH)
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
@click.option("--inverter", default="auto", help="How latents are found; docs/inversion.md lists the ways.")
@click.option("--steps", type=click.IntRange(2), help="Inversion steps a face; more is closer and slower.")
@click.option("--keep", type=PATH, help="Write every result to this folder too; without it nothing is written.")
@click.option("--max-mb", type=click.FloatRange(0.1, 2000), default=40, help="Megabytes of a picture's file.")
@click.option("--max-megapixels", type=click.FloatRange(0.01, 200), default=50, help="Megapixels of a picture.")
@click.option("--max-pictures", type=click.IntRange(1, 1000), default=8, help="Pictures open at once, one a tab.")
@click.option("--max-seconds", type=click.FloatRange(1), default=600, help="Seconds of work on one request.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; 0 takes a free one.")
@click.option(
    "--open/--no-open", "show_page", default=True, help="Open the page in the browser, or print its address alone."
)
def serve(
    run: Path,
    device: str,
    inverter: str,
    steps: int | None,
    keep: Path | None,
    max_mb: float,
    max_megapixels: float,
    max_pictures: int,
    max_seconds: float,
    port: int,
    show_page: bool,
) -> None:
    """Open a page on which to drop a picture, pick its faces and make them realistic with RUN.

    The page can be reached from this machine alone, by the address that is printed. Pictures stay in memory and are
    forgotten when their tab is closed. Ctrl-C ends it.

    \b
    Example:
      transfer serve runs/mine --keep out/
    """
    from drfhq_tools.local_page import JSON, Gate, Guarded, listen, need_web_extra, server_of, show

    need_web_extra("transfer serve")
    from transfer.device import keep_freed_memory
    from transfer.render2real import RenderedToReal
    from transfer.serve.app import UPLOAD, ServePage
    from transfer.serve.studio import Limits, Studio

    if keep is not None and keep.exists() and not keep.is_dir():
        raise UsageError(f"--keep {keep} is a file: name a folder")
    keep_freed_memory()
    limits = Limits(
        upload_bytes=int(max_mb * 1e6), pixels=int(max_megapixels * 1e6), pictures=max_pictures, seconds=max_seconds
    )
    with listen(port) as listener:
        renderer = RenderedToReal.from_run(run, device, inverter=inverter, steps=steps)
        studio = Studio(renderer, limits, keep, say=say)
        gate = Gate(
            port=listener.getsockname()[1],
            max_body_bytes=limits.upload_bytes,
            body_types=frozenset({JSON, UPLOAD}),
        )
        worker = threading.Thread(target=studio.work, name="worker", daemon=True)
        worker.start()
        click.echo(gate.address)
        say("open the address above, and end with Ctrl-C")
        if show_page:
            show(gate.address)
        try:
            server_of(Guarded(ServePage(studio).application(), gate)).run(sockets=[listener])
        except KeyboardInterrupt:
            click.echo("", err=True)
        finally:
            studio.close()
            worker.join(timeout=30)
