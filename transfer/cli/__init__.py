"""The command ``transfer``, one file a command. Only this package prints or exits; heavy imports wait for a command."""

from __future__ import annotations

import sys

import click

from drfhq_tools.errors import DrfhqError
from transfer import __version__
from transfer.cli.apply import apply
from transfer.cli.finetune import finetune
from transfer.cli.pretrain import pretrain

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 120})
@click.version_option(__version__, prog_name="transfer")
def transfer() -> None:
    """Fine-tune a face generator on rendered portraits and turn renders into realistic portraits of the same people."""


for command in (pretrain, finetune, apply):
    transfer.add_command(command)


def main() -> None:
    """Console entry point: errors become one line of advice on stderr and an exit code."""
    try:
        code = transfer.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except DrfhqError as error:
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    sys.exit(code)
