"""A translated picture on disk: the composite, before and after, each face's crops, the figures, and how it was made.

S.json is written last and says which picture, which run and which settings made S.png: by it a run of many pictures
knows what is done. Whatever a model had a part in says so in an XMP packet (:mod:`transfer.scenes.mark`).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from drfhq_tools.align import align
from drfhq_tools.atomic import write_file
from drfhq_tools.hashing import settings_digest
from transfer.render2real import Inverted, RenderedToReal, Scene, Translation
from transfer.scenes.control import Control
from transfer.scenes.mark import COMPOSITE, GENERATED, marked
from transfer.scenes.png_file import write_png
from transfer.scenes.samples import Metadata
from transfer.sheets import grid

Pixels = npt.NDArray[np.uint8]
COMPARE_PX: Final = 4096
"""Longest side of a picture in its before and after, which is for looking at."""
STRENGTHS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_PREVIEW_PX: Final = (96, 256)
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a picture of a run of many: ``what`` is done, skipped (it was done before) or failed."""

    picture: Path
    what: str
    faces: int = 0
    seconds: float = 0.0
    message: str = ""


def request_digest(renderer: RenderedToReal, control: Control, faces: Sequence[int] | None, **more: object) -> str:
    """What decides a result besides the picture, as 16 hex digits."""
    chosen = None if faces is None else sorted(set(faces))
    return settings_digest({**renderer.made_with, **control.to_dict(), "faces": chosen, **more})


def finished(stem: Path, digest: str, input_sha256: str) -> int | None:
    """How many faces lie at ``stem`` of this very picture, made under this very request; None if none do."""
    try:
        about = json.loads(_at(stem, ".json").read_text(encoding="utf-8"))
        same = (about["digest"], about["input_sha256"]) == (digest, input_sha256)
        return len(about["faces"]) if same and _at(stem, ".png").is_file() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_scene(
    scene: Scene,
    stem: Path,
    control: Control | None = None,
    *,
    digest: str = "",
    more: Mapping[str, object] | None = None,
) -> Path:
    """Write ``stem``.png, .compare.png, .faceK.input.png, .faceK.real.png and .json; returns the composite's path.

    Each file appears whole; the JSON comes last. ``control`` and ``digest`` say in it how the scene was made; ``more``
    is added to it.
    """
    composite = _at(stem, ".png")
    scene.save(composite)
    before, after = (_bounded(pixels) for pixels in (scene.picture.pixels, scene.composite))
    _write(_at(stem, ".compare.png"), np.concatenate([before, after], axis=1), COMPOSITE)
    for face in scene.faces:
        _write(_at(stem, f".face{face.index}.input.png"), face.input, None)
        _write(_at(stem, f".face{face.index}.real.png"), face.real, GENERATED)
    about = {
        "faces": [face_figures(face) for face in scene.faces],
        "faces_left": list(scene.left),
        "digital_source_type": COMPOSITE,
        "input_sha256": scene.picture.sha256,
        "digest": digest,
        "control": None if control is None else control.to_dict(),
        "notes": list(scene.notes),
        **(more or {}),
    }
    write_file(_at(stem, ".json"), (json.dumps(about, indent=2) + "\n").encode())
    return composite


def face_figures(face: Translation) -> dict[str, object]:
    """A face's entry in S.json."""
    return {
        "index": face.index,
        "quad": face.quad.to_row(),
        "identity_distance": round(face.identity_distance, 4),
        "identity_similarity": round(face.identity_similarity, 4),
        "reconstruction": round(face.reconstruction, 4),
        "seconds": round(face.seconds, 2),
    }


def write_preview(renderer: RenderedToReal, inverted: Inverted, stem: Path, control: Control) -> Path:
    """Write ``stem``.strengths.png: a row a face, in the picture as it is and at five strengths; returns its path."""
    wide = max(face.quad.side_px for face in inverted.detections)
    side = int(np.clip(wide, *_PREVIEW_PX))
    columns = [inverted.picture.pixels]
    columns += [renderer.decode(inverted, control.at(strength)).composite for strength in STRENGTHS]
    rows = [[align(pixels, face.quad, side).pixels for pixels in columns] for face in inverted.detections]
    words = "as it is, then strength " + ", ".join(f"{strength:g}" for strength in STRENGTHS)
    sheet = grid(rows, [f"face {index}: {words}" for index in inverted.indices])
    path = _at(stem, ".strengths.png")
    _write(path, np.asarray(sheet), COMPOSITE)
    return path


def write_table(outcomes: Sequence[Outcome], path: Path) -> None:
    """What came of each picture, as CSV."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["picture", "outcome", "faces", "seconds", "message"])
    for one in outcomes:
        table.writerow([one.picture.as_posix(), one.what, one.faces, f"{one.seconds:.2f}", one.message])
    write_file(path, text.getvalue().encode())


def _at(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)


def _write(path: Path, pixels: Pixels, source_type: str | None) -> None:
    write_png(path, pixels, Metadata(xmp=None if source_type is None else marked(None, source_type)))


def _bounded(pixels: Pixels) -> Pixels:
    longest = max(pixels.shape[:2])
    if longest <= COMPARE_PX:
        return pixels
    size = tuple(max(1, round(side * COMPARE_PX / longest)) for side in pixels.shape[1::-1])
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
