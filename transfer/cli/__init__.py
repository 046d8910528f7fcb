"""The command line ``transfer``, one file a command. Only this package prints or exits; heavy imports wait."""

from __future__ import annotations

import click

from drfhq_tools.errors import DrfhqError
from transfer import __version__
from transfer.cli.ablate import ablate
from transfer.cli.apply import apply
from transfer.cli.blend import blend
from transfer.cli.convert import convert
from transfer.cli.evaluate import evaluate
from transfer.cli.export import export
from transfer.cli.fetch import fetch
from transfer.cli.finetune import finetune
from transfer.cli.generate import generate
from transfer.cli.info import info
from transfer.cli.metrics import metrics
from transfer.cli.pretrain import pretrain
from transfer.cli.serve import serve
from transfer.cli.train_encoder import train_encoder
from transfer.memory import TOO_LITTLE, is_out_of_memory

INTERRUPTED = 130


class _ErrorsAsAdvice(click.Group):
    """Turns errors a user may meet into a line on stderr and their exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except DrfhqError as error:
            click.echo(f"transfer: {error}", err=True)
            ctx.exit(error.exit_code)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            click.echo(f"transfer: {TOO_LITTLE} ({error})", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(
    cls=_ErrorsAsAdvice,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 120},
)
@click.version_option(__version__, prog_name="transfer")
def main() -> None:
    """Fine-tune a face generator on rendered portraits and turn renders into realistic portraits of the same people.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs failed.
    """


for command in (
    pretrain,
    finetune,
    train_encoder,
    apply,
    convert,
    generate,
    info,
    fetch,
    metrics,
    blend,
    serve,
    export,
    ablate,
    evaluate,
):
    main.add_command(command)
