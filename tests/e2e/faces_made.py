"""A data set of any number of faces, made without a build: rows that differ, crops of noise, which don't compress."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from drfhq_tools.hashing import face_id, sha256_bytes
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.built import image_path
from drfhq_tools.manifest.writer import manifest_bytes
from drfhq_tools.records import FaceRecord

TINY = Path(__file__).parents[2] / "manifests" / "examples" / "tiny"
SPLITS = ("train", "train", "train", "val", "train", "test")


def crop(number: int, size: int) -> bytes:
    """A PNG of ``size``² pixels of noise; of 256², 197 kB."""
    pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=1)
    return file.getvalue()


def make_faces(data: Path, count: int, *, size: int = 64, first: int = 0, **changes: object) -> list[FaceRecord]:
    """Write a manifest and its crops, of faces numbered from ``first``; ``changes`` are columns of every row."""
    example = open_manifest(TINY).faces[0]
    data.mkdir(parents=True, exist_ok=True)
    faces = []
    for place, number in enumerate(range(first, first + count)):
        content, source = crop(number, size), sha256_bytes(f"source {number}".encode())
        path = data / image_path(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        row = replace(
            example,
            face_id=face_id(source, 0),
            image_path=image_path(place),
            image_sha256=sha256_bytes(content),
            size_px=size,
            source_path=f"{number:05d}.png",
            source_paths=(f"{number:05d}.png", f"copy/{number:05d}.png"),
            source_sha256=source,
            license="CC0-1.0",
            yaw_deg=None if number % 2 else number / 7,
            gender=("female", "male", None)[number % 3],
            split=SPLITS[number % len(SPLITS)],
        )
        faces.append(replace(row, **changes))  # type: ignore[arg-type]
    (data / "manifest.parquet").write_bytes(manifest_bytes(faces, size_px=size, landmark_scheme="ibug68"))
    return faces
