"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from drfhq_tools.config import PRESETS

_Command = TypeVar("_Command", bound=Callable[..., Any])


def rule_options(command: _Command) -> _Command:
    """Adds ``--preset NAME`` (parameter ``preset``) and ``--set NAME=VALUE`` (``assignments``, a tuple of texts for
    :func:`drfhq_tools.config.parse_settings`)."""
    setting = click.option(
        "--set",
        "assignments",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any setting by its name in --config, or a rule by its measure: --set yaw_deg=30. Repeatable.",
    )
    preset = click.option(
        "--preset", type=click.Choice(list(PRESETS)), help="Rules under a name; other settings override them."
    )
    return preset(setting(command))
