"""What a step of training costs: seconds for a thousand images and peak memory, by resolution, precision and device.

    python benchmarks/training.py --resolution 256 --batch 16 --device cuda
    python benchmarks/training.py --resolution 1024 --batch 4 --device cuda --precisions fp32,bf16,fp16 --compile both
    python benchmarks/training.py --resolution 64 --batch 8 --steps 16 --device cpu

Random weights and random pictures: the cost does not depend on them. Whole steps as `transfer pretrain` takes them, R1
every 16th and path length (--path-length) every 4th, so ``--steps`` is best a multiple of 16; the first 16 are not
counted (compilation, choice of kernels). Prints one JSON object a variant. ``s_per_kimg``: wall clock on a GPU, CPU
seconds over threads on a CPU, where other programs would count else. ``peak_gb``: what torch held at most on a GPU, the
process' largest resident set on a CPU (of all variants so far: give one a call there). A variant that does not fit says
so and the next one is tried; --largest looks for the largest batch that fits, by doubling.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import torch

from transfer.config import AUGMENTATIONS, Schedule, TrainConfig
from transfer.data import Portraits
from transfer.device import pick_device
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec, channels_for
from transfer.training.state import TrainState
from transfer.training.step import Trainer

WARM_UP = 16


def main() -> None:
    """Measure every variant asked for."""
    wanted = arguments()
    device = pick_device(wanted.device)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
    machine = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    for precision in wanted.precisions.split(","):
        for compiled in {"no": [False], "yes": [True], "both": [False, True]}[wanted.compile]:
            batch = wanted.batch
            while True:
                figures = tried(wanted, batch, precision, compiled, device)
                about = {
                    "machine": machine,
                    "commit": commit(),
                    "torch": torch.__version__,
                    "resolution": wanted.resolution,
                }
                about |= {
                    "batch": batch,
                    "precision": precision,
                    "compiled": compiled,
                    "threads": torch.get_num_threads(),
                }
                print(json.dumps(about | figures), flush=True)
                if not wanted.largest or "error" in figures:
                    break
                batch *= 2


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--channel-base", type=int, default=16384)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--micro-batch", type=int, default=0)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--compile", choices=("no", "yes", "both"), default="no")
    parser.add_argument("--path-length", type=float, default=2.0)
    parser.add_argument("--augment", choices=("none", "fixed", "ada"), default="ada")
    parser.add_argument("--largest", action="store_true")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def tried(
    wanted: argparse.Namespace, batch: int, precision: str, compiled: bool, device: torch.device
) -> dict[str, object]:
    """The figures of one variant, or why there are none."""
    try:
        return measured(wanted, batch, precision, compiled, device)
    except torch.OutOfMemoryError:
        return {"error": "out of memory"}
    finally:
        torch.compiler.reset()  # past some recompilations torch would run the next variant uncompiled, unasked
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def measured(
    wanted: argparse.Namespace, batch: int, precision: str, compiled: bool, device: torch.device
) -> dict[str, object]:
    """Take steps and look at the clock."""
    channels = channels_for(wanted.resolution, base=wanted.channel_base)
    spec = GeneratorSpec(resolution=wanted.resolution, channels=channels)
    spec = replace(spec, conv_clamp=256.0 if precision == "fp16" else None)
    augment = {"none": (), "fixed": AUGMENTATIONS, "ada": ("ada",)}[wanted.augment]
    config = TrainConfig(batch=batch, precision=precision, path_length=wanted.path_length, augment=augment)
    state = TrainState.start(Generator(spec), Discriminator(spec), config, device)
    state.measured.ada_p = 0.5
    side = wanted.resolution
    pixels = np.random.default_rng(0).integers(0, 256, (2 * batch, side, side, 3), dtype=np.uint8)
    schedule = Schedule(kimg=1.0, micro_batch=wanted.micro_batch, compile=compiled)
    trainer = Trainer(state, Portraits(pixels, "", ""), config, schedule=schedule)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    warm = WARM_UP if device.type == "cuda" or compiled else 1
    for _ in range(warm):
        trainer.step()
    if warm == 1:  # the first step has a step's R1 and path length too: begin again with it
        state.steps = 0
    began = clock(device)
    for _ in range(wanted.steps):
        trainer.step()
    seconds = clock(device) - began
    return {
        "s_per_kimg": round(seconds / (wanted.steps * batch) * 1000, 2),
        "peak_gb": round(peak_bytes(device) / 1e9, 2),
        "ada_p": round(state.measured.ada_p, 2),
    }


def clock(device: torch.device) -> float:
    """Seconds, once all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()


def peak_bytes(device: torch.device) -> int:
    """The most memory held so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def commit() -> str:
    """What was measured, marked where the tree differs from it."""
    words = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
