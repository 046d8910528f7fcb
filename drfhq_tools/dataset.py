"""A built data set in a program: typed rows, their pictures, and what is said of them.

    data = open_dataset("data/")
    women = data.where(split="train", gender="female")
    pixels = data.picture(women[0])

A data set is a sequence of faces in image order. It is read once and never written; threads may share it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import pyarrow as pa

from drfhq_tools.errors import ManifestError, UsageError
from drfhq_tools.imageio import read_picture
from drfhq_tools.manifest.reader import open_manifest, read_labels, read_rejects
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS, to_schema
from drfhq_tools.records import FaceRecord, LabelScores, Pixels, Reject
from drfhq_tools.records.labels import VOCABULARY

UNKNOWN: Final = "unknown"
"""Asks for faces without a class."""

Wanted = str | Collection[str] | None
"""One value, several of which any will do, or None for all."""


@dataclass(frozen=True)
class Dataset:
    """The faces of a built data set, or some of them.

    ``root`` is its folder, ``faces`` the rows in image order, ``digest`` the sha256 of manifest.parquet (of the whole
    data set, also after :meth:`where`), ``landmark_scheme`` and ``size_px`` hold for every face.
    """

    root: Path
    faces: tuple[FaceRecord, ...]
    digest: str
    landmark_scheme: str
    size_px: int

    def __len__(self) -> int:
        return len(self.faces)

    def __iter__(self) -> Iterator[FaceRecord]:
        return iter(self.faces)

    def __getitem__(self, row: int) -> FaceRecord:
        return self.faces[row]

    def where(
        self,
        keep: Callable[[FaceRecord], bool] | None = None,
        *,
        split: Wanted = None,
        gender: Wanted = None,
        age_group: Wanted = None,
        race: Wanted = None,
    ) -> Dataset:
        """The faces that meet all that is asked; :data:`UNKNOWN` asks for those without a class.

        Raises:
            UsageError: a class that the vocabulary lacks.
        """
        asked = {"gender": gender, "age_group": age_group, "race": race}
        wanted = {name: _values(name, value) for name, value in asked.items() if value is not None}
        if split is not None:
            wanted["split"] = {split} if isinstance(split, str) else set(split)
        found = (face for face in self.faces if all(_value(face, name) in wanted[name] for name in wanted))
        return replace(self, faces=tuple(face for face in found if keep is None or keep(face)))

    def picture(self, face: FaceRecord) -> Pixels:
        """The aligned crop of a face: (size_px, size_px, 3) uint8 RGB, not to be written to.

        Raises:
            ManifestError: its path leads out of the data set's images: a manifest may come from anywhere.
            DecodeError: the file is missing or damaged.
        """
        images, path = (self.root / "images").resolve(), (self.root / face.image_path).resolve()
        if not path.is_relative_to(images):
            raise ManifestError(f"{face.image_path} is not inside {images}: the manifest was tampered with")
        return read_picture(path)

    def labels(self, face: FaceRecord) -> tuple[LabelScores, ...]:
        """What each source says of a face: declared words, labelers' probabilities, reviews.

        Raises:
            ManifestError: labels.parquet is missing or of another version.
        """
        return tuple(self._labels.get(face.face_id, ()))

    def rejects(self) -> list[Reject]:
        """What the build left out, with the reason; of the whole data set.

        Raises:
            ManifestError: rejects.parquet is missing or of another version.
        """
        return read_rejects(self.root)

    def to_arrow(self) -> pa.Table:
        """The rows as a table with the manifest's columns: ``.to_pandas()`` makes a data frame of it."""
        return pa.Table.from_pylist([face.to_row() for face in self.faces], schema=to_schema(MANIFEST_COLUMNS))

    @cached_property
    def _labels(self) -> dict[str, list[LabelScores]]:
        return read_labels(self.root)


def open_dataset(folder: Path | str) -> Dataset:
    """The data set that ``drfhq build`` left in ``folder``.

    Raises:
        ManifestError: there is none, it is of another schema version, or mixes landmark schemes or sizes.
    """
    manifest = open_manifest(Path(folder))
    return Dataset(
        root=manifest.root,
        faces=tuple(manifest.faces),
        digest=manifest.digest,
        landmark_scheme=manifest.landmark_scheme,
        size_px=manifest.size_px,
    )


def _value(face: FaceRecord, name: str) -> str:
    return str(getattr(face, name) or UNKNOWN)


def _values(name: str, wanted: str | Collection[str]) -> set[str]:
    values = {wanted} if isinstance(wanted, str) else set(wanted)
    if strange := sorted(values - {*VOCABULARY[name], UNKNOWN}):
        raise UsageError(f"no {name} {', '.join(strange)}; known: {', '.join(VOCABULARY[name])}, {UNKNOWN}")
    return values
