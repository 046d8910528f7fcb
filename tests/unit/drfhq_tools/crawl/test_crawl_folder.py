"""What a crawl leaves on disk: the journal it resumes from, pictures and their origin, tombstones."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drfhq_tools.crawl.attempts import Attempt
from drfhq_tools.crawl.folder import JOURNAL, PageRecord, RawFolder
from drfhq_tools.crawl.outcomes import OF_DECODING, Outcome
from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.hashing import sha256_bytes
from drfhq_tools.manifest.tombstones import Tombstone, Tombstones, append_tombstones, read_tombstones
from drfhq_tools.sources.folder import FolderSource

MANUAL = Path(__file__).parents[4] / "docs" / "crawl.md"
DATA = b"\x89PNG\r\n\x1a\n and more"
SHA256 = sha256_bytes(DATA)
PATH = f"{SHA256[:2]}/{SHA256}.png"


def attempt(**values: Any) -> Attempt:
    said: dict[str, Any] = {"kind": "image", "url": "http://x/1.png", "outcome": Outcome.HTTP_ERROR}
    said |= {"rights_basis": "mine", "retrieved_at": "2024-05-01T00:00:00+00:00", "crawler": "drfhq", "run": 1}
    return Attempt(**said | values)


KEPT = attempt(
    outcome=Outcome.KEPT,
    sha256=SHA256,
    path=PATH,
    tags=("ä", "b"),
    metadata={"gender": "female", "camera": "x"},
    author="Ann",
    license="CC0-1.0",
    page_url="http://x/page",
    content_rating="general",
)


def test_attempts_survive_as_rows() -> None:
    assert Attempt.from_row(KEPT.to_row()) == KEPT
    assert Attempt.from_row(attempt().to_row()) == attempt()


def test_the_manual_names_every_column_and_outcome() -> None:
    rows = re.findall(r"^\| ([a-z0-9_, ]+) \|", MANUAL.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = {word for row in rows for word in row.split(", ")}
    assert {f.name for f in fields(Attempt)} <= named
    assert {outcome.value for outcome in Outcome} <= named
    assert named <= {f.name for f in fields(Attempt)} | {outcome.value for outcome in Outcome} | {"column", "outcome"}


def test_every_outcome_is_of_one_kind() -> None:
    for outcome in Outcome:
        assert outcome.got + outcome.failed <= 1
        assert not (outcome.settled and outcome.failed)
    assert set(OF_DECODING.values()) <= {outcome for outcome in Outcome if outcome.failed}


def test_a_journal_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    folder = RawFolder(tmp_path)
    folder.begin()
    folder.add(KEPT, DATA)
    folder.add(attempt(url="http://x/2.png"))
    page = PageRecord(url="http://x/", parser="p", etag='"e"', last_modified=None, content={"items": []}, run=1)
    folder.add_page(page)
    folder.close()
    again = RawFolder(tmp_path)
    assert (again.resumes, again.run, again.kept) == (True, 1, 1)
    assert again.attempts == folder.attempts
    assert again.pages == {"http://x/": page}
    assert again.of_sha256(SHA256) == KEPT
    again.begin()
    assert again.run == 1
    again.end()
    again.close()
    third = RawFolder(tmp_path)
    third.begin()
    assert (third.resumes, third.run) == (False, 2)
    third.close()


def test_a_torn_last_line_is_dropped_and_a_damaged_one_told(tmp_path: Path) -> None:
    folder = RawFolder(tmp_path)
    folder.begin()
    folder.add(attempt())
    folder.close()
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"event": "att')
    again = RawFolder(tmp_path)
    again.add(attempt(url="http://x/3.png"))
    again.close()
    assert [row["url"] for row in pq.read_table(tmp_path / "provenance.parquet").to_pylist()] == [
        "http://x/1.png",
        "http://x/3.png",
    ]
    journal.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(DrfhqError, match="line 1, is damaged"):
        RawFolder(tmp_path)


def test_a_picture_whose_renaming_was_cut_gets_its_name_and_one_that_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    folder = RawFolder(tmp_path)
    folder.begin()
    folder.add(KEPT, DATA)
    folder.close()
    file = tmp_path / PATH
    temporary = tmp_path / ".crawl" / f"{file.name}.part"
    file.rename(temporary)
    again = RawFolder(tmp_path)
    assert file.read_bytes() == DATA
    assert again.last(KEPT.url, KEPT.page_url) == KEPT
    again.close()
    file.unlink()
    temporary.write_bytes(DATA[:-1])
    assert not FolderSource(root=tmp_path).scan().found
    third = RawFolder(tmp_path)
    assert not temporary.exists()
    assert third.last(KEPT.url, KEPT.page_url) is None
    assert third.kept == 0
    third.close()


def test_a_build_reads_provenance_as_a_sidecar_under_labels(tmp_path: Path) -> None:
    folder = RawFolder(tmp_path / "site")
    folder.begin()
    folder.add(attempt(url="http://x/0.png"))
    folder.add(KEPT, DATA)
    folder.add(attempt(outcome=Outcome.DUPLICATE, sha256=SHA256, path=PATH, author="Other", url="http://x/copy.png"))
    folder.close()
    scan = FolderSource(root=tmp_path).scan()
    assert scan.rejects == ()
    (found,) = scan.found
    provenance = found.source.provenance
    assert (provenance.source_url, provenance.page_url) == ("http://x/1.png", "http://x/page")
    assert (provenance.author, provenance.license, provenance.rights_basis) == ("Ann", "CC0-1.0", "mine")
    assert (provenance.content_rating, provenance.retrieved_at) == ("general", "2024-05-01T00:00:00+00:00")
    assert found.source.declared.gender == "female"
    (tmp_path / "site" / "labels.csv").write_text(f"file,gender,author\n{PATH},male,\n")
    (found,) = FolderSource(root=tmp_path).scan().found
    assert (found.source.declared.gender, found.source.provenance.author) == ("male", "Ann")


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"url": ["http://x"]}),
        pa.table({"path": [7], "url": ["a"], "metadata": ["["]}),
        pa.table({"path": ["../../etc/passwd"], "metadata": ['["gender"]'], "author": [b"\xff"]}),
        pa.table({"path": ["a.png", None], "metadata": ["[" * 100_000, None], "license": [1.5, float("nan")]}),
    ],
)
def test_foreign_provenance_is_read_as_far_as_it_goes(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "provenance.parquet")
    (tmp_path / "a.png").write_bytes(DATA)
    scan = FolderSource(root=tmp_path).scan()
    assert [found.source.path for found in scan.found] == ["a.png"]


def test_tombstones_are_added_once_and_found_by_bytes_or_address(tmp_path: Path) -> None:
    file = tmp_path / "tombstones.parquet"
    assert read_tombstones(file).rows == ()
    first = Tombstone(sha256=SHA256, source_url="http://x/1.png", reason="asked for", removed_at="2024-05-01")
    append_tombstones(file, [first])
    append_tombstones(file, [first, Tombstone(source_url="http://x/2.png")])
    stones = read_tombstones(file)
    assert len(stones.rows) == 2
    assert stones.find(sha256=SHA256) == first
    assert stones.find(urls=[None, "http://x/1.png"]) == first
    assert stones.find(sha256="0" * 64, urls=["http://x/3.png"]) is None
    assert Tombstones().find(sha256=SHA256) is None


@pytest.mark.parametrize("values", [{}, {"sha256": ""}, {"sha256": "abc"}, {"sha256": "A" * 64}])
def test_a_tombstone_that_names_nothing_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Tombstone(**values)


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_what_holds_no_tombstones(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tombstones.parquet"
    if content is None:
        pq.write_table(pa.table({"sha256": [1], "source_url": ["a"], "reason": ["b"], "removed_at": ["c"]}), file)
    else:
        file.write_bytes(content)
    with pytest.raises(UsageError, match="holds no tombstones"):
        read_tombstones(file)
