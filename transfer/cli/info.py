"""``transfer info``: what a checkpoint is, whose, and under which terms."""

from __future__ import annotations

import json
from pathlib import Path

import click

from transfer.cli.options import PATH


@click.command()
@click.argument("checkpoint", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def info(checkpoint: Path, as_json: bool) -> None:
    """Say what CHECKPOINT holds: layout, shapes, parameters, origin, licence, hashes.

    Of other tools' files it says what `transfer convert` would make of them. Nothing that the file names is run.

    \b
    Example:
      transfer info photo64.safetensors
    """
    from transfer.checkpoints.about import about

    facts = about(checkpoint)
    if as_json:
        click.echo(json.dumps(facts, indent=2, sort_keys=True))
        return
    for name, value in facts.items():
        for line in _lines(name, value):
            click.echo(line)


def _lines(name: str, value: object) -> list[str]:
    label = f"{name.replace('_', ' '):20}"
    if isinstance(value, dict):
        return [
            f"{label} {word} {_shown(part)}" if not i else f"{'':20} {word} {_shown(part)}"
            for i, (word, part) in enumerate(value.items())
        ]
    return [f"{label} {_shown(value)}"]


def _shown(value: object) -> str:
    if value is None or value == []:
        return "—"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)
