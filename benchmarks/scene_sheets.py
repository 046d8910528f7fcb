"""Pictures to judge `transfer apply` by: portraits over groups, and composed scenes of two to five people.

    python benchmarks/scene_sheets.py --run runs/demo --renders RENDERS --seen demo/renders --out docs

takes one portrait a person from RENDERS, a folder of renders before plain backgrounds with its labels.csv, of nobody
who is in --seen's labels.csv, going round the groups; and writes apply-portraits.jpg (the crop, as re-created, made
real, put back) and apply-scenes.jpg (before and after), and prints each face's figures. Scenes are people cut out of
their backgrounds and set into one room, at sizes that differ.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from drfhq_tools.align import align
from transfer.render2real import RenderedToReal, Scene, Translation
from transfer.scenes import Control
from transfer.sheets import grid

Pixels = npt.NDArray[np.uint8]
FloatPixels = npt.NDArray[np.float32]
DIFFERENT = 14
"""Levels in some channel from which on a pixel is no background."""
TILE_PX = 128
A_ROW = 10
SCENES = (2, 2, 3, 4, 5)
SCENE_SHARE = 4
"""Height of a scene, in sides of the generator; the nearest person is as tall as it."""


def chosen(renders: Path, seen: Path, count: int) -> list[Path]:
    """One portrait a person, group after group."""
    with (seen / "labels.csv").open(encoding="utf-8") as file:
        known = {row["subject_id"] for row in csv.DictReader(file)}
    groups = defaultdict[str, dict[str, Path]](dict)
    with (renders / "labels.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["subject_id"] not in known:
                groups[f"{row['race']} {row['gender']}"].setdefault(row["subject_id"], renders / row["file"])
    rounds = zip_longest(*(list(people.values()) for _, people in sorted(groups.items())))
    return [path for one in rounds for path in one if path is not None][:count]


def cut_out(path: Path) -> tuple[FloatPixels, FloatPixels]:
    """A render's colours (H, W, 3) and how much of each pixel is the person (H, W): what differs from the plain
    background, a plane of colours fitted to the upper rim, and is not reached from there."""
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=np.float32)
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    plane = np.stack([np.ones_like(x), x / width, y / height, (x / width) ** 2], axis=-1)
    rim = (y < 0.04 * height) | ((y < 0.4 * height) & ((x < 0.04 * width) | (x > 0.96 * width)))
    terms, *_ = np.linalg.lstsq(plane[rim], pixels[rim], rcond=None)
    differs = (np.abs(pixels - plane @ terms).max(axis=-1) > DIFFERENT).astype(np.uint8)
    solid = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
    solid[-1] = 1
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    person = cv2.drawContours(np.zeros_like(solid), [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    share = cv2.GaussianBlur(cv2.erode(person, np.ones((5, 5), np.uint8)).astype(np.float32), (0, 0), 1.5)
    return pixels, np.asarray(share, dtype=np.float32)


def room(height: int, width: int, rng: np.random.Generator) -> FloatPixels:
    """A wall, lit from one side, out of focus."""
    base, tint = rng.uniform(110, 175), rng.uniform(-12, 12, 3)
    light = np.linspace(rng.uniform(0.75, 0.9), rng.uniform(1.0, 1.15), width)[None, :, None]
    blobs = cv2.GaussianBlur(rng.normal(0, 1, (height, width, 1)).astype(np.float32), (0, 0), 60)[..., None]
    return ((base + tint) * light + 900 * blobs).astype(np.float32)


def composed(paths: Sequence[Path], height: int, seed: int) -> Pixels:
    """People side by side, the far before the near."""
    rng = np.random.default_rng(seed)
    step = int(height * 0.66)
    width = step * (len(paths) - 1) + height
    canvas = room(height, width, rng)
    sizes = rng.permutation(np.linspace(0.7, 1.0, len(paths)))
    for i in np.argsort(sizes):
        colours, share = cut_out(paths[i])
        side = int(height * sizes[i])
        small, thin = (cv2.resize(each, (side, side), interpolation=cv2.INTER_AREA) for each in (colours, share))
        left = i * step + (height - side) // 2
        place = canvas[height - side :, left : left + side]
        place += (small - place) * thin[..., None]
    return np.asarray(canvas.clip(0, 255).round(), dtype=np.uint8)


def say(name: str, face: Translation) -> None:
    print(
        f"{name}: identity {face.identity_similarity:.2f}, reconstruction {face.reconstruction:.3f}, "
        f"{face.quad.side_px:.0f} px, {face.seconds:.1f} s",
        flush=True,
    )


def tiles(scene: Scene) -> list[Pixels]:
    """The largest face: as it is, re-created, real, put back."""
    face = scene.faces[0]
    crops = [align(pixels, face.quad, TILE_PX).pixels for pixels in (scene.picture.pixels, scene.composite)]
    made = [cv2.resize(each, (TILE_PX, TILE_PX), interpolation=cv2.INTER_CUBIC) for each in (face.rendered, face.real)]
    return [crops[0], *(np.asarray(each, dtype=np.uint8) for each in made), crops[1]]


def portraits(renderer: RenderedToReal, paths: Sequence[Path], control: Control) -> Image.Image:
    columns = []
    for path in paths:
        scene = renderer.translate(path, control)
        say(path.stem, scene.faces[0])
        columns.append(tiles(scene))
    labels = ["render", "re-created", "real", "put back"]
    rows = [
        [column[k] for column in columns[start : start + A_ROW]]
        for start in range(0, len(columns), A_ROW)
        for k in range(len(labels))
    ]
    return grid(rows, labels * (len(rows) // len(labels)))


def scenes(renderer: RenderedToReal, paths: Sequence[Path], control: Control) -> Image.Image:
    rows, at = [], 0
    for number, count in enumerate(SCENES):
        people = [paths[(at + i) % len(paths)] for i in range(count)]
        at += count
        before = composed(people, SCENE_SHARE * renderer.tuned.spec.resolution, number)
        scene = renderer.translate(before, control)
        for face in scene.faces:
            say(f"scene {number} of {count}, face {face.index}", face)
        rows.append([before, scene.composite])
    return laid_out(rows)


def laid_out(rows: Sequence[Sequence[Pixels]]) -> Image.Image:
    """Pairs one below the other; two short ones share a line."""
    lines: list[list[Pixels]] = []
    widest = max(sum(each.shape[1] for each in row) for row in rows)
    for row in rows:
        if lines and sum(each.shape[1] for each in [*lines[-1], *row]) <= widest:
            lines[-1] += row
        else:
            lines.append(list(row))
    sheet = Image.new("RGB", (widest + 6 * 3, sum(len(line[0]) + 6 for line in lines)), (24, 24, 24))
    y = 0
    for line in lines:
        x = 0
        for each in line:
            sheet.paste(Image.fromarray(each), (x, y))
            x += each.shape[1] + 6
        y += len(line[0]) + 6
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--renders", type=Path, required=True)
    parser.add_argument("--seen", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--inverter", default="auto")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seam", default="feather")
    parser.add_argument("--only", choices=["portraits", "scenes"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    renderer = RenderedToReal.from_run(given.run, "cpu", inverter=given.inverter, steps=given.steps)
    control, paths = Control(seam=given.seam), chosen(given.renders, given.seen, 20)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.only != "scenes":
        portraits(renderer, paths, control).save(given.out / "apply-portraits.jpg", quality=88)
    if given.only != "portraits":
        scenes(renderer, paths, control).save(given.out / "apply-scenes.jpg", quality=88)


if __name__ == "__main__":
    main()
