"""What was seen in a picture, what is said of it, the rules → rows of the tables. A pure function: no file is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from drfhq_tools import __version__
from drfhq_tools.config import BuildConfig
from drfhq_tools.filters import judge, reject_for
from drfhq_tools.labels.declared import declared_labels
from drfhq_tools.ledger import Looked, Seen
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.ratings import is_minor
from drfhq_tools.records import FaceRecord, LabelScores, Reject, RejectReason, SourceImage
from drfhq_tools.withheld import mature_minor

_OF_THE_PERSON: Final = ("subject_id", "figure_generation", "character", "age_years", "race_vocabulary")
"""What is declared of a person and stands in the manifest as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A picture's rows. In ``faces``, those that pass every rule, ``image_path``, the groups and ``split`` are the
    barrier's to fill, and ``image_sha256`` is empty where a crop is still to be cut. ``labels`` are by face_id."""

    faces: tuple[FaceRecord, ...] = ()
    labels: Mapping[str, tuple[LabelScores, ...]] = field(default_factory=dict)
    rejects: tuple[Reject, ...] = ()


def describe(source: SourceImage, looked: Looked, config: BuildConfig) -> Described:
    """The rows of one picture; what is rejected of identical files is said of each."""
    if not looked.faces:
        message = "no face is given beside it" if config.detector == "precomputed" else "no face found"
        return Described(rejects=Reject.of_picture(source, RejectReason.NO_FACE, message).at_each(source.paths))
    faces: list[FaceRecord] = []
    rejects: list[Reject] = []
    labels = declared_labels(source.declared) if looked.faces[0].found.num_faces == 1 else ()
    for seen in looked.faces:
        face = _record(source, looked, seen, labels, config)
        reject = reject_for(judge(seen.measures, config), source.path, seen.face_index, seen.measures)
        reject = reject or mature_minor(source, seen.face_index, face.minor)
        if reject is None:
            faces.append(face)
        else:
            rejects += replace(reject, found=seen.found, measures=seen.measures).at_each(source.paths)
    return Described(
        faces=tuple(faces),
        labels={face.face_id: labels for face in faces},
        rejects=tuple(rejects),
    )


def _record(
    source: SourceImage, looked: Looked, seen: Seen, labels: Iterable[LabelScores], config: BuildConfig
) -> FaceRecord:
    values: dict[str, Any] = {
        **_origin(source, seen.found.num_faces),
        **asdict(seen.found),
        **asdict(seen.measures),
        **_attributes(labels),
    }
    return FaceRecord(
        **values,
        minor=is_minor(values.get("age_years"), values.get("age_group")),
        face_id=seen.face_id,
        image_path="",
        image_sha256=seen.image_sha256 or "",
        size_px=config.size,
        source_width_px=looked.width_px,
        source_height_px=looked.height_px,
        face_index=seen.face_index,
        duplicate_group="",
        identity_embedding=seen.embedding if config.identity_distance else None,
        split="",
        schema_version=SCHEMA_VERSION,
        tool_version=__version__,
        pixels_digest=config.pixels_digest,
        rules_digest=config.rules_digest,
    )


def _origin(source: SourceImage, num_faces: int) -> dict[str, object]:
    """The columns that come from the picture; what is said of the person only where there is one."""
    person: dict[str, object] = {}
    if num_faces == 1:
        declared = source.declared
        person = {name: getattr(declared, name) for name in _OF_THE_PERSON}
    return {
        "source_path": source.path,
        "source_paths": source.paths,
        **asdict(source.provenance),
        **person,
    }


def _attributes(labels: Iterable[LabelScores]) -> dict[str, object]:
    """The five columns of each labelled attribute."""
    columns: dict[str, object] = {}
    for label in labels:
        columns |= {
            label.attribute: label.value,
            f"{label.attribute}_status": label.status,
            f"{label.attribute}_probability": max(label.probabilities, default=None),
            f"{label.attribute}_labeler": label.labeler,
            f"{label.attribute}_declared": label.declared,
        }
    return columns
