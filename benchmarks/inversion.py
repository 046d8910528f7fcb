"""Quality of inversion against CPU seconds, on portraits of a split that the run was not trained on.

    python benchmarks/inversion.py RUN --data DATA --split test --densenet FILE [--inverters encoder,optimise:300,…]
        [--seen TRAINED_ON] [--photos PHOTOS] [--count 16] [--plot frontier.png] [--sheet sheet.png]

An inverter is named as `transfer apply` names it, with its steps behind a colon; pivotal's weight change is carried to
the realistic generator at the strengths behind a second colon: pivotal:60:0+0.5+1. One row each: identity similarity
(0 strangers, 1 the same picture) of the realistic output with the portrait, by the network never trained against and by
the one that was; of the generator's own reconstruction with the portrait; root mean square error of the reconstruction
and of the realistic output, in 0..1; edges' disagreement inside the face (0 alike); CPU seconds a portrait on
one thread. Means with their standard error over people. With ``--photos``, a data set of photographs, the kernel
distance of the outputs' face features to theirs at equal counts (0 alike) with its jackknife error; its first row is
the portraits themselves. One portrait a person, and nobody who is in the data set ``--seen``.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drfhq_tools.imageio import read_picture
from drfhq_tools.manifest import open_manifest
from drfhq_tools.records import FaceRecord
from transfer.checkpoints import load_checkpoint
from transfer.data import resized, to_pixels, to_tensor
from transfer.device import placed
from transfer.inversion import Inversion, carried, make_inverter
from transfer.inversion.likeness import field_distance
from transfer.losses.functional import gradient_field
from transfer.metrics.features import face_features
from transfer.metrics.identity import identity_distance, identity_similarity
from transfer.metrics.realism import equal_kernel_distance, jackknife_error
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet, load_densenet, load_resnet
from transfer.run_folder import RunFolder
from transfer.sheets import grid, save_png

USUAL = "encoder,encoder+refine:10,encoder+refine:40,encoder+refine:100,optimise:40,optimise:100,optimise:300"
REALISM = "distance to photos"
PANELS = {
    "identity, held out": "identity of the realistic output",
    "own error": "error of the reconstruction",
    REALISM: "kernel distance to photographs",
}
BATCH = 8
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Row:
    """One inverter's answers: ``figures`` by name (N,) each, images (N, 3, R, R)."""

    name: str
    seconds: float
    figures: dict[str, np.ndarray]
    rendered: Tensor
    real: Tensor
    realism: tuple[float, float] | None = None


@dataclass(frozen=True)
class Summary:
    """What is printed and plotted of a row: each figure's mean and standard error."""

    name: str
    seconds: float
    figures: dict[str, tuple[float, float]]

    @property
    def kind(self) -> str:
        """The inverter without its steps."""
        return self.name.split()[0].rstrip(",")

    @property
    def budget(self) -> str:
        """Its steps, or the strength at which its weight change is carried."""
        return self.name.removeprefix(self.kind).split(", carried ")[-1].strip()


