"""A translated picture on disk: the composite, before and after, each face's crops, and the figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from drfhq_tools.atomic import write_file
from transfer.render2real import Scene
from transfer.sheets import save_png

Pixels = npt.NDArray[np.uint8]


def write_scene(scene: Scene, stem: Path) -> Path:
    """Write ``stem``.png, .compare.png, .faceK.input.png, .faceK.real.png and .json; returns the composite's path.

    Each file appears whole; the JSON comes last.
    """
    composite = stem.with_name(stem.name + ".png")
    scene.save(composite)
    named = {".compare.png": np.concatenate([scene.picture.pixels, scene.composite], axis=1)}
    for face in scene.faces:
        named |= {f".face{face.index}.input.png": face.input, f".face{face.index}.real.png": face.real}
    for suffix, pixels in named.items():
        save_png(Image.fromarray(pixels), stem.with_name(stem.name + suffix))
    faces = [
        {
            "index": face.index,
            "quad": face.quad.to_row(),
            "identity_distance": round(face.identity_distance, 4),
            "identity_similarity": round(face.identity_similarity, 4),
            "reconstruction": round(face.reconstruction, 4),
            "seconds": round(face.seconds, 2),
        }
        for face in scene.faces
    ]
    path = stem.with_name(stem.name + ".json")
    write_file(path, (json.dumps({"faces": faces}, indent=2) + "\n").encode())
    return composite
