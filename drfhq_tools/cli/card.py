"""``drfhq card``."""

from __future__ import annotations

from pathlib import Path

import click

from drfhq_tools.errors import UsageError

_PATH = click.Path(path_type=Path)


@click.command("card")
@click.argument("data", type=_PATH)
@click.option("--contact", required=True, metavar="ADDRESS", help="Mail or web address for asking to be taken out.")
@click.option("--repo", metavar="USER/NAME", help="Where on the Hub it is, or will be.")
@click.option("--title", help="The data set's name.  [default: the folder's]")
@click.option("--about", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Markdown of your own.")
@click.option("--out", type=_PATH, help="File to write.  [default: README.md in DATA]")
@click.option("--overwrite", is_flag=True, help="Replace a card that is there.")
def card_command(
    data: Path, contact: str, repo: str | None, title: str | None, about: Path | None, out: Path | None, overwrite: bool
) -> None:
    """Write a Hugging Face data-set card for the data set DATA.

    Who is in it and how that is known, where it comes from and by what right, how it was made and with whose weights,
    its limits, what it is for and not for, whom to ask for a removal. `drfhq push` sends it along.

    \b
    Example:
      drfhq card data/ --contact mail@example.org --repo ann/DRFHQ
    """
    from drfhq_tools.atomic import write_file
    from drfhq_tools.card import Maker, card_text

    path = out or data / "README.md"
    try:
        words = about.read_text(encoding="utf-8") if about else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {about} as UTF-8 text: {error}") from error
    text = card_text(data, Maker(contact=contact, repo=repo, title=title, about=words))
    there = path.read_bytes() if path.is_file() else None
    if there not in (None, text.encode()) and not overwrite:
        raise UsageError(f"{path} is there and says something else: give --overwrite, or another --out")
    try:
        write_file(path, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"The card is {path}")
