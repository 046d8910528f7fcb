"""What was seen in each picture: what makes a build resumable.

An entry is written whole, after the crops it speaks of, under the hash of the picture's bytes; it is what "finished"
means. It says nothing of sidecars and rules: those are applied to it afterwards (:mod:`drfhq_tools.build.rows`), so
other words or other rules redo no picture. A finished data set is a ledger too: its manifest and rejects hold every
face's place and measures.

What decides an entry beside the picture is the settings that decide pixels, the largest picture that is decoded, and
the version of this program; entries of another kind are never mixed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from drfhq_tools import __version__
from drfhq_tools.atomic import write_file
from drfhq_tools.config import BuildConfig, config_from
from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.hashing import face_id, settings_digest, sha256_file
from drfhq_tools.labels.settle import is_prediction
from drfhq_tools.records import FaceMeasures, FaceRecord, FoundFace, GivenFace, LabelScores, Reject, RejectReason

WORK_NAME: Final = ".drfhq-work"
_MARK: Final = "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One face. ``image_sha256`` is its crop's file, None where none was written; ``embedding`` and ``predictions`` are
    what networks made of the crop, as far as any were asked."""

    face_index: int
    found: FoundFace
    measures: FaceMeasures
    image_sha256: str | None = None
    embedding: tuple[float, ...] | None = None
    predictions: tuple[LabelScores, ...] = ()

    @property
    def face_id(self) -> str:
        """The face's name for good."""
        return face_id(self.found.source_sha256, self.face_index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """All faces seen in one picture, by index. Width and height, of the picture held upright, are 0 where only a
    picture whose faces were all left out is known from a data set."""

    sha256: str
    faces: tuple[Seen, ...] = ()
    width_px: int = 0
    height_px: int = 0


class Ledger:
    """Entries and crops in ``folder``; :func:`open_ledger` prepares it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def crop(self, face: str) -> Path:
        """Where the crop of the face of this name lies, or would."""
        return self.folder / "crops" / face[:2] / f"{face}.png"

    def write(self, looked: Looked) -> None:
        """Note a picture as finished; its crops are there already."""
        text = json.dumps(asdict(looked), separators=(",", ":"))
        write_file(self._entry(looked.sha256), text.encode())

    def read(self, sha256: str) -> Looked | None:
        """The picture's entry; None where it is not finished."""
        try:
            return _looked(json.loads(self._entry(sha256).read_bytes()))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def forget(self, sha256: str) -> bool:
        """Let go of a picture, its crops first; whether it was known.

        Raises:
            OSError: a file cannot be removed.
        """
        looked = self.read(sha256)
        for face in looked.faces if looked else ():
            self.crop(face.face_id).unlink(missing_ok=True)
        self._entry(sha256).unlink(missing_ok=True)
        return looked is not None

    def discard(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _entry(self, sha256: str) -> Path:
        return self.folder / "seen" / sha256[:2] / f"{sha256}.json"


def open_ledger(folder: Path, config: BuildConfig) -> Ledger:
    """The ledger in ``folder``, with what is there of these settings and this version.

    Raises:
        UsageError: unfinished work of other settings lies there.
        OSError: it cannot be written to.
    """
    ledger, mark = Ledger(folder), folder / _MARK
    kind = entry_digest(config)
    try:
        said = json.loads(mark.read_bytes())
        earlier, earlier_kind = config_from(said["settings"]), said["entries"]
    except (OSError, ValueError, TypeError, KeyError, UsageError):
        earlier, earlier_kind = None, ""
    if earlier is not None and earlier.pixels_digest != config.pixels_digest:
        raise UsageError(
            f"{folder} holds unfinished work of other settings ({differing(earlier, config)}): go on with those, choose"
            " another --out, or delete that folder"
        )
    if earlier_kind != kind:
        ledger.discard()
        write_file(mark, (json.dumps({"entries": kind, "settings": asdict(config)}, indent=2) + "\n").encode())
    return ledger


def entry_digest(config: BuildConfig) -> str:
    """Hash of what decides an entry beside the picture."""
    return settings_digest(
        {"pixels": config.pixels_digest, "max_pixels": config.max_pixels, "tool_version": __version__}
    )


def differing(one: BuildConfig, other: BuildConfig) -> str:
    """The settings of ``one`` that ``other`` has otherwise, in words."""
    theirs, ours = asdict(one), asdict(other)
    names = [name for name in theirs if theirs[name] != ours[name]]
    return ", ".join(f"{name} {theirs[name]}, not {ours[name]}" for name in names) or "made by another version"


def looked_of(
    faces: Iterable[FaceRecord], rejects: Iterable[Reject], labels: Mapping[str, Iterable[LabelScores]]
) -> dict[str, Looked]:
    """What a finished data set says of pictures, by their hash; those it knows but a part of are left out."""
    seen: dict[str, dict[int, Seen]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for face in faces:
        sizes[face.source_sha256] = (face.source_width_px, face.source_height_px)
        seen.setdefault(face.source_sha256, {})[face.face_index] = Seen(
            face_index=face.face_index,
            found=face.found,
            measures=face.measures,
            image_sha256=face.image_sha256,
            embedding=face.identity_embedding,
            predictions=tuple(label for label in labels.get(face.face_id, ()) if is_prediction(label)),
        )
    for row in rejects:
        if row.found is not None and row.measures is not None and row.face_index is not None:
            one = Seen(face_index=row.face_index, found=row.found, measures=row.measures)
            seen.setdefault(row.found.source_sha256, {}).setdefault(row.face_index, one)
        elif row.reason is RejectReason.NO_FACE and row.source_sha256:
            seen.setdefault(row.source_sha256, {})
    return {
        sha256: Looked(sha256=sha256, faces=ordered, width_px=width, height_px=height)
        for sha256, faces_seen in seen.items()
        for width, height in [sizes.get(sha256, (0, 0))]
        for ordered in [tuple(faces_seen[index] for index in sorted(faces_seen))]
        if len(ordered) == (ordered[0].found.num_faces if ordered else 0)
    }


def with_whole_crops(looked: Looked, crop_of: Callable[[str], Path]) -> Looked:
    """The same, without what it says of crops that are missing or damaged; ``crop_of`` has their places by face_id."""
    faces = tuple(
        face if face.image_sha256 is None or _is_whole(crop_of(face.face_id), face.image_sha256) else _uncut(face)
        for face in looked.faces
    )
    return replace(looked, faces=faces)


def shows_given(looked: Looked, given: Iterable[GivenFace]) -> bool:
    """Whether the faces seen are those a sidecar gives, for a detector that goes by nothing else."""
    wanted = sorted((face.landmarks, face.box or _bounds(face)) for face in given)
    return sorted((face.found.landmarks, face.found.box) for face in looked.faces) == wanted


def _bounds(face: GivenFace) -> tuple[float, ...]:
    xs, ys = face.landmarks[0::2], face.landmarks[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _is_whole(crop: Path, sha256: str) -> bool:
    try:
        return sha256_file(crop) == sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DrfhqError(f"cannot read {crop}: {error.strerror or error}") from error


def _uncut(face: Seen) -> Seen:
    return replace(face, image_sha256=None, embedding=None, predictions=())


def _looked(row: dict[str, Any]) -> Looked:
    """Inverse of ``asdict``."""
    faces = (
        _tuples(face)
        | {
            "found": FoundFace(**_tuples(face["found"])),
            "measures": FaceMeasures(**face["measures"]),
            "predictions": tuple(LabelScores(**_tuples(label)) for label in face.get("predictions", ())),
        }
        for face in row["faces"]
    )
    return Looked(**row | {"faces": tuple(Seen(**face) for face in faces)})


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
