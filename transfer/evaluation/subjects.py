"""Faces to evaluate with, and what is known of them: from a built data set, or aligned from a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from drfhq_tools.align import align
from drfhq_tools.detect import make_detector
from drfhq_tools.errors import DrfhqError
from drfhq_tools.hashing import pixels_sha256, sha256_bytes
from drfhq_tools.imageio import read_picture
from drfhq_tools.records import FaceRecord
from transfer.data import load_portraits, open_data
from transfer.errors import ConfigError
from transfer.scenes.samples import pictures_below

Pixels = npt.NDArray[np.uint8]
ATTRIBUTES: Final = ("gender", "age_group", "race")


@dataclass(frozen=True)
class Subject:
    """One face. ``person`` is who it is, as far as is known; labels are None where unknown."""

    name: str
    person: str
    gender: str | None = None
    age_group: str | None = None
    race: str | None = None

    @property
    def kind(self) -> tuple[str, str] | None:
        """Race and gender, None where either is unknown: whom a face is likest to, apart from itself."""
        return (self.race, self.gender) if self.race and self.gender else None


@dataclass(frozen=True)
class Subjects:
    """N faces: ``pixels`` (N, R, R, 3) uint8, aligned; ``digest`` of what decides them; ``left_out``, a line each, are
    pictures without a face or that could not be read."""

    pixels: Pixels
    faces: tuple[Subject, ...]
    digest: str
    landmark_scheme: str
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def people(self) -> list[str]:
        """Whose each face is."""
        return [face.person for face in self.faces]


def load_subjects(path: Path, resolution: int, split: str, cache: Path, say: Callable[[str], None]) -> Subjects:
    """The faces of one split (or ``all``) of the data set at ``path``, or of every picture below it, at ``resolution``.

    ``cache`` is a .npy that a data set's pictures are decoded into.

    Raises:
        ConfigError: there is no face, or no such split.
    """
    if not path.is_dir():
        raise ConfigError(f"{path} is no folder: give a data set that `drfhq build` made, or a folder of pictures")
    if next(path.rglob("*.parquet"), None) is None:
        return _from_pictures(path, resolution)
    manifest = open_data(path)
    portraits = load_portraits(manifest, resolution, cache, split, say=say)
    records = [face for face in manifest.faces if split in ("all", face.split)]
    rows = portraits.usable.tolist()
    return Subjects(
        pixels=portraits.picked(rows, [False] * len(rows)),
        faces=tuple(_subject(records[row]) for row in rows),
        digest=sha256_bytes(f"{manifest.digest} {split}".encode()),
        landmark_scheme=manifest.landmark_scheme,
        left_out=tuple(f"{face.name}: {face.reason}" for face in portraits.skipped),
    )


def load_evaluated(
    portraits: Path, split: str, photos: Path, resolution: int, folder: Path, say: Callable[[str], None]
) -> tuple[Subjects, Subjects, Subjects]:
    """What an evaluation needs: the ``split`` of ``portraits``, everyone in ``portraits``, and the ``photos``; decoded
    into ``folder``. Errors as :func:`load_subjects`'s."""
    given = load_subjects(portraits, resolution, split, folder / "portraits.npy", say)
    everyone = given if split == "all" else load_subjects(portraits, resolution, "all", folder / "strangers.npy", say)
    return given, everyone, load_subjects(photos, resolution, "all", folder / "photos.npy", say)


def _subject(face: FaceRecord) -> Subject:
    """A label is its class, or where none fits, the word that was declared."""
    return Subject(
        name=face.image_path,
        person=face.subject_id or face.duplicate_group,
        gender=face.gender or face.gender_declared,
        age_group=face.age_group or face.age_group_declared,
        race=face.race or face.race_declared,
    )


def _from_pictures(folder: Path, resolution: int) -> Subjects:
    detector = make_detector()
    crops: list[Pixels] = []
    faces: list[Subject] = []
    left_out: list[str] = []
    schemes: set[str] = set()
    for path in pictures_below(folder):
        name = path.relative_to(folder).as_posix()
        try:
            pixels = read_picture(path)
        except (DrfhqError, OSError) as error:
            left_out.append(f"{name}: {error}")
            continue
        found = detector.detect(pixels)
        if not found:
            left_out.append(f"{name}: no face was found")
        for index, detection in enumerate(found):
            crops.append(align(pixels, detection.quad, resolution).pixels)
            faces.append(Subject(name if len(found) == 1 else f"{name} #{index}", f"{name}#{index}"))
            schemes.add(detection.scheme)
    if not crops:
        raise ConfigError(f"{folder} holds neither a data set nor a picture with a face")
    stacked = np.stack(crops)
    digest = sha256_bytes(
        " ".join([*(face.name for face in faces), pixels_sha256(stacked.reshape(-1, resolution, 3))]).encode()
    )
    return Subjects(stacked, tuple(faces), digest, schemes.pop(), tuple(left_out))
