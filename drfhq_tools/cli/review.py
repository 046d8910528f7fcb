"""``drfhq review``."""

from __future__ import annotations

import datetime
import getpass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.errors import UsageError

if TYPE_CHECKING:
    from drfhq_tools.review.session import Session


@click.command("review")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--reviewer", metavar="NAME", help="Who decides, to be recorded.  [default: the login name]")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; 0, the default, takes a free one."
)
@click.option(
    "--open/--no-open", "show_page", default=True, help="Open the page in the browser, or print its address alone."
)
def review_command(data: Path, reviewer: str | None, port: int, show_page: bool) -> None:
    """Look through the faces of the data set DATA in a browser: keep, reject, set labels.

    The page can be reached from this machine alone, by the address that is printed. Every decision is at once a line of
    DATA/reviews.jsonl, which the next `drfhq build` applies; nothing else is changed. Ctrl-C ends it.

    \b
    Example:
      drfhq review data/ --reviewer ana
    """
    from drfhq_tools.local_page import Gate, Guarded, listen, need_web_extra, server_of, show

    need_web_extra("drfhq review")
    from drfhq_tools.review.app import MAX_BODY_BYTES, ReviewPage
    from drfhq_tools.review.session import Session
    from drfhq_tools.review.thumbnails import Thumbnails

    session = Session(data, _name(reviewer), _now)
    with listen(port) as listener:
        gate = Gate(port=listener.getsockname()[1], max_body_bytes=MAX_BODY_BYTES)
        click.echo(gate.address)
        click.echo(f"{len(session.shelf)} faces; open the address above, and end with Ctrl-C", err=True)
        if show_page:
            show(gate.address)
        page = ReviewPage(session, Thumbnails()).application()
        try:
            server_of(Guarded(page, gate)).run(sockets=[listener])
        except KeyboardInterrupt:
            click.echo("", err=True)
    _print_summary(session, data)


def _print_summary(session: Session, data: Path) -> None:
    if not session.decisions:
        click.echo("No decision was made")
        return
    settled = [session.reviews[face_id] for face_id in session.decided if face_id in session.reviews]
    kept, rejected = (sum(review.verdict == verdict for review in settled) for verdict in ("keep", "reject"))
    labelled = sum(bool(review.labels) for review in settled)
    click.echo(
        f"{session.decisions} decisions on {len(session.decided)} faces: {kept} kept, {rejected} rejected,"
        f" {labelled} with labels set"
    )
    click.echo(f"They are in {data / 'reviews.jsonl'}; the next build applies them: drfhq build --raw RAW --out {data}")


def _name(reviewer: str | None) -> str:
    try:
        name = getpass.getuser() if reviewer is None else reviewer.strip()
    except (OSError, KeyError, ImportError) as error:  # KeyError before Python 3.13
        raise UsageError("there is no login name: give --reviewer NAME") from error
    if not name:
        raise UsageError("--reviewer is empty")
    return name


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
