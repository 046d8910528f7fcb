"""Schema v1 of the three tables of a data set, with what each column means: the one place that says so.

``manifests/schema/drfhq-v1.json`` and the tables in ``manifests/README.md`` are generated from it
(:mod:`drfhq_tools.manifest.document`).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final, NamedTuple

import pyarrow as pa

from drfhq_tools.records import FaceMeasures, RejectReason

SCHEMA_VERSION: Final = "1"
_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_FLOATS, _TEXTS, _EMBEDDING = pa.list_(pa.float64()), pa.list_(pa.string()), pa.list_(pa.float32())


class Column(NamedTuple):
    """One column: its name, type, whether it may be null, and what it means."""

    name: str
    type: pa.DataType
    nullable: bool
    meaning: str


def _attribute(name: str, classes: str) -> tuple[Column, ...]:
    return (
        Column(name, _TEXT, True, f"{classes}; null where unknown"),
        Column(f"{name}_status", _TEXT, False, "declared, predicted, reviewed or unknown"),
        Column(
            f"{name}_probability",
            _FLOAT,
            True,
            "a network's probability of its likeliest class, named or, below the least asked for, not; else null",
        ),
        Column(f"{name}_labeler", _TEXT, True, "what counted: `review`, `declared` or a network's name"),
        Column(f"{name}_declared", _TEXT, True, "the word as declared, kept even where it maps to no class"),
    )


_MEASURES: Final = (
    ("native_side_px", "side of the quad in source pixels"),
    ("inter_eye_px", "distance of the eye means in source pixels"),
    ("pad_fraction", "share of the crop outside the picture, 0 to 1"),
    ("yaw_deg", "turn of the head by its landmarks, positive where the nose points to the viewer's right"),
    ("pitch_deg", "nod of the head by its landmarks, positive where the face looks down"),
    ("roll_deg", "tilt of the head, positive where it is clockwise on screen"),
    ("sharpness", "standard deviation of the Laplacian of the face's luma in grey levels, on a 256² copy"),
    ("brightness", "mean luma of the face, 0 to 1"),
    ("contrast", "standard deviation of the face's luma, 0 to 0.5"),
    ("under_exposure_prevention", "share of the face's pixels that are not nearly black, luma above 25 of 255"),
    ("over_exposure_prevention", "share of the face's pixels that are not nearly white, luma below 247 of 255"),
    ("dynamic_range", "entropy of the histogram of the face's luma, 0 to 8 bits"),
    ("illumination_uniformity", "overlap of the histograms of both cheeks' luma, 0 to 1"),
    ("compression_artifacts", "strength of 8×8 blocks in the source picture around the face, 0 none to 1"),
    ("eyes_open", "widest distance of the lids over that of eyes and chin, of the eye that is less open; 0 is shut"),
    ("mouth_closed", "1 less the inner lips' widest distance over that of eyes and chin; 1 is closed"),
    ("left_eye_occlusion", "probability that something covers the eye on the viewer's left: hair, a hand, dark glass"),
    ("right_eye_occlusion", "probability that something covers the eye on the viewer's right"),
)
_ALWAYS_MEASURED: Final = {f.name for f in fields(FaceMeasures) if f.type == "float"}

_FOUND: Final = (
    Column("num_faces", _INT, False, "faces found in the picture, kept or not"),
    Column("box", _FLOATS, False, "detection x0 y0 x1 y1 in source pixels"),
    Column("detection_score", _FLOAT, False, "the detector's own score; comparable within one detector"),
    Column("detector", _TEXT, False, "what found the face"),
    Column("landmarks", _FLOATS, False, "x0 y0 x1 y1 … in pixels of the upright source; integers are pixel centres"),
    Column("landmark_scheme", _TEXT, False, "ibug68"),
    Column("quad", _FLOATS, False, "crop corners in source pixels, x y of NW SW SE NE"),
    Column("quad_repeatability", _FLOAT, True, "spread of the quad under repeated detection, as a share of its side"),
    Column("pixels_sha256", _TEXT, False, "hash of the crop's pixels, whatever encoded them"),
    Column("phash", _TEXT, False, "64-bit perceptual hash of the crop, 16 hex digits"),
    Column("phash_fine", _TEXT, False, "256-bit perceptual hash of the crop, 64 hex digits"),
)

MANIFEST_COLUMNS: Final = (
    Column("face_id", _TEXT, False, "hash of source_sha256 and face_index: the face's name for good"),
    Column(
        "image_path", _TEXT, False, "the crop, POSIX, relative to the data set; its number may move when data are added"
    ),
    Column("image_sha256", _TEXT, False, "hash of the crop's file"),
    Column("size_px", _INT, False, "width and height of the crop"),
    Column("source_path", _TEXT, False, "the raw picture, POSIX, relative to --raw; the first of source_paths"),
    Column("source_paths", _TEXTS, False, "every path that holds these same bytes, sorted"),
    Column("source_sha256", _TEXT, False, "hash of the raw file"),
    Column("source_width_px", _INT, False, "width of the raw picture held upright"),
    Column("source_height_px", _INT, False, "height of the raw picture held upright"),
    Column("source_url", _TEXT, True, "where the file came from"),
    Column("page_url", _TEXT, True, "the page that showed it"),
    Column("title", _TEXT, True, "the work's title"),
    Column("author", _TEXT, True, "who made it"),
    Column("license", _TEXT, True, "its licence, as declared"),
    Column("license_url", _TEXT, True, "the licence's text"),
    Column("rights_basis", _TEXT, True, "on what ground it is used where no licence says so"),
    Column("content_rating", _TEXT, True, "the publisher's rating"),
    Column("retrieved_at", _TEXT, True, "when it was fetched, ISO 8601, as declared"),
    Column("products", _TEXTS, True, "what the rendered scene is made of, as its makers name it, sorted"),
    Column("vendors", _TEXTS, True, "who made that, sorted"),
    Column("subject_id", _TEXT, True, "the person or character, as declared; null where a picture has several faces"),
    Column("figure_generation", _TEXT, True, "base figure of the render, such as Genesis 9; null for several faces"),
    Column("character", _TEXT, True, "the figure's name in its scene; null where a picture has several faces"),
    Column("face_index", _INT, False, "number of the face in its picture, from 0, faces ordered by box"),
    *_FOUND,
    *(Column(name, _FLOAT, name not in _ALWAYS_MEASURED, meaning) for name, meaning in _MEASURES),
    *_attribute("gender", "perceived or declared: female, male"),
    *_attribute("age_group", "FairFace's: 0-2, 3-9, 10-19, 20-29, 30-39, 40-49, 50-59, 60-69, 70+"),
    *_attribute(
        "race", "FairFace's: White, Black, Latino_Hispanic, East Asian, Southeast Asian, Indian, Middle Eastern"
    ),
    Column("race_vocabulary", _TEXT, True, "the vocabulary race_declared is a word of, as declared: FairFace, VALID …"),
    Column("age_years", _FLOAT, True, "age as declared"),
    Column(
        "minor",
        _BOOL,
        True,
        "whether the face may be of someone under 18: where a declared, reviewed or predicted age says so",
    ),
    Column("duplicate_group", _TEXT, False, "smallest face_id among copies of one picture, left out or not"),
    Column("identity_group", _TEXT, True, "smallest face_id among faces a network takes for one person; a guess"),
    Column("identity_embedding", _EMBEDDING, True, "what that network says of the face: 128 numbers of dlib's ResNet"),
    Column("split", _TEXT, False, "train, val or test; a person, a picture and its duplicates share one"),
    Column("schema_version", _TEXT, False, "of this table"),
    Column("tool_version", _TEXT, False, "of drfhq-tools"),
    Column("pixels_digest", _TEXT, False, "hash of every setting that decides a crop's pixels"),
    Column(
        "rules_digest", _TEXT, False, "hash of every setting that decides which faces stay, in which split, and labels"
    ),
)

LABEL_COLUMNS: Final = (
    Column("face_id", _TEXT, False, "the face, as in the manifest"),
    Column("attribute", _TEXT, False, "gender, age_group or race"),
    Column("labeler", _TEXT, False, "the source of this row: `review`, `declared` for a sidecar, or a network's name"),
    Column("status", _TEXT, False, "declared, predicted, reviewed or unknown"),
    Column("value", _TEXT, True, "the class it names; null where unknown, or a network is not sure enough"),
    Column("declared", _TEXT, True, "the word as declared"),
    Column("classes", _TEXTS, False, "the classes of the probability vector; empty but for a network"),
    Column("probabilities", _FLOATS, False, "their probabilities, in that order"),
    Column("weights_sha256", _TEXT, True, "hash of the labeler's weights"),
)

REJECT_COLUMNS: Final = (
    Column("source_path", _TEXT, False, "the file, POSIX, relative to --raw"),
    Column("reason", _TEXT, False, "a word of the closed list below"),
    Column("message", _TEXT, False, "what was wrong, in words"),
    Column("face_index", _INT, True, "the face; null for a whole file"),
    Column("rule", _TEXT, True, "the setting that decided, where a rule did"),
    Column("value", _FLOAT, True, "what was measured"),
    Column("threshold", _FLOAT, True, "what the rule asks for"),
    Column("source_sha256", _TEXT, True, "hash of the raw file; null where it was not read"),
    *(
        Column(name, kind, True, f"{meaning}; null for a whole file")
        for name, kind, _, meaning in (*_FOUND, *(Column(n, _FLOAT, True, m) for n, m in _MEASURES))
    ),
)

REASONS: Final[dict[RejectReason, str]] = {
    RejectReason.NO_FACE: "no face was found in the picture",
    RejectReason.TOO_SMALL: "the face has too few pixels for the output size; lower --min-native-ratio or --size",
    RejectReason.TOO_MUCH_PADDING: "too much of the crop lies outside the picture; raise --max-pad-fraction",
    RejectReason.TURNED_AWAY: "the head is turned, nodded or tilted; raise max_yaw_deg, max_pitch_deg or max_roll_deg",
    RejectReason.UNSURE_LANDMARKS: "finding the face again moves its crop too far; raise max_quad_repeatability",
    RejectReason.EYES_CLOSED: "an eye is closed, by its landmarks; lower min_eyes_open",
    RejectReason.MOUTH_OPEN: "the mouth is open, by its landmarks; lower min_mouth_closed",
    RejectReason.BLURRED: "the face is not sharp enough; lower min_sharpness",
    RejectReason.BADLY_EXPOSED: "too dark, too bright, flat or lit from one side; lower the rule named in the row",
    RejectReason.COMPRESSED: "the picture around the face shows blocks; raise max_compression_artifacts",
    RejectReason.EYES_COVERED: "an eye or both seem covered; raise max_worse_eye_occlusion, max_better_eye_occlusion",
    RejectReason.DUPLICATE: "a copy of a face that is kept, which the message names; set duplicates=keep-all",
    RejectReason.MATURE: "rated mature, and not opened; set keep_mature=true, which never keeps what may be a minor's",
    RejectReason.REVIEWED: "a person looked at it and rejected it; take the verdict back in `drfhq review`, then build",
    RejectReason.REMOVED: "taken out for good, by a tombstone; it was not opened",
    RejectReason.EMPTY_FILE: "the file has no bytes",
    RejectReason.NOT_A_PICTURE: "the name says picture, the content does not",
    RejectReason.UNSUPPORTED_FORMAT: "a picture, but not a PNG, JPEG, WebP, TIFF or BMP of a kind that is read",
    RejectReason.SEVERAL_FRAMES: "an animation or a file of several pages; save the frame you mean",
    RejectReason.TOO_LARGE: "more pixels than --max-megapixels by the file's header; it was not decoded",
    RejectReason.CORRUPT: "the picture is truncated or damaged",
    RejectReason.UNREADABLE: "the operating system would not let us read it, or a link leads nowhere",
    RejectReason.CHANGED: "the file changed while the build ran; run it again",
    RejectReason.FAILED: "an error of the program on this input; please report it",
    RejectReason.BAD_SIDECAR: "a label or provenance file, or a value in it, cannot be understood",
    RejectReason.LABEL_NOTE: "a label that could not be used as it stands; nothing is wrong with the picture",
}


def to_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema; each field carries its meaning as metadata, so that a file explains itself."""
    fields = [pa.field(c.name, c.type, c.nullable, {"meaning": c.meaning}) for c in columns]
    return pa.schema(fields, metadata={"drfhq_schema_version": SCHEMA_VERSION})
