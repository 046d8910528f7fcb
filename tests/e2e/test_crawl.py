"""Crawls of a gallery on the loopback, judged by what came and by the gallery's own log."""

from __future__ import annotations

import datetime
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from gallery import Answer, Gallery, serving
from PIL import Image

from drfhq_tools import __version__
from drfhq_tools.cli import main
from drfhq_tools.hashing import sha256_bytes
from drfhq_tools.manifest.tombstones import Tombstone, append_tombstones

pytest.importorskip("scrapy", reason="the extra crawl is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

RENDERS = Path(__file__).parents[2] / "demo" / "renders"
DELAY_S = 0.05
TERMS = ["--contact", "owner@example.org", "--rights-basis", "my own renders"]
POLITE = ["--allow-private", "--delay", str(DELAY_S), *TERMS]


def picture(number: int, form: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.effect_noise((40, 30 + number), 60).convert("RGB").save(data, form)
    return data.getvalue()


def robots(*lines: str) -> Answer:
    return Answer("\n".join(["User-agent: *", *lines]).encode(), headers={"Content-Type": "text/plain"})


def html(body: str, head: str = "", **headers: str) -> Answer:
    text = f"<html><head>{head}</head><body>{body}</body></html>"
    return Answer(text.encode(), headers={"Content-Type": "text/html; charset=utf-8"} | headers)


def drfhq_crawl(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: Twisted's reactor starts once."""
    return subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:drfhq_tools", "-c", MAIN, "crawl", *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
        env=os.environ | environment,
    )


MAIN = "from drfhq_tools.cli import main; main()"


def attempts(raw: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(raw / "provenance.parquet").to_pylist()
    return rows


def outcomes(raw: Path, *, run: int | None = None) -> dict[str, str]:
    """The outcome by the last part of the address."""
    return {row["url"].rpartition("/")[2]: row["outcome"] for row in attempts(raw) if run in {None, row["run"]}}


def url_list(path: Path, gallery: Gallery, names: list[str]) -> Path:
    lines = "".join(f'{gallery.url}/{name},"Ann Ö., artist",CC0-1.0,{number}\n' for number, name in enumerate(names))
    path.write_text("url,author,license,subject_id\n" + lines, encoding="utf-8")
    return path


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with serving(Gallery()) as running:
        yield running


def test_a_list_of_everything_that_happens(gallery: Gallery, tmp_path: Path) -> None:
    whole = picture(0)
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    gallery.answers |= {
        "/robots.txt": robots(f"Crawl-delay: {2 * DELAY_S}", "Disallow: /private/", "Disallow: /*.bak$"),
        "/good.png": Answer(whole),
        "/again.png": Answer(whole, headers={"Content-Type": "text/html"}),
        "/photo.png": Answer(picture(1, "JPEG")),
        "/b%C3%BCro%20%E4%BA%BA.png": Answer(picture(2)),
        "/private/x.png": Answer(picture(3)),
        "/x.bak": Answer(picture(3)),
        "/noai.png": Answer(picture(4), headers={"X-Robots-Tag": "noindex, noimageai"}),
        "/tdm.png": Answer(picture(5), headers={"TDM-Reservation": "1"}),
        "/others.png": Answer(picture(6), headers={"X-Robots-Tag": "otherbot: noai"}),
        "/page.png": html("<p>Please log in</p>", **{"Content-Type": "image/png"}),
        "/cut.png": Answer(picture(7)[:-20]),
        "/cut.jpg": Answer(picture(8, "JPEG")[:-200]),
        "/short.png": Answer(picture(9)[:300], announced=5000),
        "/huge.png": Answer(picture(10), announced=2_000_000_000),
        "/bomb.png": Answer(bomb.getvalue()),
        "/moving.gif": Answer(picture(11, "GIF")),
        "/loop.png": Answer(status=302, headers={"Location": "/pool.png"}),
        "/pool.png": Answer(status=301, headers={"Location": "/loop.png"}),
        "/far.png": Answer(status=302, headers={"Location": "http://localhost:9/x.png"}),
        "/other-port.png": Answer(status=302, headers={"Location": "http://127.0.0.1:9/x.png"}),
        "/file.png": Answer(status=302, headers={"Location": "file:///etc/passwd"}),
        "/into-robots.png": Answer(status=302, headers={"Location": "/private/x.png"}),
        "/utf8.png": Answer(status=302, headers={"Location": "/b\xc3\xbcro \xe4\xba\xba.png"}),
        "/moved.png": Answer(status=308, headers={"Location": "/a%20b/../good.png?v=2"}),
        "/good.png?v=2": Answer(picture(12)),
        "/a%20b/../good.png?v=2": Answer(picture(12)),
        "/busy.png": lambda number: Answer(status=503, headers={"Retry-After": "1"}) if number == 0 else Answer(whole),
        "/down.png": Answer(status=500),
    }
    asked = [path.lstrip("/") for path in gallery.answers if path not in {"/robots.txt", "/pool.png"}]
    names = [name.replace("b%C3%BCro%20%E4%BA%BA", "büro 人") for name in asked if ".." not in name and "?" not in name]
    raw = tmp_path / "raw"
    done = drfhq_crawl("--urls", url_list(tmp_path / "list.csv", gallery, [*names, "gone.png"]), "--out", raw, *POLITE)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    expected = {
        "good.png": "kept",
        "again.png": "duplicate",
        "photo.png": "kept",
        "büro 人.png": "kept",
        "x.png": "robots_disallowed",
        "x.bak": "robots_disallowed",
        "noai.png": "opted_out",
        "tdm.png": "opted_out",
        "others.png": "kept",
        "page.png": "not_a_picture",
        "cut.png": "corrupt",
        "cut.jpg": "corrupt",
        "short.png": "incomplete",
        "huge.png": "too_large",
        "bomb.png": "too_many_pixels",
        "moving.gif": "unsupported_format",
        "loop.png": "too_many_redirects",
        "far.png": "host_not_allowed",
        "other-port.png": "host_not_allowed",
        "file.png": "bad_url",
        "into-robots.png": "robots_disallowed",
        "utf8.png": "duplicate",
        "moved.png": "kept",
        "busy.png": "duplicate",
        "down.png": "server_error",
        "gone.png": "http_error",
    }
    assert outcomes(raw) == expected
    assert all(outcome in done.stdout for outcome in expected.values())

    log = gallery.log
    assert min(gallery.gaps()) >= 2 * DELAY_S
    assert gallery.most_open == 1
    assert {request.headers["user-agent"] for request in log} == {f"drfhq/{__version__} (+owner@example.org)"}
    assert not any(request.path.startswith("/private") or request.path.endswith(".bak") for request in log)
    first, second = gallery.of("/busy.png")
    assert second.began - first.ended >= 1
    assert len(gallery.of("/down.png")) == 3
    assert Counter(gallery.paths(rules=True))["/robots.txt"] == 1
    assert gallery.paths(rules=True)[:2] == ["/robots.txt", "/.well-known/tdmrep.json"]

    rows = {row["url"].rpartition("/")[2]: row for row in attempts(raw)}
    kept = {row["path"] for row in rows.values() if row["path"]}
    assert {path.relative_to(raw).as_posix() for path in raw.glob("??/*")} == kept
    for row in rows.values():
        if row["path"]:
            assert re.fullmatch(r"([0-9a-f]{2})/\1[0-9a-f]{62}\.(png|jpg)", row["path"])
            assert sha256_bytes((raw / row["path"]).read_bytes()) == row["sha256"]
    assert rows["photo.png"]["path"].endswith(".jpg")
    assert rows["again.png"]["path"] == rows["good.png"]["path"]
    assert rows["moved.png"]["final_url"].endswith("good.png?v=2")
    assert rows["noai.png"]["optout_signal"] == "header x-robots-tag: noimageai"
    assert rows["tdm.png"]["optout_signal"] == "header tdm-reservation: 1"
    assert rows["x.png"]["robots_decision"] == "disallowed"
    assert (rows["good.png"]["author"], rows["good.png"]["license"]) == ("Ann Ö., artist", "CC0-1.0")
    assert (rows["good.png"]["rights_basis"], rows["good.png"]["licence_evidence"]) == ("my own renders", "url_list")
    assert json.loads(rows["photo.png"]["metadata"])["subject_id"]


def test_a_second_crawl_tries_again_what_failed_and_that_alone(gallery: Gallery, tmp_path: Path) -> None:
    gallery.answers |= {
        "/a.png": Answer(picture(0), headers={"ETag": '"a"'}),
        "/b.png": Answer(picture(1), headers={"Last-Modified": "Wed, 01 May 2024 10:00:00 GMT"}),
        "/c.png": Answer(picture(2)[:200]),
        "/d.png": Answer(picture(3), headers={"X-Robots-Tag": "noai"}),
    }
    names = url_list(tmp_path / "list.csv", gallery, ["a.png", "b.png", "c.png", "d.png"])
    raw = tmp_path / "raw"
    assert drfhq_crawl("--urls", names, "--out", raw, *POLITE).returncode == 3
    gallery.log.clear()
    gallery.answers["/c.png"] = Answer(picture(2))
    assert drfhq_crawl("--urls", names, "--out", raw, *POLITE).returncode == 0
    assert gallery.paths() == ["/c.png"]
    assert [row["outcome"] for row in attempts(raw)] == ["kept", "kept", "corrupt", "opted_out", "kept"]

    gallery.log.clear()
    assert drfhq_crawl("--urls", names, "--out", raw, "--revisit", *POLITE).returncode == 0
    assert outcomes(raw, run=3) == {
        "a.png": "unchanged",
        "b.png": "unchanged",
        "c.png": "unchanged",
        "d.png": "opted_out",
    }
    assert gallery.of("/a.png")[0].headers["if-none-match"] == '"a"'
    assert gallery.of("/a.png")[0].status == 304
    assert gallery.of("/b.png")[0].headers["if-modified-since"] == "Wed, 01 May 2024 10:00:00 GMT"


SITE = """
[crawl]
start = "{url}/new?page=1"
contact = "https://example.org/about-me"
rights_basis = "CC licences, stated by page"

[listing]
item = "li.work"
detail = "a"
next = "a[rel=next]"
rating = ".badge::text"

[page]
image = "img.full::attr(src)"
title = "h1"
author = ".by"
license = ".license"
license_url = ".license"
tags = ".tag::text"

[accept]
licenses = ["CC BY 4.0", "https://creativecommons.org/publicdomain/zero/1.0/"]
refuse_tags = ["car*"]

[limits]
delay_s = 0.03
"""


def work(number: int, tags: str = "", license: str = "CC-BY-4.0", head: str = "", image: str = "") -> Answer:  # noqa: A002
    spans = "".join(f"<span class=tag>#{tag}</span>" for tag in tags.split())
    return html(
        f"<h1>Wörk\x1b[31m {number}</h1><b class=by>Ann</b><a class=license href='/by/4.0/'> {license} </a>{spans}"
        f"<img class=full src='{image or f'../img/{number}.png'}'>",
        head,
        ETag=f'"w{number}"',
    )


def listing(numbers: list[int], following: str = "", badge: int = -1) -> Answer:
    works = "".join(
        f"<li class=work><a href='/work/{number}'>{number}</a>{'<i class=badge>Mature</i>' * (number == badge)}</li>"
        for number in numbers
    )
    link = f"<a rel=next href='{following}'>more</a>" if following else ""
    return html(f"<ul>{works}</ul>{link}", ETag=f'"l{numbers}"')


def test_an_html_gallery_from_listing_to_build_and_a_visit_later(gallery: Gallery, tmp_path: Path) -> None:
    renders = sorted(RENDERS.glob("*.jpg"))[:3]
    gallery.answers |= {
        "/robots.txt": robots("Crawl-delay: 0.03"),
        "/new?page=1": listing([0, 1, 2, 3], "?page=2", badge=3),
        "/new?page=2": listing([4, 5, 6, 7], "/new?page=3"),
        "/new?page=3": listing([8, 0, 10, 11], "/new?page=1"),
        "/work/0": work(0),
        "/work/1": work(1, "portrait render"),
        "/work/2": work(2, license="All rights reserved"),
        "/work/4": work(4, "red cars"),
        "/work/5": work(5, head='<meta name="robots" content="noai, noimageai">'),
        "/work/6": work(6, "Nude"),
        "/work/7": work(7, image="../img/0.png"),
        "/work/8": work(8),
        "/work/10": work(10, image="../img/2.png"),  # met before under a licence that is not accepted
        "/work/11": work(11, image="../img/6.png"),  # met before as mature
        "/img/2.png": Answer(picture(2)),
        "/img/0.png": Answer(renders[0].read_bytes()),
        "/img/1.png": Answer(renders[1].read_bytes()),
        "/img/8.png": Answer(renders[2].read_bytes()),
    }
    toml = tmp_path / "site.toml"
    toml.write_text(SITE.format(url=gallery.url), encoding="utf-8")
    raw, data = tmp_path / "raw", tmp_path / "data"

    look = drfhq_crawl(toml, "--dry-run", "--allow-private")
    assert (look.returncode, tmp_path.joinpath("raw").exists()) == (0, False), look.stderr
    assert "mature: rated Mature" in look.stdout
    assert "license_not_accepted: licence: All rights reserved" in look.stdout
    assert "\x1b" not in look.stdout
    assert not any(path.startswith("/img") for path in gallery.paths())
    gallery.log.clear()

    done = drfhq_crawl(toml, "--out", raw, "--allow-private")
    assert done.returncode == 0, done.stderr
    taken = [row for row in attempts(raw) if row["kind"] == "image"]
    assert [(row["url"].rpartition("/")[2], row["outcome"]) for row in taken] == [
        ("0.png", "kept"),
        ("1.png", "kept"),
        ("2.png", "license_not_accepted"),
        ("4.png", "tag_not_accepted"),
        ("5.png", "opted_out"),
        ("6.png", "mature"),
        ("0.png", "duplicate"),
        ("8.png", "kept"),
        ("2.png", "kept"),
        ("6.png", "mature"),
    ]
    images = {row["url"].rpartition("/")[2]: row for row in taken}
    twice = [row for row in attempts(raw) if row["url"].endswith("/img/0.png")]
    assert [(row["outcome"], row["page_url"][-7:]) for row in twice] == [("kept", "/work/0"), ("duplicate", "/work/7")]
    assert twice[0]["path"] == twice[1]["path"]
    assert images["5.png"]["optout_signal"] == "meta robots: noai"
    assert images["1.png"]["title"] == "Wörk[31m 1"
    assert (images["1.png"]["tags"], images["1.png"]["licence_evidence"]) == (["portrait", "render"], "page")
    assert Counter(gallery.paths()) == Counter(
        [f"/new?page={n}" for n in (1, 2, 3)]
        + [f"/work/{n}" for n in (0, 1, 2, 4, 5, 6, 7, 8, 10, 11)]
        + [f"/img/{n}.png" for n in (0, 1, 2, 8)]
    )
    assert min(gallery.gaps()) >= 0.03
    mature = [row for row in attempts(raw) if row["url"].endswith("/work/3")]
    assert [(row["kind"], row["outcome"], row["content_rating"]) for row in mature] == [("page", "mature", "Mature")]

    gallery.log.clear()
    gallery.answers["/new?page=1"] = listing([9, 0, 1, 2, 3], "?page=2", badge=3)
    gallery.answers["/work/9"] = work(9)
    gallery.answers["/img/9.png"] = Answer(picture(9))
    assert drfhq_crawl(toml, "--out", raw, "--allow-private").returncode == 0
    assert [request.path for request in gallery.log if "/img/" in request.path] == ["/img/9.png"]
    assert {request.path: request.status for request in gallery.log if "page=" in request.path} == {
        "/new?page=1": 200,
        "/new?page=2": 304,
        "/new?page=3": 304,
    }
    assert {request.status for request in gallery.log if request.path == "/work/2"} == {304}
    assert not gallery.of("/work/0")

    built = subprocess.run(
        [sys.executable, "-c", MAIN, "build", "--raw", raw, "--out", data, "--size", "64", "--workers", "1"],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    faces = pq.read_table(data / "manifest.parquet").to_pylist()
    assert len(faces) == 3
    for face in faces:
        assert (face["author"], face["license"]) == ("Ann", "CC-BY-4.0")
        assert re.search(r"/work/[018]$", face["page_url"])
        assert face["source_url"].startswith(f"{gallery.url}/img/")
        assert face["license_url"] == f"{gallery.url}/by/4.0/"
        assert face["rights_basis"] == "CC licences, stated by page"
        assert face["retrieved_at"]
    rejects = pq.read_table(data / "rejects.parquet").to_pylist()
    faceless = {row["path"] for row in attempts(raw) if row["url"].endswith(("/img/2.png", "/img/9.png"))} - {None}
    assert {(reject["reason"], reject["source_path"]) for reject in rejects} == {("no_face", path) for path in faceless}


JSON_SITE = """
[crawl]
start = "{url}/api/items"

[listing]
format = "json"
item = "data[*]"
next = "cursor"
next_url = "{url}/api/items?after={{next}}"
image = "files.full"
page = "link"
title = "name"
author = "by.name"
tags = "tags"
rating = "mature"

[defaults]
license = "CC0-1.0"
license_url = "https://creativecommons.org/publicdomain/zero/1.0/"
"""


def test_a_json_gallery_with_limits_and_tombstones(gallery: Gallery, tmp_path: Path) -> None:
    def page(numbers: range, cursor: str | None) -> Answer:
        data = [
            {
                "name": f"n{number}",
                "by": {"name": "Cy Example" if number == 5 else "Bo"},
                "files": {"full": f"/img/{number}.png"},
                "link": f"/show/{number}",
                "tags": ["a", "b"],
                "mature": number == 1,
            }
            for number in numbers
        ]
        return Answer(
            json.dumps({"data": data, "cursor": cursor}).encode(), headers={"Content-Type": "application/json"}
        )

    gallery.answers |= {"/api/items": page(range(4), "x y/1"), "/api/items?after=x%20y%2F1": page(range(4, 8), None)}
    gallery.answers |= {f"/img/{number}.png": Answer(picture(number)) for number in range(8)}
    toml, raw = tmp_path / "site.toml", tmp_path / "raw"
    toml.write_text(JSON_SITE.format(url=gallery.url), encoding="utf-8")
    removed = tmp_path / "removed.parquet"
    append_tombstones(
        removed,
        [
            Tombstone(source_url=f"{gallery.url}/img/2.png"),
            Tombstone(sha256=sha256_bytes(picture_of(gallery, 4))),
            Tombstone(author="CY  Example"),
        ],
    )
    options = ["--out", raw, *POLITE, "--tombstones", removed]
    assert drfhq_crawl(toml, *options, "--max-images", "4").returncode == 0
    assert outcomes(raw) == {
        "items": "page_read",
        "items?after=x%20y%2F1": "page_read",
        "0.png": "kept",
        "1.png": "mature",
        "2.png": "tombstoned",
        "3.png": "kept",
        "4.png": "tombstoned",
        "5.png": "tombstoned",
        "6.png": "kept",
        "7.png": "kept",
    }
    assert not gallery.of("/img/2.png")
    assert not gallery.of("/img/5.png")
    gallery.log.clear()
    assert drfhq_crawl(toml, *options, "--mature").returncode == 0
    assert sorted(gallery.paths()) == ["/api/items", "/api/items?after=x%20y%2F1", "/img/1.png"]
    rows = {row["url"].rpartition("/")[2]: row for row in attempts(raw)}
    assert (rows["1.png"]["outcome"], rows["1.png"]["content_rating"]) == ("kept", "mature")
    assert (rows["7.png"]["page_url"], rows["7.png"]["author"]) == (f"{gallery.url}/show/7", "Bo")
    assert (rows["7.png"]["license"], rows["7.png"]["licence_evidence"]) == ("CC0-1.0", "site_file")

    limited = drfhq_crawl(toml, "--out", tmp_path / "other", *POLITE, "--max-pages", "1")
    assert limited.returncode == 0
    assert Counter(row["kind"] for row in attempts(tmp_path / "other")) == {"page": 1, "image": 4}


def picture_of(gallery: Gallery, number: int) -> bytes:
    answer = gallery.answers[f"/img/{number}.png"]
    assert isinstance(answer, Answer)
    return answer.body


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "crawl", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(gallery: Gallery, requests: int) -> None:
    until = time.monotonic() + 30
    while len(gallery.paths()) < requests and time.monotonic() < until:
        time.sleep(0.005)


def test_killed_at_any_moment_it_goes_on_without_a_second_download(gallery: Gallery, tmp_path: Path) -> None:
    numbers = range(24)
    gallery.answers |= {"/robots.txt": robots("Crawl-delay: 0.02")}
    gallery.answers |= {f"/{number}.png": Answer(picture(number)) for number in numbers}
    names = url_list(tmp_path / "list.csv", gallery, [f"{number}.png" for number in numbers])
    raw = tmp_path / "raw"
    journal = raw / "crawl-journal.jsonl"
    for seen in (5, 12, 19):
        process = start("--urls", names, "--out", raw, "--allow-private", *TERMS)
        wait_for(gallery, seen)
        process.kill()
        process.communicate()
        recorded = {json.loads(line)["url"] for line in journal.read_text().splitlines() if '"attempt"' in line}
        assert recorded, "killed before it had begun"
        asked = Counter(gallery.paths())
        assert all(asked[f"/{url.rpartition('/')[2]}"] >= 1 for url in recorded)
    with journal.open("ab") as torn:
        torn.write(b'{"event": "attempt", "url": "http')
    before = {line for line in journal.read_text().splitlines() if line.endswith("}")}
    done = drfhq_crawl("--urls", names, "--out", raw, "--allow-private", *TERMS)
    assert done.returncode == 0, done.stderr
    assert before <= set(journal.read_text().splitlines())
    rows = attempts(raw)
    assert sorted(row["url"] for row in rows) == sorted(f"{gallery.url}/{number}.png" for number in numbers)
    assert {row["outcome"] for row in rows} == {"kept"}
    assert {row["run"] for row in rows} == {1}
    again = [path for path, count in Counter(gallery.paths()).items() if count > 1]
    assert len(again) <= 3, "at most the one under way at each kill"


def test_a_folder_that_cannot_be_written_ends_the_crawl_and_the_next_goes_on(gallery: Gallery, tmp_path: Path) -> None:
    gallery.answers |= {f"/{number}.png": Answer(picture(number)) for number in range(3)}
    names = url_list(tmp_path / "list.csv", gallery, ["none.png", *(f"{number}.png" for number in range(3))])
    raw = tmp_path / "raw"
    raw.mkdir()
    in_the_way = [raw / f"{number:02x}" for number in range(256)]
    for file in in_the_way:
        file.touch()
    full = drfhq_crawl("--urls", names, "--out", raw, *POLITE)
    assert (full.returncode, "Traceback" in full.stderr) == (1, False)
    assert "cannot write" in full.stderr
    assert outcomes(raw) == {"none.png": "http_error"}
    for file in in_the_way:
        file.unlink()
    assert drfhq_crawl("--urls", names, "--out", raw, *POLITE).returncode == 3
    assert Counter(outcomes(raw).values()) == {"kept": 3, "http_error": 1}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_interrupted_it_leaves_a_whole_folder_that_one_crawl_at_a_time_fills(gallery: Gallery, tmp_path: Path) -> None:
    gallery.answers |= {f"/{number}.png": Answer(picture(number)) for number in range(90)}
    names = url_list(tmp_path / "list.csv", gallery, [f"{number}.png" for number in range(90)])
    raw = tmp_path / "raw"
    process = start("--urls", names, "--out", raw, *POLITE)
    wait_for(gallery, 6)
    second = drfhq_crawl("--urls", names, "--out", raw, *POLITE)
    assert second.returncode == 2
    assert "another crawl is filling" in second.stderr
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "interrupted" in said
    assert "Traceback" not in said
    rows = attempts(raw)
    assert 4 <= len(rows) < 90
    assert all((raw / row["path"]).exists() for row in rows)


def test_a_host_that_asks_to_wait_long_or_hides_its_rules_is_left_alone(gallery: Gallery, tmp_path: Path) -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)
    gallery.answers |= {
        "/0.png": Answer(picture(0)),
        "/1.png": Answer(status=429, headers={"Retry-After": format_datetime(later, usegmt=True)}),
        "/2.png": Answer(picture(2)),
    }
    names = url_list(tmp_path / "list.csv", gallery, ["0.png", "1.png", "2.png"])
    assert drfhq_crawl("--urls", names, "--out", tmp_path / "a", *POLITE).returncode == 3
    assert outcomes(tmp_path / "a") == {"0.png": "kept", "1.png": "rate_limited", "2.png": "deferred"}
    assert gallery.paths() == ["/0.png", "/1.png"]

    gallery.log.clear()
    gallery.answers["/robots.txt"] = Answer(status=503)
    assert drfhq_crawl("--urls", names, "--out", tmp_path / "b", *POLITE).returncode == 3
    assert set(outcomes(tmp_path / "b").values()) == {"robots_unreachable"}
    assert gallery.paths(rules=True) == ["/robots.txt"] * 3
    assert {row["robots_decision"] for row in attempts(tmp_path / "b")} == {"unreachable"}


def test_robots_overridden_and_tdm_reserved_paths(gallery: Gallery, tmp_path: Path) -> None:
    rules = [{"location": "/open/*", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]
    gallery.answers |= {
        "/robots.txt": robots("Disallow: /open/no", "Crawl-delay: 0.05"),
        "/.well-known/tdmrep.json": Answer(json.dumps(rules).encode()),
        "/open/yes.png": Answer(picture(0)),
        "/open/no.png": Answer(picture(1)),
        "/reserved.png": Answer(picture(2)),
    }
    names = url_list(tmp_path / "list.csv", gallery, ["open/yes.png", "open/no.png", "reserved.png"])
    flag = "--ignore-robots-with-the-owners-permission"
    assert drfhq_crawl("--urls", names, "--out", tmp_path / "raw", *POLITE, flag).returncode == 0
    rows = {row["url"].rpartition("/")[2]: row for row in attempts(tmp_path / "raw")}
    assert {name: (row["outcome"], row["robots_decision"]) for name, row in rows.items()} == {
        "yes.png": ("kept", "allowed"),
        "no.png": ("kept", "overridden"),
        "reserved.png": ("opted_out", "allowed"),
    }
    assert not gallery.of("/reserved.png")
    assert min(gallery.gaps()) >= 0.05


def test_slow_answers_are_cut_and_slow_hosts_given_time(gallery: Gallery, tmp_path: Path) -> None:
    gallery.answers |= {
        "/drip.png": Answer(bytes(picture(0)) * 20, pause_s=0.2),
        "/flood.png": Answer(picture(1), endless=True),
        "/ok.png": Answer(picture(2)),
    }
    toml = tmp_path / "slow.toml"
    toml.write_text("[limits]\ntimeout_s = 0.6\nmax_file_mb = 0.5\n")
    names = url_list(tmp_path / "list.csv", gallery, ["drip.png", "flood.png", "ok.png"])
    assert drfhq_crawl(toml, "--urls", names, "--out", tmp_path / "raw", *POLITE).returncode == 3
    assert outcomes(tmp_path / "raw") == {"drip.png": "timeout", "flood.png": "too_large", "ok.png": "kept"}


def test_private_addresses_are_not_asked(gallery: Gallery, tmp_path: Path) -> None:
    gallery.answers |= {"/0.png": Answer(picture(0))}
    hosts = ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.1."]
    lines = "".join(f"http://{host}:{gallery.port}/0.png\n" for host in hosts)
    (tmp_path / "list.csv").write_text("url\n" + lines)
    done = drfhq_crawl("--urls", tmp_path / "list.csv", "--out", tmp_path / "raw", *TERMS)
    assert done.returncode == 3
    assert [row["outcome"] for row in attempts(tmp_path / "raw")] == ["private_address"] * len(hosts)
    assert gallery.log == []


REBINDING = """
import socket, sys
import drfhq_tools.crawl.addresses as addresses, drfhq_tools.crawl.resolver as resolver
addresses.is_public = resolver.is_public = lambda address: address == "127.0.0.1"  # stands for the public internet
real, asked = socket.getaddrinfo, []
def getaddrinfo(host, port, *more, **named):
    if host in ("rebind.test", b"rebind.test"):
        asked.append(host)
        return real("127.0.0.1" if len(asked) < 2 else "127.0.0.2", port, *more, **named)
    return real(host, port, *more, **named)
socket.getaddrinfo = getaddrinfo
from drfhq_tools.cli import main
main()
"""


def test_a_name_that_turns_private_and_a_redirect_to_a_private_address(gallery: Gallery, tmp_path: Path) -> None:
    gallery.answers |= {
        "/good.png": Answer(picture(0), headers={"Connection": "close"}),
        "/robots.txt": Answer(b"", headers={"Connection": "close"}),
        "/inside.png": Answer(status=302, headers={"Location": f"http://127.0.0.2:{gallery.port}/secret.png"}),
    }
    base = gallery.url.replace("127.0.0.1", "rebind.test")
    (tmp_path / "list.csv").write_text(f"url\n{gallery.url}/inside.png\n{gallery.url}/good.png\n{base}/good.png\n")
    arguments = ["--urls", tmp_path / "list.csv", "--out", tmp_path / "raw", "--delay", "0.05", *TERMS]
    more = ["--allow-host", f"127.0.0.2:{gallery.port}"]
    done = subprocess.run(
        [sys.executable, "-c", REBINDING, "crawl", *map(str, arguments), *more],
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert done.returncode == 3, done.stderr
    found = {row["url"]: row["outcome"] for row in attempts(tmp_path / "raw")}
    assert found == {
        f"{gallery.url}/inside.png": "private_address",
        f"{gallery.url}/good.png": "kept",
        f"{base}/good.png": "private_address",
    }
    assert not gallery.of("/secret.png")


def certificate(file: Path) -> Path:
    """A key and a certificate for localhost, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, *plain)
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_a_server_must_prove_its_name(tmp_path: Path) -> None:
    pem = certificate(tmp_path / "server.pem")
    with serving(Gallery({"/0.png": Answer(picture(0))}), pem) as gallery:
        url = gallery.url.replace("http://127.0.0.1", "https://localhost")
        (tmp_path / "list.csv").write_text(f"url\n{url}/0.png\n")
        arguments = ["--urls", tmp_path / "list.csv", "--out", tmp_path / "raw", *POLITE]
        assert drfhq_crawl(*arguments).returncode == 3
        assert outcomes(tmp_path / "raw") == {"0.png": "robots_unreachable"}
        assert gallery.log == []
        assert drfhq_crawl(*arguments, SSL_CERT_FILE=str(pem)).returncode == 0
        assert outcomes(tmp_path / "raw", run=2) == {"0.png": "kept"}


def test_wrong_usage_says_what_to_do(tmp_path: Path) -> None:
    names = tmp_path / "list.csv"
    names.write_text("url\nhttp://example.org/a.png\n")
    (tmp_path / "bad.toml").write_text(
        "[crawl]\nstart = 'http://example.org'\n[listing]\nitem = 'li['\nimage = 'img'\n"
    )
    (tmp_path / "typo.toml").write_text("[limits]\nmax_imags = 3\n")
    cases: list[tuple[list[str | Path], str]] = [
        (["--urls", names, *TERMS], "--out"),
        (["--urls", names, "--contact", "a@b.org"], "--rights-basis is needed"),
        (["--urls", names, "--rights-basis", "mine"], "--contact is needed"),
        (["--urls", names, "--rights-basis", "mine", "--contact", "me"], "mail or web address"),
        (["--urls", names, "--rights-basis", " ", "--contact", "a@b.org"], "rights_basis"),
        (TERMS, "--urls"),
        ([tmp_path / "none.toml", *TERMS], "cannot read"),
        ([tmp_path / "typo.toml", *TERMS], "did you mean max_images"),
        ([tmp_path / "bad.toml", *TERMS], "no CSS selector"),
        (["--urls", tmp_path / "none.csv", *TERMS], "cannot read"),
        (["--urls", names, *TERMS, "--tombstones", tmp_path / "none.parquet"], "no file of tombstones"),
    ]
    for arguments, message in cases:
        out = [] if message == "--out" else ["--out", tmp_path / "raw"]
        done = CliRunner().invoke(main, ["crawl", *map(str, (*arguments, *out))])
        assert (done.exit_code, message in done.stderr) == (2, True), (arguments, done.stderr)
    assert not list((tmp_path / "raw").glob("*"))


def test_without_the_extra_it_names_it(tmp_path: Path) -> None:
    (tmp_path / "scrapy.py").write_text("raise ImportError('not here')")
    done = drfhq_crawl("--urls", "x.csv", "--out", tmp_path / "raw", *TERMS, PYTHONPATH=str(tmp_path))
    assert (done.returncode, "pip install 'drfhq-tools[crawl]'" in done.stderr) == (2, True)
