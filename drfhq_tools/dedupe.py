"""Which faces are the same picture. For now: crops of identical pixels, whatever the files they were cut from."""

from __future__ import annotations

from collections.abc import Sequence

from drfhq_tools.records import FaceRecord


def duplicate_groups(faces: Sequence[FaceRecord]) -> list[str]:
    """The group of each face: the smallest face_id among those of its pixels. The encoder is deterministic, so equal
    files are equal pixels."""
    smallest: dict[str, str] = {}
    for face in faces:
        smallest[face.image_sha256] = min(face.face_id, smallest.get(face.image_sha256, face.face_id))
    return [smallest[face.image_sha256] for face in faces]
