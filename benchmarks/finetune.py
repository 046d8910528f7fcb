"""Did fine-tuning move the generator towards the renders, and is each latent still the same person?

    python benchmarks/finetune.py RUN [RUN …] --data DATA [--densenet FILE] [--count 400]

Prints one JSON object a run. ``kernel_*``: kernel distance on fixed features to the data set's faces, equal counts on
both sides (each picture and its mirror image), for the source's and the tuned generator's images. ``identity_*``:
similarity between source and tuned image of one latent, median over ``count`` latents: 1 the same picture, 0
strangers. The ResNet is the network the identity term trains against; the DenseNet, where given, is held out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from drfhq_tools.manifest import open_manifest
from transfer.checkpoints import load_checkpoint
from transfer.data import load_portraits
from transfer.metrics.features import face_features
from transfer.metrics.identity import identity_distance, identity_similarity
from transfer.metrics.kernel import kernel_distance
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet, load_densenet, load_resnet
from transfer.randomness import Purpose, SampleRandom
from transfer.run_folder import RunFolder

SEED = 12345


@torch.no_grad()
def main() -> None:
    """Measure each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--densenet", type=Path)
    parser.add_argument("--count", type=int, default=400)
    arguments = parser.parse_args()
    resnet = load_resnet()
    networks = {"resnet": resnet} | ({"densenet": load_densenet(arguments.densenet)} if arguments.densenet else {})
    manifest = open_manifest(arguments.data)
    for run in arguments.runs:
        folder = RunFolder(run)
        source, tuned = (load_checkpoint(path).generator for path in (folder.source, folder.g_ema))
        with tempfile.TemporaryDirectory() as scratch:
            portraits = load_portraits(manifest, source.spec.resolution, Path(scratch) / "portraits.npy", "all")
            everyone = range(len(portraits))
            real = torch.cat([portraits.batch(list(everyone), [flip] * len(portraits)) for flip in (False, True)])
        z = SampleRandom(SEED).normal(Purpose.SNAPSHOT, range(max(arguments.count, len(real))), source.spec.z_dim)
        pictures = {name: images(generator, z) for name, generator in (("source", source), ("tuned", tuned))}
        wanted = face_features(resnet, real)
        figures: dict[str, object] = {"run": str(run), "manifest_sha256": manifest.digest, "images_each": len(real)}
        for name, made in pictures.items():
            figures[f"kernel_{name}"] = round(kernel_distance(face_features(resnet, made[: len(real)]), wanted), 5)
        for name, network in networks.items():
            figures[f"identity_{name}"] = round(identity(network, *pictures.values()), 4)
        json.dump(figures, sys.stdout)
        print(flush=True)


def images(generator: Generator, z: Tensor) -> Tensor:
    """(N, 3, R, R), constant noise, no truncation."""
    return torch.cat([generator(part) for part in torch.split(z, 32)]).clamp(-1, 1)


def identity(network: IdentityNet, a: Tensor, b: Tensor) -> float:
    """Median similarity of pictures one by one."""
    pairs = zip(torch.split(a, 32), torch.split(b, 32), strict=True)
    distances = torch.cat([identity_distance(network.embed(x), network.embed(y)) for x, y in pairs])
    return float(identity_similarity(distances, network.stranger_distance).median())


if __name__ == "__main__":
    main()
