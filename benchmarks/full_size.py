"""The full-size recipe of the README, whole, with random weights in place of a fetched checkpoint.

    python benchmarks/full_size.py --raw RENDERS --work FOLDER [--size 1024] [--batch 2] [--steps 2] [--portrait FILE]

A generator and discriminator of the published FFHQ spec (1024², channel base 32768, z 512, 8 mapping layers) are
written in rosinality's layout, then every command runs as written: convert, build, dry run, fine-tune, apply. Prints a
JSON line a command: exit code, seconds, CPU seconds, peak resident memory in MiB. Needs a POSIX system (wait4).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import torch

from transfer.checkpoints import Checkpoint, write_checkpoint
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec, channels_for

KIB = 1024 if platform.system() == "Darwin" else 1  # macOS counts bytes, Linux KiB


def main() -> None:
    """Run every command of the recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--portrait", type=Path, help="A picture to apply the result to.")
    parser.add_argument("--apply-steps", type=int, default=4)
    given = parser.parse_args()
    work, size = given.work, given.size
    foreign, source, data, run = work / "ffhq.pt", work / "ffhq.safetensors", work / "data", work / "run"
    work.mkdir(parents=True, exist_ok=True)
    if not foreign.is_file():
        write_random(foreign, size)
    tune = ["transfer", "finetune", "--data", data, "--init", source, "--out", run, "--batch", given.batch]
    tune += ["--kimg", given.batch * given.steps / 1000, "--split", "all", "--device", "cpu"]
    measured(["transfer", "convert", foreign, source, "--license", "random weights"])
    measured(["drfhq", "build", "--raw", given.raw, "--out", data, "--size", size, "--workers", 1])
    measured([*tune, "--dry-run"])
    measured(tune)
    if given.portrait:
        apply = ["transfer", "apply", given.portrait, "--run", run, "--out", work / "out", "--device", "cpu"]
        measured([*apply, "--steps", given.apply_steps])


def write_random(path: Path, size: int) -> None:
    """Networks as published, untrained."""
    torch.manual_seed(0)
    spec = GeneratorSpec(resolution=size, channels=channels_for(size, base=32768))
    with torch.no_grad():
        write_checkpoint(path, Checkpoint(Generator(spec), Discriminator(spec)), "rosinality")


def measured(command: list[object]) -> None:
    """Run a console command, print what it took, stop if it failed."""
    words = [str(Path(sysconfig.get_path("scripts"), str(command[0]))), *map(str, command[1:])]
    began = time.perf_counter()
    process = subprocess.Popen(words)
    _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    figures = {
        "command": " ".join(map(str, command)),
        "exit_code": code,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(usage.ru_maxrss / 1024 / KIB),
    }
    print(json.dumps(figures), flush=True)
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
