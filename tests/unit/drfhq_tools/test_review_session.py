"""Reviewing: what a session settles, takes back and refuses; what of a data set the page may see."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drfhq_tools.errors import DecodeError, ManifestError, UsageError
from drfhq_tools.hashing import face_id
from drfhq_tools.imageio import encode_png
from drfhq_tools.manifest.reviews import FILE_NAME, Review, append_reviews, read_reviews
from drfhq_tools.manifest.writer import labels_bytes, manifest_bytes, rejects_bytes
from drfhq_tools.records import FaceRecord, LabelScores, Reject, RejectReason
from drfhq_tools.review.session import Change, Session
from drfhq_tools.review.shelf import LEFT_OUT, MEASURES, open_shelf
from drfhq_tools.review.thumbnails import SIDE_PX, Thumbnails

MakeFace = Callable[..., FaceRecord]
IDS = [face_id(f"source {number}", 0) for number in range(5)]
A, B, C, D, _ = IDS
KEEP, REJECT = Change(judged=True, verdict="keep"), Change(judged=True, verdict="reject")
CLOCK = itertools.count()


def now() -> str:
    """A later second at each call."""
    return f"2026-01-01T{next(CLOCK) // 3600 % 24:02d}:{next(CLOCK) // 60 % 60:02d}:{next(CLOCK) % 60:02d}Z"


def write(data: Path, faces: list[FaceRecord], rejects: list[Reject] | None = None) -> None:
    """The tables of a data set; the manifest last, as a build does."""
    scores = LabelScores(attribute="gender", value="male", status="predicted", labeler="net", classes=("male",))
    (data / "labels.parquet").write_bytes(labels_bytes([(face.face_id, scores) for face in faces]))
    (data / "rejects.parquet").write_bytes(rejects_bytes(rejects or []))
    (data / "manifest.parquet").write_bytes(manifest_bytes(faces, size_px=64, landmark_scheme="ibug68"))


@pytest.fixture
def rows(face: MakeFace) -> list[FaceRecord]:
    """Five faces; the first is mature and male with a probability, the second declared."""
    rows = [face(face_id=name, image_path=f"images/00000/{i:05d}.png", image_sha256=name) for i, name in enumerate(IDS)]
    rows[0] = replace(
        rows[0], content_rating="mature", gender="male", gender_status="predicted", gender_probability=0.6
    )
    rows[1] = replace(rows[1], race="White", race_status="declared", sharpness=1.23456)
    return rows


@pytest.fixture
def data(tmp_path: Path, rows: list[FaceRecord]) -> Path:
    """A data set of them, with pictures."""
    folder = tmp_path / "images" / "00000"
    folder.mkdir(parents=True)
    for number in range(len(rows)):
        (folder / f"{number:05d}.png").write_bytes(encode_png(np.full((64, 64, 3), 40 * number, np.uint8)))
    write(tmp_path, rows)
    return tmp_path


@pytest.fixture
def session(data: Path) -> Session:
    return Session(data, "ana", now)


def verdicts(data: Path) -> dict[str, str | None]:
    return {name: review.verdict for name, review in read_reviews(data).items()}


def test_a_decision_is_on_the_disk_when_it_is_told(session: Session, data: Path) -> None:
    outcome = session.decide("tab", [A, B, A], KEEP)
    assert [review.face_id for review in outcome.reviews] == [A, B]
    assert verdicts(data) == {A: "keep", B: "keep"}
    assert {review.reviewer for review in read_reviews(data).values()} == {"ana"}


def test_labels_and_verdicts_leave_each_other_alone(session: Session, data: Path) -> None:
    session.decide("tab", [A], KEEP)
    session.decide("tab", [A], Change(labels={"gender": "female", "race": None}))
    session.decide("tab", [A], Change(unset=frozenset({"gender"})))
    review = read_reviews(data)[A]
    assert (review.verdict, dict(review.labels)) == ("keep", {"race": None})
    session.decide("tab", [A], Change(judged=True))
    assert read_reviews(data)[A].verdict is None


def test_what_is_settled_already_is_not_written_again(session: Session, data: Path) -> None:
    session.decide("tab", [A], KEEP)
    outcome = session.decide("tab", [A, B], KEEP)
    assert [review.face_id for review in outcome.reviews] == [B]
    assert len((data / FILE_NAME).read_text().splitlines()) == 2
    session.undo("tab")
    assert verdicts(data) == {A: "keep", B: None}


def test_undo_goes_back_step_by_step(session: Session, data: Path) -> None:
    session.decide("tab", [A], KEEP)
    session.decide("tab", [A, B], REJECT)
    session.decide("tab", [B], Change(labels={"race": "Black"}))
    assert session.steps_of("tab") == 3
    session.undo("tab")
    assert dict(read_reviews(data)[B].labels) == {}
    session.undo("tab")
    assert verdicts(data) == {A: "keep", B: None}
    session.undo("tab")
    assert verdicts(data) == {A: None, B: None}
    assert session.undo("tab").reviews == ()


def test_a_tab_takes_back_its_own_steps_and_not_what_another_decided_since(session: Session, data: Path) -> None:
    session.decide("one", [A, B], KEEP)
    session.decide("two", [B, C], REJECT)
    outcome = session.undo("one")
    assert ([review.face_id for review in outcome.reviews], outcome.others) == ([A], 1)
    assert verdicts(data) == {A: None, B: "reject", C: "reject"}
    session.undo("two")
    assert verdicts(data) == {A: None, B: "keep", C: None}


def test_another_process_is_heard_before_its_lines_are_written_over(session: Session, data: Path) -> None:
    other = Session(data, "ben", now)
    session.decide("tab", [A], Change(labels={"race": "Indian"}))
    version = session.version
    other.decide("tab", [A], KEEP)
    session.decide("tab", [A], Change(labels={"gender": "male"}))
    review = read_reviews(data)[A]
    assert (review.verdict, dict(review.labels)) == ("keep", {"race": "Indian", "gender": "male"})
    other.decide("tab", [B], REJECT)
    assert session.look() is None
    assert {(review.face_id, review.verdict) for review in session.changed_since(version)} == {
        (A, "keep"),
        (B, "reject"),
    }
    assert session.changed_since(session.version) == []


def test_earlier_reviews_are_there_at_the_start_and_removed_ones_vanish(data: Path) -> None:
    append_reviews(data, Review(face_id=A, verdict="keep", reviewer="ben", reviewed_at=now()))
    append_reviews(data, Review(face_id=B, verdict="keep", reviewer="ben", reviewed_at=now()))
    session = Session(data, "ana", now)
    assert {review.face_id for review in session.settled()} == {A, B}
    lines = (data / FILE_NAME).read_text().splitlines(keepends=True)
    (data / FILE_NAME).write_text(lines[1])  # as `drfhq remove` does
    session.look()
    assert [review.verdict for review in session.changed_since(0)] == [None]
    assert {review.face_id for review in session.settled()} == {B}


def test_a_face_that_left_meanwhile_is_told(session: Session, data: Path, rows: list[FaceRecord]) -> None:
    write(data, rows[1:])
    assert session.look() is None
    assert session.generation == 1
    outcome = session.decide("tab", [A, B], KEEP)
    assert ([review.face_id for review in outcome.reviews], outcome.gone) == ([B], 1)
    assert session.shelf.one_face(A) is None


def test_a_data_set_under_construction_is_told_and_loses_nothing(
    session: Session, data: Path, rows: list[FaceRecord]
) -> None:
    (data / "manifest.parquet").unlink()
    assert "is being built anew" in (session.look() or "")
    assert session.decide("tab", [A], KEEP).trouble is None
    write(data, rows)
    assert session.look() is None


def test_trouble_with_the_journal_is_told_and_what_was_written_before_it_counts(session: Session, data: Path) -> None:
    session.decide("tab", [A], KEEP)
    journal = (data / FILE_NAME).read_bytes()
    (data / FILE_NAME).unlink()
    (data / FILE_NAME).mkdir()  # nobody can write there, whoever they are
    outcome = session.decide("tab", [B], KEEP)
    assert outcome.reviews == ()
    assert FILE_NAME in (outcome.trouble or "")
    assert FILE_NAME in (session.look() or "")
    (data / FILE_NAME).rmdir()
    (data / FILE_NAME).write_bytes(journal)
    assert session.look() is None
    assert session.decide("tab", [B], KEEP).trouble is None
    assert verdicts(data) == {A: "keep", B: "keep"}


def test_a_damaged_journal_ends_the_start(data: Path) -> None:
    (data / FILE_NAME).write_text("{}\n")
    with pytest.raises(ManifestError, match="line 1"):
        Session(data, "ana", now)


def test_faces_are_sent_in_columns(data: Path) -> None:
    sent = open_shelf(data).all_faces()
    assert "NaN" not in json.dumps(sent)
    faces = sent["faces"]
    assert isinstance(faces, dict)
    assert {len(column) for column in faces.values()} == {len(IDS)}
    assert faces["face_id"] == IDS
    assert faces["mature"] == [1, 0, 0, 0, 0]
    assert faces["gender"][:2] == [1, -1]
    assert faces["gender_probability"][:2] == [0.6, None]
    assert faces["race"][:2] == [-1, 0]
    assert faces["sharpness"][1] == 1.235
    assert {column.name for column in MEASURES} <= faces.keys()


def test_one_face_is_sent_with_all_its_labels(data: Path) -> None:
    one = open_shelf(data).one_face(A)
    assert one is not None
    assert json.loads(json.dumps(one))["row"]["content_rating"] == "mature"
    assert [scores["labeler"] for scores in one["labels"]] == ["net"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["../secret.png", "images/../../secret.png", "{outside}", "images", "images/link.png"])
def test_no_file_but_a_picture_of_the_data_set_is_opened(
    data: Path, rows: list[FaceRecord], tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    outside.write_bytes(b"secret")
    (data.parent / "secret.png").write_bytes(b"secret")
    try:
        (data / "images" / "link.png").symlink_to(outside)
    except OSError:
        pytest.skip("this system makes no links")
    write(data, [replace(rows[0], image_path=path.format(outside=outside)), *rows[1:]])
    shelf = open_shelf(data)
    assert shelf.picture(A) is None
    assert shelf.picture("../secret") is None
    picture = shelf.picture(B)
    assert picture is not None
    assert picture.name == "00001.png"


def test_faces_that_a_review_took_out_stay_to_be_taken_back(data: Path, rows: list[FaceRecord]) -> None:
    gone = rows[0]
    reject = Reject(
        source_path="a.png",
        face_index=0,
        reason=RejectReason.REVIEWED,
        message="rejected by ana",
        found=replace(gone.found, source_sha256="source 0"),
        measures=gone.measures,
    )
    write(data, rows[1:], [*reject.at_each(["a.png", "copy.png"]), replace(reject, reason=RejectReason.BLURRED)])
    shelf = open_shelf(data)
    assert len(shelf) == len(IDS)
    assert shelf.all_faces()["faces"]["split"][-1] == LEFT_OUT  # type: ignore[index]
    assert shelf.picture(A) is None
    session = Session(data, "ana", now)
    assert [review.verdict for review in session.decide("tab", [A], KEEP).reviews] == ["keep"]


def test_thumbnails_are_small_and_kept_up_to_a_limit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        small = Image.fromarray(rng.integers(0, 256, (20, 10, 3), dtype=np.uint8))
        small.resize((500, 1000)).save(tmp_path / f"{name}.png")
    size = len(Thumbnails().of("a", tmp_path / "a.png"))
    thumbnails = Thumbnails(kept_bytes=int(2.5 * size))
    for name in ("a", "b", "a", "c"):
        (tmp_path / "made.jpg").write_bytes(thumbnails.of(name, tmp_path / f"{name}.png"))
    with Image.open(tmp_path / "made.jpg") as made:
        assert made.size == (SIDE_PX // 2, SIDE_PX)
    (tmp_path / "b.png").unlink()
    assert thumbnails.of("a", tmp_path / "gone.png")
    with pytest.raises(DecodeError):
        thumbnails.of("b", tmp_path / "b.png")  # the one that was longest unused went
    assert thumbnails.bytes_now <= thumbnails.kept_bytes


GOOD = {"tab": "t", "faces": [A], "verdict": "keep"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        {},
        GOOD | {"faces": []},
        GOOD | {"faces": A},
        GOOD | {"faces": [1]},
        GOOD | {"verdict": "maybe"},
        GOOD | {"verdict": ["keep"]},
        GOOD | {"labels": {"height": "tall"}},
        GOOD | {"labels": {"gender": "White"}},
        GOOD | {"labels": {"gender": ["male"]}},
        GOOD | {"labels": ["gender"]},
        GOOD | {"unset": "gender"},
        GOOD | {"unset": ["height"]},
        GOOD | {"tab": ""},
        GOOD | {"tab": "t" * 65},
        {"tab": "t", "faces": [A]},
    ],
)
def test_what_is_no_decision_is_refused(body: bytes | dict[str, object]) -> None:
    app = pytest.importorskip("drfhq_tools.review.app", reason="the extra web is not installed")
    with pytest.raises(UsageError):
        app.parse_decision(body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_decision_is_read(session: Session) -> None:
    app = pytest.importorskip("drfhq_tools.review.app", reason="the extra web is not installed")
    tab, faces, change = app.parse_decision(json.dumps({"tab": "t", "faces": [D], "verdict": None}).encode())
    assert (tab, faces, change) == ("t", (D,), Change(judged=True))
    _, _, change = app.parse_decision(b'{"tab": "t", "faces": ["x"], "labels": {"race": null}, "unset": ["gender"]}')
    assert change == Change(labels={"race": None}, unset=frozenset({"gender"}))
    assert session.decide("t", ["x"], change).gone == 1