@dataclass(frozen=True)
class Bench:
    """What inverters are tried on."""

    folder: RunFolder
    tuned: Generator
    source: Generator
    resnet: IdentityNet
    densenet: IdentityNet
    targets: Tensor
    people: list[str]
    photos: np.ndarray | None = None

    def rows(self, wish: str) -> Iterator[Row]:
        """One a strength of pivotal tuning, else one; ``wish`` is NAME[:STEPS[:STRENGTH+STRENGTH…]]."""
        name, *rest = wish.split(":")
        steps = int(rest[0]) if rest and rest[0] else None
        invert = make_inverter(name, self.folder, self.resnet, steps=steps)
        began, parts = time.process_time(), []
        for targets in torch.split(self.targets, BATCH):
            parts.append(invert(self.tuned, targets))
        seconds = (time.process_time() - began) / len(self.targets)
        for note in {note for part in parts for note in part.notes}:
            print(f"{wish}: {note}")
        rendered = torch.cat([part.images for part in parts])
        for strength in [float(word) for word in rest[1].split("+")] if len(rest) > 1 else [0.0]:
            real = torch.cat([self._real(part, strength) for part in parts])
            label = f"{name} {steps or ''}".strip() + (f", carried {strength:g}" if len(rest) > 1 else "")
            yield Row(label, seconds, self._figures(rendered, real), rendered, real, self.realism(real))

    def realism(self, images: Tensor) -> tuple[float, float] | None:
        """Kernel distance (N, 3, R, R) → photographs, and its standard error; None where there are none."""
        if self.photos is None:
            return None
        photos, features = self.photos, face_features(self.resnet, images)

        def distance(chosen: np.ndarray) -> float:
            return equal_kernel_distance(photos, features[chosen])

        return distance(np.ones(len(features), dtype=bool)), jackknife_error(distance, self.people)

    @torch.no_grad()
    def _real(self, part: Inversion, strength: float) -> Tensor:
        if part.offsets is None or not strength:
            return torch.cat([self.source.synthesis(ws[None]) for ws in part.ws])
        each = [{name: value[i] for name, value in part.offsets.items()} for i in range(len(part.ws))]
        made = [carried(self.source, one, strength).synthesis(ws[None]) for one, ws in zip(each, part.ws, strict=True)]
        return torch.cat(made)

    @torch.no_grad()
    def _figures(self, rendered: Tensor, real: Tensor) -> dict[str, np.ndarray]:
        def similarity(network: IdentityNet, images: Tensor) -> Tensor:
            distance = identity_distance(network.embed(images), network.embed(self.targets))
            return torch.as_tensor(identity_similarity(distance, network.stranger_distance))

        def error(images: Tensor) -> Tensor:
            return (images.clamp(-1, 1) - self.targets).square().mean(dim=(1, 2, 3)).sqrt() / 2

        side = min(64, real.shape[-1])
        edges = field_distance(gradient_field(real, side), gradient_field(self.targets, side))
        found = {
            "identity, held out": similarity(self.densenet, real),
            "identity, ResNet": similarity(self.resnet, real),
            "own identity": similarity(self.densenet, rendered),
            "own error": error(rendered),
            "error": error(real),
            "edges": edges,
        }
        return {name: value.numpy() for name, value in found.items()}


def over_people(values: np.ndarray, people: list[str]) -> tuple[float, float]:
    """Mean over people's means, and its standard error."""
    each = np.array([values[[p == person for p in people]].mean() for person in sorted(set(people))])
    return float(each.mean()), float(each.std(ddof=1) / len(each) ** 0.5) if len(each) > 1 else 0.0


def summary(row: Row, people: list[str]) -> Summary:
    figures = {name: over_people(values, people) for name, values in row.figures.items()}
    if row.realism:
        figures[REALISM] = row.realism
    return Summary(row.name, row.seconds, figures)


