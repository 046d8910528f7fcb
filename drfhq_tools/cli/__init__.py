"""The command line ``drfhq``. Here, and only here, the toolkit prints and exits.

Commands import what they need when they run: ``drfhq --help`` loads neither torch nor pyarrow.
"""

from __future__ import annotations

import click

from drfhq_tools import __version__
from drfhq_tools.cli.balance import balance_command
from drfhq_tools.cli.build import build_command
from drfhq_tools.cli.card import card_command
from drfhq_tools.cli.crawl import crawl_command
from drfhq_tools.cli.export import export_command
from drfhq_tools.cli.filter import filter_command
from drfhq_tools.cli.merge import merge_command
from drfhq_tools.cli.models import models_group
from drfhq_tools.cli.push import push_command
from drfhq_tools.cli.remove import remove_command
from drfhq_tools.cli.report import report_command
from drfhq_tools.cli.review import review_command
from drfhq_tools.cli.stats import stats_command
from drfhq_tools.cli.verify import verify_command
from drfhq_tools.errors import DrfhqError


class _ErrorsAsAdvice(click.Group):
    """Turns the toolkit's errors into a line on stderr and their exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except DrfhqError as error:
            click.echo(f"drfhq: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("drfhq: interrupted; nothing finished was changed", err=True)
            ctx.exit(1)


@click.group(cls=_ErrorsAsAdvice, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="drfhq")
def main() -> None:
    """Build FFHQ-style data sets of faces from folders of rendered pictures.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs failed.
    """


main.add_command(balance_command)
main.add_command(build_command)
main.add_command(card_command)
main.add_command(crawl_command)
main.add_command(export_command)
main.add_command(filter_command)
main.add_command(merge_command)
main.add_command(models_group)
main.add_command(push_command)
main.add_command(remove_command)
main.add_command(report_command)
main.add_command(review_command)
main.add_command(stats_command)
main.add_command(verify_command)
