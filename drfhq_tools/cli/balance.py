"""``drfhq balance``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from drfhq_tools.balance import Balance
    from drfhq_tools.stats import Vocabulary


@click.command("balance")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--by", required=True, help="What to balance: some of gender,age_group,race.")
@click.option("--target", default="uniform", help="The shares wanted: uniform, or a .toml, .json or .csv file.")
@click.option("--out", type=click.Path(path_type=Path), help="The table to write; by default DATA/weights.parquet.")
@click.option("--subset", is_flag=True, help="Choose faces, weights of 0 and 1, instead of weighting all.")
@click.option("--faces", type=int, help="Faces the balanced set is to have; decides what is missing, or is drawn.")
@click.option("--max-weight", type=float, default=5.0, help="The largest weight; the mean is 1.")
@click.option(
    "--unknown", type=click.Choice(["drop", "keep"]), default="drop", help="Faces of unknown class: never, or weight 1."
)
@click.option(
    "--vocabulary", type=click.Choice(["fairface", "declared"]), default="fairface", help="As in `drfhq stats`."
)
@click.option("--split", default="train", help="The split whose faces get weights, or all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def balance_command(
    data: Path,
    by: str,
    target: str,
    out: Path | None,
    subset: bool,
    faces: int | None,
    max_weight: float,
    unknown: Literal["drop", "keep"],
    vocabulary: Vocabulary,
    split: str,
    as_json: bool,
) -> None:
    """Weight the faces of the data set DATA so that shares come near a target, for `transfer finetune --weights`.

    Says what cannot be reached, and how many renders of whom are missing. The table holds for this state of the data
    set: make it anew after a rebuild. docs/balance.md says how it is computed.

    \b
    Example:
      drfhq balance data/ --by race,gender
    """
    from drfhq_tools.atomic import write_file
    from drfhq_tools.balance import BalanceConfig, read_balance
    from drfhq_tools.manifest.weights import WEIGHTS_NAME, weights_bytes
    from drfhq_tools.stats import read_target

    config = BalanceConfig(
        by=tuple(word.strip() for word in by.split(",")),
        target=read_target(target),
        vocabulary=vocabulary,
        split=split,
        unknown=unknown,
        max_weight=max_weight,
        subset=subset,
        faces=faces,
    )
    balance = read_balance(data, config)
    path = out or data / WEIGHTS_NAME
    write_file(path, weights_bytes(balance.weights))
    if as_json:
        click.echo(json.dumps(balance.to_json() | {"file": str(path)}, indent=2))
    else:
        _print(balance)
    click.echo(f"wrote {path}", err=True)


def _print(balance: Balance) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    table, by = Table(box=SIMPLE_HEAD), balance.config.by
    for place, header in enumerate([*by, "faces", "people", "share", "reached", "target"]):
        table.add_column(header, justify="left" if place < len(by) else "right")
    for cell in balance.cells:
        if cell.faces:
            figures = (f"{share:.1%}" for share in (cell.share, cell.reached, cell.target))
            table.add_row(*cell.cell, str(cell.faces), str(cell.people), *figures)
    console.print(table)
    unreached = [cell for cell in balance.cells if cell.target and not cell.faces]
    wanted = sum(cell.target > 0 for cell in balance.cells)
    if unreached:
        console.print(
            f"Not to be reached: {len(unreached)} of {wanted} cells wanted have no face, which is"
            f" {sum(cell.target for cell in unreached):.1%} of the target. Their share goes to the others."
        )
    console.print(
        f"{balance.used} of {len(balance.weights.faces)} faces in split {balance.config.split} have a weight;"
        f" {balance.unknown} are of unknown class."
        f" {balance.capped} weights were cut to the largest."
        f"\nEffective sample size (Kish): {balance.effective_faces:.1f} faces, {balance.effective_people:.1f} people."
    )
    if missing := [cell for cell in balance.cells if cell.missing]:
        console.print(f"Missing, {sum(cell.missing for cell in missing)} faces in all:")
        for cell in sorted(missing, key=lambda cell: -cell.missing):
            console.print(f"  {cell.missing} more: {', '.join(cell.cell)} (now {cell.faces} of {cell.people} people)")
