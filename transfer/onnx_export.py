"""Encoder and realistic generator of a run as one ONNX graph, for programs without PyTorch: game engines, browsers.

    portrait   (batch, 3, R, R) float32 RGB in [-1, 1], FFHQ-aligned as the run's training pictures
    realistic  (batch, 3, R, R) float32 RGB about [-1, 1], to be clamped
    ws         (batch, num_ws, w_dim) float32, the latents in between

Any batch, fp32, constant noise, opset :data:`OPSET`. What PyTorch would compute is written down operation by operation
by its own exporter (torch.export), and checked against PyTorch before the file is left behind.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from drfhq_tools.atomic import replacing
from drfhq_tools.errors import MissingExtraError
from drfhq_tools.hashing import sha256_file
from transfer.checkpoints import load_checkpoint
from transfer.checkpoints.about import UNSTATED
from transfer.checkpoints.encoder import load_encoder
from transfer.errors import ConfigError, TransferError
from transfer.networks.encoder import Encoder
from transfer.networks.generator import Generator
from transfer.run_folder import RunFolder

if TYPE_CHECKING:
    import onnx

OPSET: Final = 18
TOLERANCE: Final = 1e-3
"""Largest difference to PyTorch, in the units of the pictures, that a file is left behind with."""


class _Portrait(nn.Module):
    """What the graph computes."""

    def __init__(self, encoder: Encoder, generator: Generator) -> None:
        super().__init__()
        self.encoder = encoder
        self.synthesis = generator.synthesis

    def forward(self, portrait: Tensor) -> tuple[Tensor, Tensor]:
        ws: Tensor = self.encoder(portrait)
        return self.synthesis(ws), ws


def export_run(run: Path, path: Path) -> float:
    """Write the graph of a run's encoder and source generator to ``path``, whole; returns the largest difference to
    PyTorch on three portraits of noise.

    Raises:
        MissingExtraError: the packages of the extra ``onnx`` are not there.
        CheckpointError: the folder holds no run, or its encoder is not trained yet.
        ConfigError: encoder and generator are of different shapes.
        TransferError: the graph computes something else than PyTorch.
    """
    _need_extra()
    folder = RunFolder(run)
    run_about = folder.read_about()
    encoder, _ = load_encoder(folder.encoder)
    source = load_checkpoint(folder.source)
    spec = source.generator.spec
    if encoder.spec != spec:
        raise ConfigError(f"{folder.encoder} was trained for another generator: run `transfer train-encoder` again")
    about = {
        "producer": "drfhq-tools",
        "spec": json.dumps(spec.to_dict()),
        "landmark_scheme": str(run_about.get("landmark_scheme")),
        "license": str(source.card.get("license", UNSTATED)),
        "generator_sha256": sha256_file(folder.source),
        "encoder_sha256": sha256_file(folder.encoder),
    }
    network = _Portrait(encoder, source.generator).eval().requires_grad_(False)
    model = graph_of(network, spec.resolution)
    for name, value in about.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value
    with replacing(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
        difference = largest_difference(network, temporary, spec.resolution)
        if not difference <= TOLERANCE:
            raise TransferError(f"the graph differs from PyTorch by {difference:g}; this is an error of the export")
    return difference


def graph_of(network: nn.Module, resolution: int) -> onnx.ModelProto:
    """The ONNX graph of portraits (batch, 3, resolution, resolution) → realistic, ws."""
    example = torch.zeros(2, 3, resolution, resolution)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["portrait"],
            output_names=["realistic", "ws"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    assert program is not None
    return program.model_proto


def largest_difference(network: nn.Module, path: Path, resolution: int) -> float:
    """Of any output, between PyTorch and onnxruntime on a CPU, for three portraits of seeded noise."""
    import onnxruntime  # noqa: PLC0415  an extra

    portraits = torch.rand(3, 3, resolution, resolution, generator=torch.Generator().manual_seed(0)) * 2 - 1
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = network(portraits)
    given = session.run(None, {"portrait": portraits.numpy()})
    return max(float((a - torch.from_numpy(b)).abs().max()) for a, b in zip(wanted, given, strict=True))


def _need_extra() -> None:
    try:
        import onnx  # noqa: F401, PLC0415
        import onnxruntime  # noqa: F401, PLC0415
        import onnxscript  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "transfer export needs onnx, onnxruntime and onnxscript: pip install 'drfhq-tools[onnx]'"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of its own insides, and that torchvision, which no network here uses, is absent."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
