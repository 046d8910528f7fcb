"""What do the networks cost? Plain operations and ours in turn, each in a process of its own.

    python benchmarks/networks.py [--cases forward-256,…] [--variants ours,…] [--rounds 2] [--device cuda] [--json FILE]

*plain* is StyleGAN2 as its definition reads (``tests/unit/transfer/reference_ops.py``): fp32, NCHW, each sample's own
modulated weights in a grouped convolution, FIR filters over inserted zeros. *ours* is what the commands run: fp32,
channels last, the fast operations, and for inference the memory freed kept (``transfer.device.keep_freed_memory``).
*ours-bf16* and *ours-fp16* compute feature maps in half precision, *…-compiled* by ``torch.compile`` besides (minutes
of warm-up, shown); what differentiates twice stays in fp32 and uncompiled.

A training step is G's main phase, a fourth of the path length penalty, D's main phase and a sixteenth of R1; an
inversion step is an image of a latent, its distance to a portrait, and the gradient to the latent. Error: largest
difference over the largest value of plain's output; for gradients 1 − cosine. On a CPU, seconds are CPU seconds of one
thread, the least of all rounds; beside them the memory the process had at most, and the convolutions' arithmetic (as a
direct convolution would need it) as a share of what a single large convolution reaches in fp32 here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit" / "transfer"))

import reference_ops as plain  # noqa: E402

from transfer.device import PRECISIONS, fastest_dtype, keep_freed_memory  # noqa: E402
from transfer.losses.adversarial import discriminator_loss, generator_loss, r1_penalty  # noqa: E402
from transfer.networks.discriminator import Discriminator  # noqa: E402
from transfer.networks.generator import Generator  # noqa: E402
from transfer.networks.spec import GeneratorSpec, channels_for  # noqa: E402

CASES = {  # side, channel base, batch
    "forward-256": (256, 32768, 1),
    "forward-1024": (1024, 32768, 1),
    "training-64": (64, 16384, 4),
    "training-256": (256, 16384, 4),
    "inversion-1024": (1024, 32768, 1),
}
VARIANTS = ["plain", "ours", "ours-bf16"]
Phases = dict[str, tuple[float, Callable[[], Tensor]]]
"""Name → its share of a step, and the phase, which returns what to compare: an image or a gradient."""


class Networks:
    """A generator and a discriminator of one size, and how a variant runs them."""

    def __init__(self, case: str, variant: str, device: torch.device) -> None:
        side, base, self.batch = CASES[case]
        words = variant.split("-")
        dtype = next((PRECISIONS[word] for word in words if word in PRECISIONS), torch.float32)
        torch.manual_seed(0)
        spec = GeneratorSpec(resolution=side, channels=channels_for(side, base=base))
        self.generator, self.discriminator = Generator(spec).to(device), Discriminator(spec).to(device)
        with torch.no_grad():
            for layer in self.generator.synthesis.styled_convs():
                layer.noise_strength.fill_(0.1)
                layer.bias.normal_(std=0.1)
        self.z = torch.randn(self.batch, spec.z_dim, device=device)
        self.real = torch.randn(self.batch, 3, side, side, device=device)
        self.images = self.exact_images = lambda ws: plain.synthesis(self.generator.synthesis, ws)
        self.logits = self.exact_logits = lambda images: plain.discriminator(self.discriminator, images)
        if words[0] != "plain":
            self._ours(dtype, compiled="compiled" in words)

    def _ours(self, dtype: torch.dtype, compiled: bool) -> None:
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.real = self.real.contiguous(memory_format=torch.channels_last)
        synthesis, discriminator = self.generator.synthesis, self.discriminator
        self.exact_images, self.exact_logits = _in(torch.float32, synthesis), _in(torch.float32, discriminator)
        fast: tuple[nn.Module, ...] = (synthesis, discriminator)
        if compiled:
            fast = tuple(torch.compile(network, dynamic=False) for network in fast)  # type: ignore[misc]
        self.images, self.logits = (
            _in(dtype, network, call) for network, call in zip((synthesis, discriminator), fast, strict=True)
        )

    def phases(self, case: str) -> Phases:
        kind = case.split("-", maxsplit=1)[0]
        if kind == "training":
            return {
                "g_main": (1.0, self._g_main),
                "path_length": (1 / 4, self._path_length),
                "d_main": (1.0, self._d_main),
                "r1": (1 / 16, self._r1),
            }
        return {kind: (1.0, self._forward if kind == "forward" else self._inversion)}

    @torch.no_grad()
    def _forward(self) -> Tensor:
        return self.images(self.generator.ws(self.z))

    def _inversion(self) -> Tensor:
        self.generator.requires_grad_(False)
        ws = self.generator.ws(self.z).requires_grad_(True)
        (self.images(ws) - self.real).abs().mean().backward()  # type: ignore[no-untyped-call]
        assert ws.grad is not None
        return ws.grad

    def _g_main(self) -> Tensor:
        self.discriminator.requires_grad_(False)
        loss = generator_loss(self.logits(self.images(self.generator.ws(self.z))))
        gradient = _gradient(loss, self.generator)
        self.discriminator.requires_grad_(True)
        return gradient

    def _path_length(self) -> Tensor:
        ws = self.generator.ws(self.z[: max(1, self.batch // 2)])
        images = self.exact_images(ws)
        pulled = (images * self.real[: len(images)]).sum() / images.shape[-1]
        (slope,) = torch.autograd.grad(pulled, ws, create_graph=True)
        lengths = slope.square().sum(dim=2).mean(dim=1).sqrt()
        return _gradient((lengths - 1.0).square().mean(), self.generator)

    def _d_main(self) -> Tensor:
        with torch.no_grad():
            fake = self.images(self.generator.ws(self.z))
        return _gradient(discriminator_loss(self.logits(self.real), self.logits(fake)), self.discriminator)

    def _r1(self) -> Tensor:
        real = self.real.clone().requires_grad_(True)
        return _gradient(r1_penalty(self.exact_logits(real), real), self.discriminator)


def _in(
    dtype: torch.dtype, network: nn.Module, call: Callable[[Tensor], Tensor] | None = None
) -> Callable[[Tensor], Tensor]:
    made = network if call is None else call

    def run(x: Tensor) -> Tensor:
        network.dtype = dtype  # type: ignore[assignment]
        return made(x)

    return run


def _gradient(loss: Tensor, network: nn.Module) -> Tensor:
    parameters = [p for p in network.parameters() if p.requires_grad]
    pieces = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([piece.flatten() for piece in pieces])


def work(case: str, variant: str, device: torch.device, rounds: int, out: Path) -> None:
    """Run one variant of one case; leave results and figures in ``out``."""
    torch.set_num_threads(1)
    if variant != "plain" and device.type == "cpu" and not case.startswith("training"):
        keep_freed_memory()
    networks = Networks(case, variant, device)
    figures: dict[str, object] = {}
    seconds, results = 0.0, {}
    for name, (share, phase) in networks.phases(case).items():
        began = time.perf_counter()
        results[name] = phase().detach().float().cpu()
        figures[f"{name}_first_s"] = time.perf_counter() - began
        spent = min(_seconds(phase, device) for _ in range(rounds))
        figures[f"{name}_s"] = spent
        seconds += share * spent
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else _peak_bytes()
    figures |= {"step_s": seconds, "peak_mb": peak / 2**20}
    torch.save(results, out / f"{variant}.pt")
    (out / f"{variant}.json").write_text(json.dumps(figures), encoding="utf-8")


def _seconds(phase: Callable[[], Tensor], device: torch.device) -> float:
    if device.type == "cpu":
        began = time.process_time()
        phase()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    phase()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def error(got: dict[str, Tensor], want: dict[str, Tensor]) -> dict[str, float]:
    """Per phase: the largest difference over the largest value of an image, 1 − cosine of a gradient."""
    return {
        name: float((got[name] - value).abs().max() / value.abs().max())
        if name == "forward"
        else 1 - float(functional.cosine_similarity(got[name].double().flatten(), value.double().flatten(), dim=0))
        for name, value in want.items()
    }


def convolution_flops(case: str) -> float:
    """Multiplications and additions of the 3 × 3 and 1 × 1 convolutions of one forward pass of G, one image."""
    side, base, _ = CASES[case]
    widths = channels_for(side, base=base)
    flops, before = 0.0, None
    for level, width in enumerate(widths):
        area = 16 * 4**level
        flops += 2 * area * width * (9 * width + 3)
        flops += 0 if before is None else 2 * (area / 4) * 9 * before * width
        before = width
    return flops


def peak_flops() -> dict[str, float]:
    """FLOP/s of one thread in the best of a few convolutions."""
    torch.set_num_threads(1)
    peaks = {}
    for name in ("fp32", "bf16"):
        best = 0.0
        for width, side in ((512, 32), (256, 64), (128, 128)):
            x = torch.ones(1, width, side, side).to(PRECISIONS[name]).contiguous(memory_format=torch.channels_last)
            weight = torch.ones(width, width, 3, 3).to(x).contiguous(memory_format=torch.channels_last)
            phase = lambda x=x, weight=weight: functional.conv2d(x, weight, padding=1)  # noqa: E731
            spent = min(_seconds(phase, torch.device("cpu")) for _ in range(6))
            best = max(best, 18 * width**2 * side**2 / spent)
        peaks[name] = best
    return peaks


def compare(case: str, variants: list[str], arguments: argparse.Namespace, peak: float) -> list[dict[str, object]]:
    """All variants of a case in turn, as often as asked; one row a variant."""
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        for _ in range(arguments.rounds):
            for variant in variants:
                command = [sys.executable, __file__, "--worker", case, variant, "--out", scratch]
                command += ["--device", arguments.device]
                subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
                figures = json.loads((out / f"{variant}.json").read_text(encoding="utf-8"))
                best.setdefault(variant, figures)
                best[variant] = {name: min(value, best[variant][name]) for name, value in figures.items()}
        results = {variant: torch.load(out / f"{variant}.pt", weights_only=True) for variant in variants}
    rows: list[dict[str, object]] = []
    for variant in variants:
        row: dict[str, object] = {"case": case, "variant": variant} | best[variant]
        row["ratio"] = best[variants[0]]["step_s"] / best[variant]["step_s"]
        row["error"] = error(results[variant], results[variants[0]])
        if case.startswith("forward") and arguments.device == "cpu":
            row["share_of_peak"] = convolution_flops(case) / best[variant]["step_s"] / peak
        rows.append(row)
        print(_line(row), flush=True)
    return rows


def _line(row: dict[str, object]) -> str:
    errors = row["error"]
    assert isinstance(errors, dict)
    words = [f"{row['case']:15s} {row['variant']:18s} {row['step_s']:8.3f} s  ratio {row['ratio']:5.2f}"]
    words.append(f"peak {row['peak_mb']:6.0f} MB")
    words += [f"{name} {value:.1e}" for name, value in errors.items()]
    words += [f"of the peak {row['share_of_peak']:.2f}"] if "share_of_peak" in row else []
    words += [f"first {sum(v for k, v in row.items() if k.endswith('_first_s')):.1f} s"]  # type: ignore[misc]
    return "  ".join(words)


def _machine() -> str:
    git = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, check=False, cwd=ROOT, capture_output=True, text=True).stdout
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16") if flag in flags]
    return f"commit {commit.strip()}, {model} ({', '.join(known)}), torch {torch.__version__}"


def main() -> None:
    """Print a line a variant, and write all figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--variants", default=",".join(VARIANTS), help="The first is what the others are held to.")
    parser.add_argument("--rounds", type=int, default=2, help="Times each variant is run, in turn.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        case, variant = arguments.worker
        work(case, variant, torch.device(arguments.device), 2 if arguments.device == "cpu" else 10, arguments.out)
        return
    print(_machine())
    peak = 1.0
    if arguments.device == "cpu":
        peaks = peak_flops()
        peak = peaks["fp32"]
        print("convolution, GFLOP/s of a thread: " + ", ".join(f"{n} {v / 1e9:.0f}" for n, v in peaks.items()))
        print(f"--precision auto takes {fastest_dtype(torch.device('cpu'))} here")
    else:
        print(torch.cuda.get_device_name())
    rows = []
    for case in arguments.cases.split(","):
        rows += compare(case, arguments.variants.split(","), arguments, peak)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
