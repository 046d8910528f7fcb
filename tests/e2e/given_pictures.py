"""Many small pictures whose faces are given beside them, so that building them takes no detector and little time."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image
from raw_pictures import FACE

from drfhq_tools.cli import main
from drfhq_tools.detect import make_detector
from drfhq_tools.hashing import sha256_file

SIZE = "48"


@functools.cache
def landmarks() -> tuple[tuple[float, float], ...]:
    """Of the face in FACE, found once."""
    (face,) = make_detector("dlib").detect(FACE)
    return tuple((float(x), float(y)) for x, y in face.landmarks)


def write_face(file: Path, number: int, **words: object) -> None:
    """A picture like no other, its face given by the JSON beside it, with more words if there are any. Every fifth
    shows what the one before it does, larger."""
    left, side = 70, 250 + 7 * number
    rng = np.random.default_rng(number - (number % 5 == 4))
    clouds = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8))
    clouds = clouds.resize((250, 250), Image.Resampling.BICUBIC)
    picture = Image.blend(Image.fromarray(FACE[:250, left : left + 250]), clouds, 0.4)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.resize((side, side), Image.Resampling.BICUBIC).save(file)
    points = [((x - left + 0.5) * side / 250 - 0.5, (y + 0.5) * side / 250 - 0.5) for x, y in landmarks()]
    file.with_suffix(".json").write_text(json.dumps({"landmarks": points, **words}))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def arguments(raw: Path, out: Path) -> list[object]:
    """Of `drfhq`, to build."""
    return ["build", "--raw", raw, "--out", out, "--size", SIZE, "--detector", "precomputed", "--workers", 1]


def build(raw: Path, out: Path, *options: object) -> Result:
    return run(*arguments(raw, out), *options)


def contents(folder: Path) -> dict[str, str]:
    """The hash of each file; the history of data sets that lay there before is left out."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: sha256_file(path) for name, path in files.items() if not name.startswith("history/")}