def table(rows: list[Summary]) -> str:
    """Markdown."""
    names = list(rows[0].figures)
    lines = [f"| inverter | CPU s | {' | '.join(names)} |", "|---|---" + "|---" * len(names) + "|"]
    for row in rows:
        cells = [f"{mean:.3f} ±{error:.3f}" for mean, error in (row.figures[name] for name in names)]
        lines.append(f"| {row.name} | {row.seconds:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(rows: list[Summary], path: Path) -> None:
    """Held-out identity, reconstruction and, where it was measured, distance to photographs against seconds."""
    from matplotlib.figure import Figure  # noqa: PLC0415  an extra

    panels = [(name, title) for name, title in PANELS.items() if name in rows[0].figures]
    figure = Figure(figsize=(4.4 * len(panels), 4.0), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for kind in dict.fromkeys(row.kind for row in rows):
            chosen = sorted((row for row in rows if row.kind == kind), key=lambda row: row.seconds)
            means, errors = zip(*(row.figures[name] for row in chosen), strict=True)
            seconds = [row.seconds for row in chosen]
            axes.errorbar(seconds, means, errors, marker="o", label=kind, capsize=2, lw=1.2, elinewidth=0.6)
            for row, mean in zip(chosen, means, strict=True):
                axes.annotate(row.budget, (row.seconds, mean), xytext=(4, 3), textcoords="offset points", fontsize=7)
        axes.set(xscale="log", xlabel="CPU seconds a portrait", title=title)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=90)


def pictures(faces: list[FaceRecord], root: Path, side: int) -> Tensor:
    """(N, 3, side, side) of a data set's faces."""
    return to_tensor(np.stack([resized(read_picture(root / face.image_path), side) for face in faces]))


def held_out(data: Path, split: str, side: int, count: int, seen: Path | None) -> tuple[Tensor, list[str]]:
    """Portraits (N, 3, side, side), one a person, spread over the split's people less those ``seen``; and of whom."""
    manifest = open_manifest(data)
    known = {face.subject_id for face in open_manifest(seen).faces} if seen else set[str | None]()
    first = {face.subject_id or face.face_id: face for face in manifest.faces if split in ("all", face.split)}
    people = sorted(name for name, face in first.items() if face.subject_id not in known)
    if not people:
        sys.exit(f"{data}: nobody is left in split {split!r}")
    chosen = np.unique(np.linspace(0, len(people) - 1, min(count, len(people))).round().astype(int))
    names = [people[i] for i in chosen]
    return pictures([first[name] for name in names], manifest.root, side), names


def main() -> None:
    """Print the table; draw what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument(
        "--densenet", type=Path, required=True, help="dlib's face_recognition_densenet_model_v1.dat.bz2"
    )
    parser.add_argument("--inverters", default=USUAL)
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--seen", type=Path, help="the data set that run and encoder were trained on")
    parser.add_argument("--photos", type=Path, help="a data set of photographs, to be held against")
    parser.add_argument("--rows", type=Path, help="add rows to this file, and print and draw all that are in it")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = RunFolder(arguments.run)
    tuned, source = (
        placed(load_checkpoint(path).generator, CPU).eval().requires_grad_(False)
        for path in (folder.g_ema, folder.source)
    )
    side = tuned.spec.resolution
    targets, people = held_out(arguments.data, arguments.split, side, arguments.count, arguments.seen)
    resnet, photos = load_resnet(), None
    if arguments.photos:
        manifest = open_manifest(arguments.photos)
        photos = face_features(resnet, pictures(list(manifest.faces), manifest.root, side))
    bench = Bench(folder, tuned, source, resnet, load_densenet(arguments.densenet), targets, people, photos)
    if distance := bench.realism(targets):
        print("distance to photos, portraits: {:.3f} ±{:.3f}".format(*distance))
    rows: list[Row] = []
    for wish in arguments.inverters.split(","):
        for row in bench.rows(wish):
            rows.append(row)
            print(table([summary(row, people)]).splitlines()[-1], flush=True)
            if arguments.rows:
                with arguments.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(summary(row, people))) + "\n")
    print(
        f"\n{len(targets)} portraits of {len(set(people))} people, {side}², torch {torch.__version__}, one thread of a"
    )
    summaries = [summary(row, people) for row in rows]
    if arguments.rows:
        summaries = [Summary(**json.loads(line)) for line in arguments.rows.read_text(encoding="utf-8").splitlines()]
    print(f"{platform.machine()} CPU\n\n{table(summaries)}")
    if arguments.plot:
        plot(summaries, arguments.plot)
    if arguments.sheet:
        shown, labels = [list(to_pixels(targets))], ["portrait"]
        for row in rows:
            shown += [list(to_pixels(row.rendered)), list(to_pixels(row.real))]
            labels += [f"{row.name}: found again", f"{row.name}: realistic"]
        save_png(grid([row[:12] for row in shown], labels, zoom=2 if side <= 64 else 1), arguments.sheet)


if __name__ == "__main__":
    main()
