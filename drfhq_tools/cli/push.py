"""``drfhq push``."""

from __future__ import annotations

import datetime
import json
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from drfhq_tools.cli.byte_bars import byte_bar
from drfhq_tools.errors import DrfhqError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from drfhq_tools.export import ExportedFile
    from drfhq_tools.publish import Plan, Sent

_PATH = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_MEGABYTE: Final = 1_000_000


@click.command("push")
@click.argument("data", type=_PATH)
@click.option("--repo", required=True, metavar="USER/NAME", help="The repository; made where there is none.")
@click.option("--public", is_flag=True, help="Let everyone see it.  [default: private]")
@click.option("--version", metavar="VERSION", help="What to call the release in DATA/releases.  [default: 1, 2, …]")
@click.option("--allow-unlicensed", is_flag=True, help="Push faces with neither licence nor rights basis too.")
@click.option("--purge-history", is_flag=True, help="Make the repository forget all it held before, for good.")
@click.option("--card", type=_FILE, help="The repository's README.md.  [default: DATA/README.md, if there]")
@click.option("--cache", type=_PATH, help="Folder to write shards to and keep them in.  [default: DATA/.drfhq-push]")
@click.option("--shard-mb", type=click.IntRange(min=1), default=500, show_default=True, help="Megabytes in a shard.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def push_command(
    data: Path,
    repo: str,
    public: bool,
    version: str | None,
    allow_unlicensed: bool,
    purge_history: bool,
    card: Path | None,
    cache: Path | None,
    shard_mb: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish the data set DATA on the Hugging Face Hub, or bring what is there up to date.

    Needs a token: `hf auth login`, or HF_TOKEN. What the repository has is not sent again, what was taken out of DATA
    goes out of it. Pictures rated mature are never pushed. Each release is recorded in DATA/releases. The same command
    goes on with a push that was cut.

    \b
    Example:
      drfhq push data/ --repo user/DRFHQ --dry-run
    """
    from drfhq_tools.publish import PushCutError, Request, planned, send

    request = Request(
        data=data,
        repo=repo,
        public=public,
        version=version,
        allow_unlicensed=allow_unlicensed,
        purge_history=purge_history,
        card=_card(data, card),
        cache=cache,
        shard_bytes=shard_mb * _MEGABYTE,
        bars=sys.stderr.isatty(),
    )
    sent = None
    with ExitStack() as stack:
        with byte_bar("Writing shards") as progress:
            plan, hub = stack.enter_context(planned(request, dry_run=dry_run, progress=progress))
        _print_plan(plan, dry_run=dry_run, err=as_json or not dry_run)
        if hub is not None and not dry_run:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            try:
                sent = send(plan, hub, pushed_at=now, sent=_teller(plan))
            except PushCutError as error:
                raise DrfhqError(f"{error}. Go on with: {_command()}") from error
    if as_json:
        click.echo(json.dumps(_document(plan, sent), indent=2, ensure_ascii=False))
    elif sent is not None:
        _print_sent(sent)


def _card(data: Path, given: Path | None) -> bytes | None:
    from drfhq_tools.publish import CARD_NAME

    path = given or data / CARD_NAME
    try:
        return path.read_bytes() if given or path.is_file() else None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _print_plan(plan: Plan, *, dry_run: bool, err: bool) -> None:
    from rich.filesize import decimal

    request, state = plan.request, plan.state
    there = "not asked, there is no token" if not plan.asked else "new" if state is None else "there"
    click.echo(
        f"{request.repo} ({'public' if request.public else 'private'}, {there}): {plan.exported.faces} faces in"
        f" {len(plan.shards)} shards, {decimal(plan.exported.size_bytes)}",
        err=err,
    )
    missing = sum(shard.size_bytes for shard in plan.missing)
    click.echo(
        f"to send: {len(plan.missing)} shards, {decimal(missing)}; to take out: {len(plan.deleted)};"
        f" README.md: {'to send' if plan.card_changes else 'as it is' if request.card else 'none, see drfhq card'}",
        err=err,
    )
    if dry_run:
        for shard in plan.missing:
            click.echo(f"send {shard.path} {decimal(shard.size_bytes)}", err=err)
        for path in plan.deleted:
            click.echo(f"take out {path}", err=err)
    if plan.rights.unlicensed:
        click.echo(f"{plan.rights.unlicensed} faces have neither licence nor rights basis", err=err)


def _teller(plan: Plan) -> Callable[[ExportedFile], None]:
    """Says how far it is after each shard; within one, the client's own bar does."""
    from rich.filesize import decimal

    total = sum(shard.size_bytes for shard in plan.missing)
    done = [0, 0]

    def tell(shard: ExportedFile) -> None:
        done[0] += 1
        done[1] += shard.size_bytes
        so_far = f"{done[0]} of {len(plan.missing)}, {decimal(done[1])} of {decimal(total)}"
        click.echo(f"sent {shard.path} ({so_far})", err=True)

    return tell


def _print_sent(sent: Sent) -> None:
    release = sent.release
    did = "is there now" if sent.committed else "was there already, nothing was sent"
    did += ", and nothing of what was before" if release.history_purged else ""
    click.echo(f"{release.repo}: release {release.version} {did}; revision {release.revision}; noted in {sent.record}")
    gone = release.removed
    if sent.committed and gone and gone.faces and not release.history_purged:
        click.echo(
            f"{len(gone.faces)} faces of release {gone.version} are no longer in it, {gone.taken_out} of them taken out"
            " for good; the repository's history still has them: --purge-history makes it forget them",
            err=True,
        )


def _document(plan: Plan, sent: Sent | None) -> dict[str, object]:
    return {
        "repo": plan.request.repo,
        "version": sent.release.version if sent else plan.version,
        "faces": plan.exported.faces,
        "shards": [{"path": s.path, "size_bytes": s.size_bytes, "sha256": s.sha256} for s in plan.shards],
        "missing": [shard.path for shard in plan.missing],
        "deleted": list(plan.deleted),
        "pushed": sent is not None,
        "committed": sent is not None and sent.committed,
        "revision": sent.release.revision if sent else None,
        "record": sent.record.as_posix() if sent else None,
    }


def _command() -> str:
    """What was typed, which is also what goes on."""
    return shlex.join(["drfhq", *sys.argv[1:]])
