"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from drfhq_tools.config import PRESETS
from drfhq_tools.errors import UsageError

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


def labeler_model_option(command: _Command) -> _Command:
    """Adds ``--labeler-model NAME=FILE`` (parameter ``labeler_models``, a tuple of texts for :func:`files_by_name`)."""
    return click.option(
        "--labeler-model",
        "labeler_models",
        multiple=True,
        metavar="NAME=FILE",
        help="Model file of a labeler, if not the fetched one: fairface=res34_fair_align.pt. Repeatable.",
    )(command)


def files_by_name(texts: Iterable[str]) -> dict[str, Path]:
    """Files from texts NAME=FILE, the last of a name holding.

    Raises:
        UsageError: a text is of another form.
    """
    parted = [text.partition("=") for text in texts]
    wrong = next((name for name, equals, file in parted if not (name and equals and file)), None)
    if wrong is not None:
        raise UsageError(f"cannot read {wrong!r}; write NAME=FILE, such as fairface=res34_fair_align.pt")
    return {name: Path(file) for name, _, file in parted}
