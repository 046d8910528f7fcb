"""The journal of reviews: what counts, what a cut leaves, several writers, damage."""

import multiprocessing
from pathlib import Path

import pytest

from drfhq_tools.errors import DrfhqError, ManifestError, UsageError
from drfhq_tools.manifest.reviews import FILE_NAME, Review, append_reviews, forget_reviews, read_reviews

ONE, OTHER = "0" * 31 + "1", "0" * 31 + "2"
NOON = "2026-01-31T12:00:00+00:00"


def review(face: str = ONE, **said: object) -> Review:
    return Review(face_id=face, reviewer="Renée", reviewed_at=NOON, **said)  # type: ignore[arg-type]


def test_the_last_line_of_a_face_counts_so_the_former_state_undoes_a_decision(tmp_path: Path) -> None:
    first = review(labels={"gender": "female"})
    for one in (first, review(OTHER, verdict="keep"), review(verdict="reject", labels={"gender": None}), first):
        append_reviews(tmp_path, one)
    assert read_reviews(tmp_path) == {ONE: first, OTHER: review(OTHER, verdict="keep")}
    assert len((tmp_path / FILE_NAME).read_bytes().splitlines()) == 4
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_nothing_was_reviewed_where_there_is_no_journal(tmp_path: Path) -> None:
    assert read_reviews(tmp_path) == {}
    forget_reviews(tmp_path, [ONE])
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_last_line_that_was_cut_is_passed_over_and_gone_with_the_next(tmp_path: Path, cut: int) -> None:
    append_reviews(tmp_path, review(verdict="keep"))
    whole = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(whole + whole[: -1 - cut])
    assert read_reviews(tmp_path) == {ONE: review(verdict="keep")}
    append_reviews(tmp_path, review(OTHER))
    assert (tmp_path / FILE_NAME).read_bytes().startswith(whole + b'{"face_id":"' + OTHER.encode())
    assert set(read_reviews(tmp_path)) == {ONE, OTHER}


def test_a_last_line_that_lacks_but_its_end_counts_and_the_next_begins_on_its_own(tmp_path: Path) -> None:
    append_reviews(tmp_path, review(verdict="keep"))
    (tmp_path / FILE_NAME).write_bytes((tmp_path / FILE_NAME).read_bytes()[:-1])
    assert set(read_reviews(tmp_path)) == {ONE}
    append_reviews(tmp_path, review(OTHER))
    assert set(read_reviews(tmp_path)) == {ONE, OTHER}


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"\xff",
        b"",
        b'{"face_id":"x"}',
        b'{"face_id":"00000000000000000000000000000001","verdict":"burn","labels":{},"reviewer":"r","reviewed_at":"2026-01-31T12:00Z"}',
        b'{"face_id":"00000000000000000000000000000001","verdict":null,"labels":[1],"reviewer":"r","reviewed_at":"2026-01-31T12:00Z"}',
        b'{"face_id":"00000000000000000000000000000001","verdict":null,"labels":{},"reviewer":"r","reviewed_at":12}',
    ],
)
def test_other_damage_is_told_by_its_line(tmp_path: Path, line: bytes) -> None:
    append_reviews(tmp_path, review())
    whole = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(whole + line + b"\n" + whole)
    with pytest.raises(ManifestError, match="line 2 is no review"):
        read_reviews(tmp_path)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"verdict": "burn"}, "must be keep or reject"),
        ({"labels": {"shoe_size": "38"}}, "no attribute 'shoe_size'"),
        ({"labels": {"race": "Caucasian"}}, "must be one of White"),
        ({"reviewer": " "}, "names its reviewer"),
        ({"reviewed_at": "yesterday"}, "ISO 8601"),
        ({"reviewed_at": "2026-01-31T12:00:00+02:00"}, "in UTC"),
        ({"reviewed_at": "2026-01-31T12:00:00"}, "in UTC"),
        ({"face_id": "Ann"}, "no face_id"),
    ],
)
def test_what_no_review_can_say_is_refused(said: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Review(**({"face_id": ONE, "reviewer": "r", "reviewed_at": NOON} | said))  # type: ignore[arg-type]


def test_a_journal_that_cannot_be_written_says_that_the_review_was_not_noted(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(DrfhqError, match="nothing was noted"):
        append_reviews(tmp_path, review())


def test_a_removal_takes_all_lines_of_a_face_out(tmp_path: Path) -> None:
    for one in (review(verdict="keep"), review(OTHER), review()):
        append_reviews(tmp_path, one)
    forget_reviews(tmp_path, [ONE])
    assert set(read_reviews(tmp_path)) == {OTHER}
    assert ONE.encode() not in (tmp_path / FILE_NAME).read_bytes()


def _append_many(data: Path, face: str) -> None:
    for _ in range(50):
        append_reviews(data, review(face, labels={"gender": "male", "age_group": None}))


def test_two_writers_lose_no_line(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(tmp_path, face)) for face in (ONE, OTHER)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = (tmp_path / FILE_NAME).read_bytes().splitlines()
    assert len(lines) == 100
    assert set(read_reviews(tmp_path)) == {ONE, OTHER}
