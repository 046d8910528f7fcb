"""What is left unopened, by rating, age and tombstone."""

from dataclasses import replace
from pathlib import Path

import pytest

from drfhq_tools.build.withheld import mature_minor, withhold
from drfhq_tools.manifest.tombstones import Tombstone, Tombstones
from drfhq_tools.ratings import MINOR_AGE_GROUPS, is_mature, is_minor
from drfhq_tools.records import Declared, Provenance, Reject, RejectReason, SourceImage
from drfhq_tools.records.labels import AGE_GROUPS
from drfhq_tools.sources.base import Found, Scan

PICTURE = SourceImage(path="a.png", paths=("a.png", "copy.png"), sha256="a" * 64, size_bytes=1)


def rated(rating: str | None, **declared: str | float) -> SourceImage:
    return replace(
        PICTURE,
        provenance=Provenance(content_rating=rating),
        declared=Declared(**declared),  # type: ignore[arg-type]
    )


def left_out(source: SourceImage, *stones: Tombstone, keep_mature: bool = False) -> list[Reject]:
    found = Found(source=source, file=Path("a.png"))
    scan = withhold(Scan(found=(found,), rejects=()), Tombstones(stones), keep_mature=keep_mature)
    assert bool(scan.rejects) != bool(scan.found)
    return list(scan.rejects)


@pytest.mark.parametrize(
    "rating", ["mature", "Adult", " NSFW ", "explicit", "18+", "X", "R18", "r-18", "R 18", "NC-17", "for adults", "xXx"]
)
def test_mature_words(rating: str) -> None:
    assert is_mature(rating)


@pytest.mark.parametrize(
    "rating", [None, "", "general", "PG-13", "safe", "all ages", "premature", "max", "r", "日本", "1.8"]
)
def test_other_words_are_no_sign(rating: str | None) -> None:
    assert not is_mature(rating)


def test_years_decide_before_a_group_which_counts_as_a_whole() -> None:
    assert [is_minor(years, "10-19") for years in (17.9, 18.0, 19.0)] == [True, False, False]
    assert [is_minor(None, group) for group in AGE_GROUPS] == [group in MINOR_AGE_GROUPS for group in AGE_GROUPS]
    assert AGE_GROUPS[:3] == MINOR_AGE_GROUPS
    assert is_minor(None, None) is None


def test_mature_pictures_are_left_out_at_each_path_unless_kept() -> None:
    rows = left_out(rated("Mature"))
    assert [(row.source_path, row.reason, row.rule) for row in rows] == [
        (path, RejectReason.MATURE, "keep_mature") for path in PICTURE.paths
    ]
    assert not RejectReason.MATURE.failed_input
    assert left_out(rated("Mature"), keep_mature=True) == []
    assert left_out(rated("everyone")) == []


@pytest.mark.parametrize("declared", [{"age_years": 12.0}, {"age_group": "3-9"}, {"age_group": "10-19"}])
def test_what_may_be_a_minor_is_never_kept_where_mature(declared: dict[str, str | float]) -> None:
    (row, _) = left_out(rated("nsfw", **declared), keep_mature=True)
    assert (row.reason, row.rule) == (RejectReason.MATURE, None)
    assert "minor" in row.message
    assert left_out(rated("general", **declared)) == []


def test_a_guessed_age_leaves_out_the_face() -> None:
    row = mature_minor("a.png", 2, "x", True)
    assert row is not None
    assert (row.reason, row.face_index, row.source_path) == (RejectReason.MATURE, 2, "a.png")
    assert [mature_minor("a.png", 0, "x", minor) for minor in (False, None)] == [None, None]
    assert mature_minor("a.png", 0, "general", True) is None


def test_tombstones_take_out_bytes_addresses_and_authors() -> None:
    source = replace(PICTURE, provenance=Provenance(source_url="http://x/1", author="Ann  Artist"))
    for stone in (
        Tombstone(sha256="a" * 64, reason="asked for"),
        Tombstone(source_url="http://x/1", reason="asked for"),
        Tombstone(author="ann artist ", reason="asked for"),
    ):
        rows = left_out(source, stone, keep_mature=True)
        assert [(row.source_path, row.reason, row.message) for row in rows] == [
            (path, RejectReason.REMOVED, "taken out for good: asked for") for path in PICTURE.paths
        ]
    assert left_out(source, Tombstone(sha256="b" * 64), Tombstone(author="Ann"), Tombstone(source_url="http://x")) == []
    assert left_out(PICTURE, Tombstone(author="Ann")) == []
