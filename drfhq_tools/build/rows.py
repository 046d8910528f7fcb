"""What was seen in a picture, what is said of it, the rules → rows of the tables. A pure function: no file is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from drfhq_tools import __version__
from drfhq_tools.build.ledger import Looked, Seen
from drfhq_tools.build.withheld import mature_minor
from drfhq_tools.config import BuildConfig
from drfhq_tools.filters import judge, reject_for
from drfhq_tools.labels.asked import answers
from drfhq_tools.labels.declared import NAME as DECLARED
from drfhq_tools.labels.declared import declared_labels
from drfhq_tools.labels.settle import columns, is_prediction, may_be_minor, settle
from drfhq_tools.manifest.reviews import Review
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.records import FaceRecord, LabelScores, Reject, RejectReason, SourceImage

_OF_THE_PERSON: Final = ("subject_id", "figure_generation", "character", "age_years", "race_vocabulary")
"""What is declared of a person and stands in the manifest as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A picture's rows. In ``faces``, those that pass every rule, ``image_path``, the groups and ``split`` are the
    barrier's to fill, and ``image_sha256`` is empty where a crop is still to be cut. ``labels`` are by face_id."""

    faces: tuple[FaceRecord, ...] = ()
    labels: Mapping[str, tuple[LabelScores, ...]] = field(default_factory=dict)
    rejects: tuple[Reject, ...] = ()


def describe(source: SourceImage, looked: Looked, config: BuildConfig, reviews: Mapping[str, Review]) -> Described:
    """The rows of one picture; what is rejected of identical files is said of each. ``reviews`` are by face_id."""
    if not looked.faces:
        message = "no face is given beside it" if config.detector == "precomputed" else "no face found"
        return Described(rejects=Reject.of_picture(source, RejectReason.NO_FACE, message).at_each(source.paths))
    faces: list[FaceRecord] = []
    rejects: list[Reject] = []
    labels: dict[str, tuple[LabelScores, ...]] = {}
    declared = declared_labels(source.declared) if looked.faces[0].found.num_faces == 1 else ()
    for seen in looked.faces:
        review = reviews.get(seen.face_id)
        face, said = relabelled(_record(source, looked, seen, config), (*declared, *seen.predictions), config, review)
        reject = rejected(face, config, review)
        if reject is None:
            faces.append(face)
            labels[face.face_id] = said
        else:
            rejects += replace(reject, found=seen.found, measures=seen.measures).at_each(source.paths)
    return Described(faces=tuple(faces), labels=labels, rejects=tuple(rejects))


def relabelled(
    face: FaceRecord, said: Iterable[LabelScores], config: BuildConfig, review: Review | None
) -> tuple[FaceRecord, tuple[LabelScores, ...]]:
    """The row with what counts of all that is declared, predicted and reviewed of it, and the rows of labels.parquet;
    what ``said`` holds of earlier reviews is passed over."""
    known = list(said)
    labels = settle(
        reviewed=review.labels if review else {},
        declared=[label for label in known if label.labeler == DECLARED],
        predicted=answers([label for label in known if is_prediction(label)], config),
        min_probability=config.min_label_probability,
    )
    settled: dict[str, Any] = columns(labels)
    return replace(face, **settled, minor=may_be_minor(face.age_years, labels)), labels


def rejected(face: FaceRecord, config: BuildConfig, review: Review | None) -> Reject | None:
    """Why a face is left out, at the first of its paths, None where it stays: first what a person decided, then the
    rules, then what may not be shown."""
    return (
        rejected_by(review, face.source_path, face.face_index)
        or reject_for(judge(face.measures, config), face.source_path, face.face_index, face.measures)
        or mature_minor(face.source_path, face.face_index, face.content_rating, face.minor)
    )


def rejected_by(review: Review | None, path: str, face_index: int) -> Reject | None:
    """The reject of a face that a person decided to leave out; None of any other."""
    if review is None or review.verdict != "reject":
        return None
    return Reject(
        source_path=path,
        face_index=face_index,
        reason=RejectReason.REVIEWED,
        message=f"rejected by {review.reviewer} at {review.reviewed_at}",
    )


def _record(source: SourceImage, looked: Looked, seen: Seen, config: BuildConfig) -> FaceRecord:
    """The row without labels."""
    values: dict[str, Any] = {
        **_origin(source, seen.found.num_faces),
        **asdict(seen.found),
        **asdict(seen.measures),
    }
    return FaceRecord(
        **values,
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
