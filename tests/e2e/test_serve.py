"""`transfer serve` in a real browser: a picture dropped, faces picked, the result taken; and all that goes wrong."""

from __future__ import annotations

import http.client
import io
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from run_folders import make_run

pytest.importorskip("uvicorn", reason="the extra web is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")
expect = sync_api.expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PORTRAITS = Path(__file__).parents[2] / "demo" / "portraits"
PORTRAIT = PORTRAITS / "White_M_1_Util_205.jpg"
ENDLESS = "1000000"


@dataclass
class Served:
    """A page at work."""

    address: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """A request with the key, but not from the page: status and text."""
        parts = urlsplit(self.address)
        cookie = f"drfhq-{parts.port}={parts.query.removeprefix('token=')}"
        connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=30)
        connection.request(method, path, body, {"cookie": cookie} | headers)
        answer = connection.getresponse()
        text = answer.read().decode("latin-1")
        connection.close()
        return answer.status, text


@contextmanager
def served(run: Path, *more: str) -> Iterator[Served]:
    code = "import torch; torch.set_num_threads(1); from transfer.cli import main; main()"
    words = [sys.executable, "-c", code, "serve", str(run), "--no-open", "--device", "cpu", *more]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(process.stdout.readline().strip(), process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def quick(run: Path) -> Iterator[Served]:
    """Small limits, few steps, results kept beside the run."""
    keep = str(run.parent / "kept")
    with served(run, "--steps", "4", "--max-mb", "1", "--max-megapixels", "1", "--keep", keep) as page:
        yield page


@pytest.fixture(scope="module")
def slow(run: Path) -> Iterator[Served]:
    """An inversion that never ends by itself."""
    with served(run, "--steps", ENDLESS, "--max-pictures", "2") as page:
        yield page


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people side by side."""
    path = tmp_path_factory.mktemp("scene") / "two people.png"
    people = [Image.open(PORTRAITS / name) for name in ("Black_F_3_Casual_123.jpg", PORTRAIT.name)]
    wide = Image.new("RGB", (1280, 640))
    for number, person in enumerate(people):
        wide.paste(person, (640 * number, 0))
    wide.save(path)
    return path


@pytest.fixture
def visitors(browser: Browser) -> Iterator[list[Page]]:
    """Two people's browsers."""
    contexts = [browser.new_context() for _ in range(2)]
    yield [context.new_page() for context in contexts]
    for context in contexts:
        context.close()


def enter(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#limits")).to_contain_text("megapixels")


def drop(page: Page, path: Path) -> None:
    page.locator("#file").set_input_files(path)


def ready(page: Page) -> None:
    """The picture is there, with its faces."""
    expect(page.locator("#make")).to_be_enabled()


def status(page: Page, words: str) -> None:
    expect(page.locator("#status")).to_contain_text(words)


def downloaded(page: Page) -> Image.Image:
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename.endswith("-real.png")
    picture = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
    picture.load()
    return picture


def test_a_picture_goes_in_and_the_faces_picked_come_out_changed(
    page: Page, quick: Served, scene: Path, run: Path
) -> None:
    enter(page, quick.address)
    assert "token" not in page.url
    drop(page, scene)
    ready(page)
    expect(page.locator("#name")).to_have_text("two people")
    expect(page.locator("#picked")).to_have_text("2 of 2 picked")
    page.get_by_role("button", name="Face 2").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Face 2")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#list input").nth(1)).not_to_be_checked()
    chosen_left = page.get_by_role("button", name="Face 1").evaluate("b => parseFloat(b.style.left) < 50")
    page.get_by_role("button", name="Make realistic").click()
    status(page, "Done in")
    expect(page.locator("#list output").first).to_contain_text("likeness")
    after = downloaded(page)
    assert "compositeWithTrainedAlgorithmicMedia" in str(after.info.get("xmp") or after.text)  # type: ignore[attr-defined]
    changed = (np.asarray(after) != np.asarray(Image.open(scene))).any(axis=(0, 2))
    columns = np.flatnonzero(changed)
    assert len(columns)
    assert (columns < 640).all() if chosen_left else (columns >= 640).all()

    page.locator("#compare").fill("80")
    assert page.locator("#frame").evaluate("f => f.style.getPropertyValue('--cut')") == "80%"
    source = page.locator("#after").get_attribute("src")
    page.locator("#strength").fill("0.25")  # a result is there: what is turned is shown at once
    expect(page.locator("#after")).not_to_have_attribute("src", source or "")
    expect(page.locator("#strength-value")).to_have_text("25 %")
    assert not np.array_equal(np.asarray(downloaded(page)), np.asarray(after))
    names = {path.name for path in (run.parent / "kept").iterdir()}
    assert {"two people.png", "two people-2.png", "two people.json"} <= names


