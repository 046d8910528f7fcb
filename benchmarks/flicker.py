"""How steady a translated sequence is, against translating it frame by frame.

    python benchmarks/flicker.py --run runs/demo --render demo/portraits/White_M_1_Util_205.jpg --frames 24

A render is moved, scaled and turned smoothly, with a little noise a frame. Known as that motion is, each result is
moved back, and what changes from frame to frame inside the face is the mean absolute difference in levels of 255: of
the input (noise and resampling alone), of the frames translated each by itself, and of them as a sequence, for several
`--smooth`; `--smooth 0` is a sequence without smoothing, each frame's latents starting from the one before.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from transfer.frames import translate_frames
from transfer.render2real import RenderedToReal
from transfer.scenes import Control
from transfer.scenes.compose import mask_of
from transfer.scenes.samples import Picture

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]
NOISE = 2.0
"""Deviation of a frame's noise, in levels."""


def motion(number: int, count: int, side: int) -> FloatArray:
    """(2, 3): frame 0's pixels → frame ``number``'s: a slow wave of all three."""
    t = number / max(count - 1, 1)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), 8 * np.sin(2 * np.pi * t), 1 - 0.12 * t)
    turn[:, 2] += [0.08 * side * t, 0.03 * side * np.sin(4 * np.pi * t)]
    return np.asarray(turn, dtype=np.float64)


def frames(render: Pixels, count: int) -> list[Pixels]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        moved = cv2.warpAffine(render, motion(number, count, len(render)), render.shape[1::-1], borderMode=1)
        made.append(np.asarray((moved + rng.normal(0, NOISE, moved.shape)).clip(0, 255).round(), dtype=np.uint8))
    return made


def change(pictures: Sequence[Pixels], inside: npt.NDArray[np.bool_]) -> float:
    """Mean absolute change from frame to frame ``inside`` frame 0's face, once the motion is undone."""
    still = []
    for number, pixels in enumerate(pictures):
        back = cv2.invertAffineTransform(motion(number, len(pictures), len(pixels)))
        small = cv2.GaussianBlur(pixels, (0, 0), 1.5).astype(np.float32)  # what an eye sees, less resampling's noise
        still.append(cv2.warpAffine(small, back, pixels.shape[1::-1])[inside])
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(still)]))


def face_of(renderer: RenderedToReal, pixels: Pixels) -> npt.NDArray[np.bool_]:
    """(H, W): chin to hairline of the largest face."""
    face = renderer.detect(Picture(pixels, pixels))[0]
    mask = mask_of(face, [])
    side = len(mask)
    corners = np.array([[0, 0], [0, side], [side, side], [side, 0]], dtype=np.float32)
    at = cv2.getPerspectiveTransform(corners, face.quad.corners.astype(np.float32))
    return np.asarray(cv2.warpPerspective(mask, at, pixels.shape[1::-1]) > 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--render", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--inverter", default="auto")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--smooth", default="0,1.5,3")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    renderer = RenderedToReal.from_run(given.run, "cpu", inverter=given.inverter, steps=given.steps)
    inputs = frames(np.asarray(Image.open(given.render).convert("RGB")), given.frames)
    inside = face_of(renderer, inputs[0])
    print(f"input: {change(inputs, inside):.2f}", flush=True)
    print(f"frame by frame: {change([renderer.translate(each).composite for each in inputs], inside):.2f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number:03d}.png" for number in range(len(inputs))]
        for path, pixels in zip(paths, inputs, strict=True):
            Image.fromarray(pixels).save(path)
        for smooth in map(float, given.smooth.split(",")):
            made = list(translate_frames(renderer, paths, Control(), smooth_frames=smooth))
            pictures = [frame.scene.composite for frame, _ in made if frame.scene is not None]
            said = made[-1][1].to_dict()
            print(f"sequence, smooth {smooth:g}: {change(pictures, inside):.2f}; the command says {said}", flush=True)


if __name__ == "__main__":
    main()
