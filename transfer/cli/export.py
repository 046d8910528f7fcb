"""``transfer export``: a run's encoder and realistic generator for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from transfer.cli.options import PATH, say


@click.command()
@click.argument("run", type=PATH)
@click.option("--onnx", "onnx_file", type=PATH, required=True, help="The file to write.")
def export(run: Path, onnx_file: Path) -> None:
    """Write the encoder and the realistic generator of RUN as one ONNX graph: aligned portrait in, realistic one out.

    RUN needs an encoder (`transfer train-encoder`). The graph takes any batch of float32 portraits, (batch, 3, R, R),
    RGB in [-1, 1], and is compared with PyTorch before it is left behind. docs/onnx.md says how to use it.

    \b
    Example:
      transfer export runs/mine --onnx portrait.onnx
    """
    from transfer.onnx_export import export_run

    difference = export_run(run, onnx_file)
    say(f"{onnx_file.stat().st_size / 1e6:.1f} MB; largest difference to PyTorch {difference:.1e}")
    click.echo(onnx_file)