def test_a_bad_file_is_told_and_a_good_one_taken_after_it(page: Page, quick: Served, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    (tmp_path / "torn.jpg").write_bytes(PORTRAIT.read_bytes()[:9000])
    Image.new("RGB", (300, 300), "grey").save(tmp_path / "nobody.png")
    enter(page, quick.address)
    for name, words in (("text.png", "no picture"), ("torn.jpg", "damaged"), ("nobody.png", "no face was found")):
        drop(page, tmp_path / name)
        expect(page.locator("#trouble")).to_contain_text(words)
        expect(page.locator("#drop")).to_be_visible()
    drop(page, PORTRAIT)
    ready(page)
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_huge_file_is_refused_by_page_and_server(page: Page, quick: Served, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (800, 800, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "heavy.png")
    Image.new("RGB", (2000, 2000)).save(tmp_path / "vast.png")
    enter(page, quick.address)
    drop(page, tmp_path / "heavy.png")
    expect(page.locator("#trouble")).to_contain_text("more than 1: shrink it")
    drop(page, tmp_path / "vast.png")
    expect(page.locator("#trouble")).to_contain_text("more than 1 megapixels")
    kind = {"content-type": "application/octet-stream"}
    assert quick.ask("POST", "/api/picture/me", bytes(1_000_001), **kind)[0] == 413


def test_nobody_else_gets_in(quick: Served) -> None:
    kind = {"content-type": "application/octet-stream"}
    assert quick.ask("POST", "/api/picture/me", b"x", origin="https://example.org", **kind)[0] == 403
    assert quick.ask("POST", "/api/picture/me", b"x", **{"content-type": "text/plain"})[0] == 415
    assert quick.ask("GET", "/", cookie="")[0] == 403
    for path in ("/../serve.py", "/%2e%2e/app.py", "/etc/passwd", "/before/me/1", "/download/me/1", "/before/me/x"):
        assert quick.ask("GET", path)[0] == 404
    assert quick.ask("POST", "/api/make/me", b'{"faces": [0]}', **{"content-type": "application/json"})[0] == 400


def test_two_users_at_once_get_what_is_theirs(visitors: list[Page], quick: Served, scene: Path) -> None:
    for visitor, picture in zip(visitors, (scene, PORTRAIT), strict=True):
        enter(visitor, quick.address)
        drop(visitor, picture)
    for visitor in visitors:
        ready(visitor)
        visitor.locator("#make").click()
    for visitor, size in zip(visitors, ((1280, 640), (640, 640)), strict=True):
        status(visitor, "Done in")
        assert downloaded(visitor).size == size


def test_a_closed_tab_makes_room_and_a_task_can_be_stopped(visitors: list[Page], slow: Served) -> None:
    first, second = visitors
    for visitor in visitors:
        enter(visitor, slow.address)
        drop(visitor, PORTRAIT)
        ready(visitor)
    third = second.context.new_page()  # one more than the page was started for
    enter(third, slow.address)
    drop(third, PORTRAIT)
    expect(third.locator("#trouble")).to_contain_text("close another tab")
    third.close()
    first.locator("#make").click()
    status(first, "Making it realistic")
    second.locator("#make").click()
    status(second, "Waiting: 1 task before yours")
    first.close()
    status(second, "Making it realistic")
    second.locator("#stop").click()
    ready(second)
    expect(second.locator("#status")).to_be_empty()
    second.locator("#make").click()
    status(second, "Making it realistic")
    slow.process.send_signal(signal.SIGINT)
    assert slow.process.wait(30) == 0, "Ctrl-C ends a page at work"
    expect(second.locator("#trouble")).to_contain_text("has ended")


def test_a_slow_worker_is_stopped_in_time_and_the_page_goes_on(page: Page, run: Path) -> None:
    with served(run, "--steps", ENDLESS, "--max-seconds", "1") as impatient:
        enter(page, impatient.address)
        drop(page, PORTRAIT)
        ready(page)
        page.locator("#make").click()
        expect(page.locator("#trouble")).to_contain_text("more than 1 seconds")
        ready(page)


def test_it_fits_a_narrow_screen_in_either_light(browser: Browser, quick: Served, scene: Path) -> None:
    backs = []
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme=scheme)
        page = context.new_page()
        enter(page, quick.address)
        drop(page, scene)
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        backs.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        unnamed = page.evaluate(
            "[...document.querySelectorAll('button, input')].filter(e => e.checkVisibility() && !e.textContent.trim()"
            " && !e.labels?.length && !e.ariaLabel).map(e => e.id)"
        )
        assert unnamed == []
        context.close()
    light, dark = (sum(map(int, re.findall(r"\d+", back)[:3])) for back in backs)
    assert light > 600 > 150 > dark
