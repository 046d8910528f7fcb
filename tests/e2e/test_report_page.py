"""The report in a browser: offline, whole, at desk and phone, by day and by night, whatever words it was given."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from raw_pictures import write_mixture

from drfhq_tools.cli import main

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = "<img src=https://example.org/x.png onerror=alert(1)><script>alert(2)</script>"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page on a set with several people, copies, rejects of faces and files, and an enemy's words."""
    root = tmp_path_factory.mktemp("report")
    raw = root / "raw"
    write_mixture(raw)
    (raw / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (raw / "labels.csv").write_text(
        "file,gender,race,race_vocabulary,age_years,subject_id,author,license,license_url,title\n"
        f"best.png,female,White,FairFace,53,collins,{HOSTILE},{HOSTILE},javascript:alert(3),{HOSTILE}\n"
        f"mirror.png,woman,{HOSTILE},VALID,,collins,NASA,PD,https://example.org/pd,\n"
    )
    options = ("--size", "64", "--workers", "1", "--set", "duplicates=keep-best", "--max-pad-fraction", "0.2")
    assert run("build", "--raw", raw, "--out", root / "data", *options).exit_code == 3
    result = run("report", root / "data", "--raw", raw)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith(str(root / "data" / "report.html"))
    return root / "data" / "report.html"


def opened(page: Page, report: Path) -> list[str]:
    """Opens the page; the list gathers every address asked for besides pictures within it."""
    asked: list[str] = []
    page.on("request", lambda request: None if request.url.startswith("data:") else asked.append(request.url))
    page.goto(report.as_uri())
    return asked


def test_nothing_is_asked_for_but_the_page(page: Page, report: Path) -> None:
    asked = opened(page, report)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    assert asked == [report.as_uri()]
    assert page.evaluate("document.scripts.length") == 0
    links = page.evaluate("[...document.links].map(link => link.href).filter(href => !href.startsWith('file:'))")
    assert links == ["https://example.org/pd"]
    assert HOSTILE in page.inner_text("#rights")


def test_the_policy_holds_back_what_would_slip_through(page: Page, report: Path) -> None:
    opened(page, report)
    page.evaluate(
        """() => {
            window.refused = [];
            document.addEventListener('securitypolicyviolation', event => refused.push(event.effectiveDirective));
            const picture = new Image(); picture.src = 'https://127.0.0.1:9/x.png'; document.body.append(picture);
            const script = document.createElement('script'); script.textContent = 'window.ran = true';
            document.body.append(script);
        }"""
    )
    page.wait_for_function("refused.length >= 2")
    assert set(page.evaluate("refused")) == {"img-src", "script-src-elem"}
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("width", [1280, 420])
def test_screenshot(page: Page, report: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    opened(page, report)
    pictures = page.evaluate("[...document.images].map(one => [one.naturalWidth, one.clientWidth, one.alt])")
    assert len(pictures) > 20
    assert all(natural > 0 and 40 < shown <= 130 and alt for natural, shown, alt in pictures)
    assert page.evaluate("document.documentElement.scrollWidth") == width, "nothing sticks out sideways"
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
    assert shot.width == width
    assert shot.height > 3000
    spread = np.asarray(shot).std(axis=(1, 2))
    assert (spread > 1).mean() > 0.5, "most rows of pixels show something"


def test_left_out_faces_are_shown_with_the_reason(page: Page, report: Path) -> None:
    opened(page, report)
    cards = page.locator("#rejects .cards li")
    assert cards.locator("img").count() == cards.count() >= 3  # a face at the rim, a copy, a picture without a face
    assert "rim.png" in page.inner_text("#rejects")
    assert "broken.png" in page.inner_text("#rejects")
    assert page.locator("#copies .face.out img").count() >= 1


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_by_day_and_by_night(page: Page, report: Path, scheme: str, is_dark: bool) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    opened(page, report)
    pixel = Image.open(io.BytesIO(page.screenshot(clip={"x": 2, "y": 2, "width": 1, "height": 1}))).convert("L")
    assert (np.asarray(pixel).item() < 60) is is_dark


def test_tables_and_headings_make_sense_unseen(page: Page, report: Path) -> None:
    opened(page, report)
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("[...document.querySelectorAll('table')].every(one => one.querySelector('th[scope=col]'))")
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(there <= here + 1 for here, there in pairwise(levels)), "no level is passed over"
    targets = page.evaluate("[...document.querySelectorAll('nav a')].map(one => !!document.querySelector(one.hash))")
    assert len(targets) == 10
    assert all(targets)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.hash") == "#main"


def test_prints_in_black_on_white(page: Page, report: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    opened(page, report)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.pdf().startswith(b"%PDF")
