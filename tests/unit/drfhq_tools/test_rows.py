"""What was seen, what is said of it and the rules, as rows."""

from collections.abc import Callable
from dataclasses import replace

from drfhq_tools.build.ledger import Looked, Seen
from drfhq_tools.build.rows import describe
from drfhq_tools.config import BuildConfig
from drfhq_tools.records import Declared, FaceRecord, Provenance, RejectReason, SourceImage

CONFIG = BuildConfig(size=64, min_native_ratio=0, max_yaw_deg=30)
SOURCE = SourceImage(
    path="a.png",
    paths=("a.png", "b.png"),
    sha256="s0",
    size_bytes=9,
    provenance=Provenance(author="me", content_rating="mature"),
    declared=Declared(gender="f", age_years=33.0, subject_id="x"),
)

Row = Callable[..., FaceRecord]


def looked(*rows: FaceRecord, embedding: tuple[float, ...] | None = None) -> Looked:
    faces = [
        Seen(
            face_index=index,
            found=row.found,
            measures=row.measures,
            image_sha256=row.image_sha256 or None,
            embedding=embedding,
        )
        for index, row in enumerate(rows)
    ]
    return Looked(sha256="s0", faces=tuple(faces), width_px=100, height_px=90)


def test_words_and_measures_meet(face: Row) -> None:
    described = describe(SOURCE, looked(face(yaw_deg=9.0), embedding=(1.0,)), CONFIG, {})
    (row,) = described.faces
    assert (row.yaw_deg, row.author, row.gender, row.age_group, row.subject_id) == (9, "me", "female", "30-39", "x")
    assert (row.source_path, row.source_paths, row.source_height_px) == ("a.png", ("a.png", "b.png"), 90)
    assert (row.image_sha256, row.identity_embedding, row.minor) == ("i0", None, False)
    assert [label.attribute for label in described.labels[row.face_id]] == ["gender", "age_group"]
    assert described.rejects == ()
    asked = describe(SOURCE, looked(face(), embedding=(1.0,)), replace(CONFIG, identity_distance=0.4), {})
    assert asked.faces[0].identity_embedding == (1.0,)


def test_of_two_faces_nothing_is_said(face: Row) -> None:
    described = describe(SOURCE, looked(face(num_faces=2), face(num_faces=2, yaw_deg=-40.0)), CONFIG, {})
    (row,) = described.faces
    assert (row.gender, row.subject_id, row.age_years, row.minor, row.author) == (None, None, None, None, "me")
    rejects = [(one.source_path, one.face_index, one.rule) for one in described.rejects]
    assert rejects == [("a.png", 1, "max_yaw_deg"), ("b.png", 1, "max_yaw_deg")]
    assert {one.found for one in described.rejects} == {face(num_faces=2).found}


def test_a_face_whose_crop_is_still_to_be_cut_says_so(face: Row) -> None:
    assert describe(SOURCE, looked(face(image_sha256="")), CONFIG, {}).faces[0].image_sha256 == ""


def test_nobody_is_a_reject_at_each_path() -> None:
    rejects = describe(SOURCE, looked(), CONFIG, {}).rejects
    assert [(one.source_path, one.reason, one.source_sha256) for one in rejects] == [
        ("a.png", RejectReason.NO_FACE, "s0"),
        ("b.png", RejectReason.NO_FACE, "s0"),
    ]
    assert "given" in describe(SOURCE, looked(), replace(CONFIG, detector="precomputed"), {}).rejects[0].message


def test_a_minor_in_a_mature_picture_is_left_out(face: Row) -> None:
    young = replace(SOURCE, declared=Declared(age_years=9.0))
    described = describe(young, looked(face()), CONFIG, {})
    assert described.faces == ()
    assert {one.reason for one in described.rejects} == {RejectReason.MATURE}
