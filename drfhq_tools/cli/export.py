"""``drfhq export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from drfhq_tools.cli.byte_bars import byte_bar
from drfhq_tools.errors import UsageError

if TYPE_CHECKING:
    from drfhq_tools.export import Exported, Progress

_FORMATS: Final = ("parquet", "imagefolder", "stylegan")
_SPLITS: Final = ("train", "val", "test")
_LABELS: Final = ("gender", "age_group", "race")
_PATH = click.Path(path_type=Path)
_MEGABYTE: Final = 1_000_000


@click.command("export")
@click.argument("data", type=_PATH)
@click.option("--format", "kind", type=click.Choice(_FORMATS), required=True, help="The layout.")
@click.option("--out", type=_PATH, required=True, help="A folder; for stylegan a file that ends in .zip.")
@click.option("--split", type=click.Choice(_SPLITS), help="One split alone.  [default: all]")
@click.option("--label", type=click.Choice(_LABELS), help="stylegan: what the labels are.  [default: no labels]")
@click.option(
    "--shard-mb",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="parquet: megabytes of crops in a shard.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export_command(
    data: Path, kind: str, out: Path, split: str | None, label: str | None, shard_mb: int, as_json: bool
) -> None:
    """Write the data set DATA in a layout that others read.

    parquet: shards with the pictures in them, as the Hugging Face Hub has them. imagefolder: pictures in train/,
    validation/ and test/ with metadata.parquet. stylegan: the zip NVIDIA's trainers take. `datasets.load_dataset` opens
    the first two. The same export once more does nothing.

    \b
    Example:
      drfhq export data/ --format stylegan --out data.zip
    """
    if label is not None and kind != "stylegan":
        raise UsageError(f"--label is for --format stylegan; {kind} has every column of the manifest")
    with byte_bar("Writing faces") as progress:
        exported = _export(data, kind, out, split, label, shard_mb * _MEGABYTE, progress)
    if as_json:
        click.echo(json.dumps(_document(exported), indent=2, ensure_ascii=False))
    else:
        _print(exported)
    if exported.mature:
        click.echo(f"{exported.mature} of the faces are of pictures rated mature", err=True)


def _export(
    data: Path, kind: str, out: Path, split: str | None, label: str | None, shard_bytes: int, progress: Progress
) -> Exported:
    from drfhq_tools.export import export_imagefolder, export_parquet, export_stylegan

    if kind == "parquet":
        return export_parquet(data, out, split=split, shard_bytes=shard_bytes, progress=progress)
    if kind == "imagefolder":
        return export_imagefolder(data, out, split=split, progress=progress)
    return export_stylegan(data, out, label=label, split=split, progress=progress)


def _document(exported: Exported) -> dict[str, object]:
    return {
        "out": exported.out.as_posix(),
        "faces": exported.faces,
        "files": len(exported.files),
        "size_bytes": exported.size_bytes,
        "mature": exported.mature,
        "written": exported.fresh,
    }


def _print(exported: Exported) -> None:
    from rich.filesize import decimal

    files = f"{len(exported.files)} file{'s' if len(exported.files) != 1 else ''}"
    holds = f"{exported.faces} faces in {files}, {decimal(exported.size_bytes)}"
    click.echo(f"{exported.out}: {holds}{'' if exported.fresh else '; it was there already, nothing was written'}")
