"""`drfhq review` in a real browser: what is decided by keys and clicks, seen by other tabs, and applied by a build."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from raw_pictures import shifted

from drfhq_tools.cli import main
from drfhq_tools.hashing import face_id
from drfhq_tools.manifest.reader import open_manifest
from drfhq_tools.manifest.reviews import FILE_NAME, read_reviews
from drfhq_tools.manifest.writer import manifest_bytes
from drfhq_tools.records import FaceRecord

pytest.importorskip("uvicorn", reason="the extra web is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")
expect = sync_api.expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

FACES = 6
LABELS = "file,gender,race,race_vocabulary,author,license,subject_id\n" + "".join(
    f"{number}.png,female,,,NASA,public domain,collins\n" for number in range(FACES)
)


def drfhq(*arguments: str | Path) -> None:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def build(raw: Path, data: Path) -> None:
    drfhq("build", "--raw", raw, "--out", data, "--size", "64", "--workers", "1")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw folder and the data set built of it, not to be changed."""
    root = tmp_path_factory.mktemp("review")
    (root / "raw").mkdir()
    for number in range(FACES):
        shifted(2 * number).save(root / "raw" / f"{number}.png")
    (root / "raw" / "labels.csv").write_text(LABELS)
    build(root / "raw", root / "data")
    return root


@pytest.fixture
def data(built: Path, tmp_path: Path) -> Path:
    """A copy of the data set, to be changed."""
    return Path(shutil.copytree(built / "data", tmp_path / "data"))


@dataclass
class Served:
    """A review at work."""

    address: str
    process: subprocess.Popen[str]

    def end(self) -> str:
        """Ctrl-C, and what it then says."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=30)
        return said


@contextmanager
def served(data: Path, reviewer: str = "ana") -> Iterator[Served]:
    code = "from drfhq_tools.cli import main; main()"
    command = [sys.executable, "-c", code, "review", str(data), "--no-open", "--reviewer", reviewer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(process.stdout.readline().strip(), process)
        finally:
            process.kill()


@pytest.fixture
def review(data: Path) -> Iterator[Served]:
    with served(data) as review:
        yield review


def rewrite(data: Path, faces: list[FaceRecord]) -> None:
    """Another manifest in place of the old one, as a build puts it there."""
    new = data / "manifest.new"
    new.write_bytes(manifest_bytes(faces, size_px=64, landmark_scheme="ibug68"))
    new.replace(data / "manifest.parquet")


def enter(page: Page, address: str) -> None:
    """Open the page, and see it whole."""
    page.goto(address)
    expect(page.locator(".tile img.here").first).to_be_visible()


def keys(page: Page, text: str) -> None:
    for key in text.split():
        page.keyboard.press(key)


def tile(page: Page, place: int) -> Locator:
    return page.locator(f"#face-{place}")


def listed(page: Page) -> list[str]:
    """The faces in sight, by their number in the data set, in the order they stand in."""
    tiles: list[dict[str, Any]] = page.locator(".tile:not([hidden])").evaluate_all(
        "tiles => tiles.map(t => [t.id, t.getBoundingClientRect()]).map(([id, r]) => ({id, x: r.x, y: r.y}))"
    )
    return [tile["id"].removeprefix("face-") for tile in sorted(tiles, key=lambda tile: (tile["y"], tile["x"]))]


def settled(data: Path) -> list[tuple[str | None, dict[str, str | None]]]:
    """Verdict and labels of each face, in the data set's order."""
    reviews = read_reviews(data)
    faces = [face.face_id for face in open_manifest(data).faces]
    return [(reviews[name].verdict, dict(reviews[name].labels)) if name in reviews else (None, {}) for name in faces]


def test_what_the_keys_decide_the_next_build_applies(
    page: Page, review: Served, data: Path, built: Path, tmp_path: Path
) -> None:
    enter(page, review.address)
    assert "token" not in page.url
    keys(page, "k x ArrowRight k")
    keys(page, "ArrowLeft r 5 g 0 ArrowLeft r Escape")
    expect(page.locator("#progress-text")).to_have_text(f"3 of {FACES} decided")
    expect(tile(page, 3).locator("em").nth(2)).to_have_class("reviewed")
    before = [face.face_id for face in open_manifest(data).faces]
    nothing = (None, dict[str, str | None]())
    assert settled(data) == [
        ("keep", {}),
        ("reject", {}),
        nothing,
        ("keep", {"race": "Southeast Asian", "gender": None}),
        nothing,
        nothing,
    ]
    said = review.end()
    assert "5 decisions on 3 faces: 2 kept, 1 rejected, 1 with labels set" in said
    assert f"drfhq build --raw RAW --out {data}" in said

    build(built / "raw", data)
    faces = {face.face_id: face for face in open_manifest(data).faces}
    assert list(faces) == [name for name in before if name != before[1]]
    assert (faces[before[3]].race, faces[before[3]].race_status) == ("Southeast Asian", "reviewed")
    assert (faces[before[3]].gender, faces[before[3]].gender_labeler) == (None, "review")

    with served(data) as again:
        enter(page, again.address)
        expect(page.locator(".tile.left-out")).to_have_count(1)
        keys(page, "End c")
        expect(page.locator("#progress-text")).to_have_text(f"2 of {FACES} decided")
    build(built / "raw", data)
    assert [face.face_id for face in open_manifest(data).faces] == before


def test_uncertain_labels_are_found(page: Page, data: Path) -> None:
    faces = open_manifest(data).faces
    sure = [0.9, 0.3, 0.99, 0.5, None, 0.41]
    races = ["White", "Black", "White", "Black", None, "White"]
    rewrite(
        data,
        [
            replace(face, race=race, race_probability=p, race_status="predicted" if race else "unknown")
            for face, race, p in zip(faces, races, sure, strict=True)
        ],
    )
    with served(data) as review:
        enter(page, review.address)
        page.locator("#sort").select_option("least_probability")
        assert listed(page) == ["1", "5", "3", "0", "2", "4"]
        page.locator("#direction").click()
        assert listed(page) == ["2", "0", "3", "5", "1", "4"]
        page.locator("#to").fill("0.5")
        expect(page.locator("#count")).to_have_text(f"3 of {FACES} faces")
        assert listed(page) == ["3", "5", "1"]
        page.locator(".race-Black").click()
        expect(page.locator("#count")).to_have_text(f"2 of {FACES} faces")
        expect(page.locator(".race-White span")).to_have_text("1")  # what it would leave, were it picked too
        expect(page.locator(".gender-female span")).to_have_text("2")
        page.locator(".status-unknown").click()
        expect(page.locator("#empty")).to_be_hidden()
        page.locator(".facet.verdict-kept").click()
        expect(page.locator("#empty")).to_contain_text("No face matches")
        page.locator(".clear").click()
        page.locator("#to").fill("")
        page.locator("#search").fill("4.png collins")
        expect(page.locator("#count")).to_have_text(f"1 of {FACES} faces")


def test_a_decided_face_keeps_its_place_until_the_list_is_made_anew(page: Page, review: Served) -> None:
    enter(page, review.address)
    page.locator(".verdict-undecided").click()
    keys(page, "x")
    expect(page.locator("#refresh")).to_contain_text("1 shown no longer match")
    expect(tile(page, 0)).to_have_class(re.compile("reject"))
    keys(page, "f")
    expect(tile(page, 0)).to_be_hidden()
    expect(tile(page, 1)).to_have_class(re.compile("cursor"))
    expect(page.locator("#refresh")).to_be_hidden()


def test_undo(page: Page, review: Served, data: Path) -> None:
    enter(page, review.address)
    keys(page, "k Shift+ArrowRight Shift+ArrowRight x")
    expect(page.locator("#progress-text")).to_have_text(f"4 of {FACES} decided")
    expect(page.locator("#said")).to_have_text("Rejected: 3 faces")
    keys(page, "u")
    expect(page.locator("#progress-text")).to_have_text(f"1 of {FACES} decided")
    keys(page, "u u")
    expect(page.locator("#said")).to_contain_text("Nothing left to take back")
    assert settled(data) == [(None, {})] * FACES
    assert len((data / FILE_NAME).read_text().splitlines()) == 8


def test_a_reload_midway_loses_nothing(page: Page, review: Served) -> None:
    enter(page, review.address)
    page.locator("#sort").select_option("sharpness")
    order = listed(page)
    keys(page, "k x g 2")
    expect(page.locator("#progress-text")).to_have_text(f"2 of {FACES} decided")
    page.reload()
    expect(page.locator("#progress-text")).to_have_text(f"2 of {FACES} decided")
    assert listed(page) == order
    expect(page.locator(f"#face-{order[2]} em").first).to_have_text("male")
    keys(page, "u u")  # the steps before the reload
    expect(page.locator("#progress-text")).to_have_text(f"1 of {FACES} decided")
    expect(page.locator(f"#face-{order[2]} em").first).to_have_text("female")


def test_two_tabs_see_each_other(page: Page, review: Served, data: Path) -> None:
    enter(page, review.address)
    other = page.context.new_page()
    enter(other, review.address.split("?")[0])  # the cookie is the browser's
    keys(page, "k")
    expect(tile(other, 0)).to_have_class(re.compile("keep"))
    keys(other, "x")  # on the same face: the last one counts, and the first tab is told
    page.bring_to_front()
    expect(tile(page, 0)).to_have_class(re.compile("reject"))
    keys(page, "u")
    expect(page.locator("#said")).to_contain_text("1 face left as they are, decided anew elsewhere")
    assert settled(data)[0][0] == "reject"
    other.bring_to_front()
    keys(other, "u")
    expect(tile(other, 0)).to_have_class(re.compile("keep"))
    other.close()


def test_trouble_is_shown_and_nothing_is_marked(page: Page, review: Served, data: Path) -> None:
    enter(page, review.address)
    (data / FILE_NAME).mkdir()  # nobody can write there
    keys(page, "k")
    expect(page.locator("#trouble")).to_contain_text(FILE_NAME)
    expect(page.locator(".tile.keep")).to_have_count(0)
    (data / FILE_NAME).rmdir()
    expect(page.locator("#trouble")).to_be_hidden()
    keys(page, "Home k")
    expect(tile(page, 0)).to_have_class(re.compile("keep"))
    review.end()
    keys(page, "x")
    expect(page.locator("#trouble")).to_contain_text("The review has ended")
    assert settled(data)[:2] == [("keep", {}), (None, {})]


def test_a_data_set_that_is_built_anew_is_told(page: Page, review: Served, data: Path) -> None:
    enter(page, review.address)
    keys(page, "ArrowRight ArrowRight")
    rewrite(data, open_manifest(data).faces[1:])
    expect(page.locator("#said")).to_contain_text("built anew: 1 face left it, 0 faces are new")
    expect(page.locator("#count")).to_have_text(f"{FACES - 1} faces")
    expect(tile(page, 1)).to_have_class(re.compile("cursor"))  # the same face, one further to the front


def test_the_mouse_does_it_too(page: Page, review: Served, data: Path) -> None:
    enter(page, review.address)
    tile(page, 0).click()
    tile(page, 2).click(modifiers=["Shift"])
    tile(page, 1).click(modifiers=["ControlOrMeta"])
    expect(page.locator(".tile.selected")).to_have_count(2)
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Age").click()
    page.locator("#palette").get_by_role("button", name="30-39").click()
    expect(page.locator("#said")).to_have_text("Age group, 30-39: 2 faces")
    assert settled(data)[:3] == [("keep", {"age_group": "30-39"}), (None, {}), ("keep", {"age_group": "30-39"})]
    tile(page, 4).dblclick()
    expect(page.locator("#detail")).to_contain_text("public domain")
    expect(page.locator("#facts")).to_contain_text("quad repeatability")
    expect(page.locator("#large.here")).to_be_visible()
    keys(page, "x")  # on the face that is shown; the next one comes
    expect(page.locator("#facts")).to_contain_text("5.png")
    keys(page, "Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(tile(page, 4)).to_have_class(re.compile("reject"))
    page.locator("#help-button").click()
    expect(page.locator("#help")).to_be_visible()
    keys(page, "Escape k")
    expect(tile(page, 5)).to_have_class(re.compile("keep"))


def test_mature_faces_are_blurred_until_asked_for(page: Page, data: Path) -> None:
    faces = open_manifest(data).faces
    rewrite(data, [replace(faces[0], content_rating="mature"), *faces[1:]])
    with served(data) as review:
        enter(page, review.address)
        picture = tile(page, 0).locator("img")
        expect(picture).to_have_css("filter", "blur(18px)")
        keys(page, "m")
        expect(picture).to_have_css("filter", "none")


def test_ten_thousand_faces_are_a_few_tiles(page: Page, data: Path) -> None:
    """The rows share a picture each sixth; what is held here is that the page grows with the window, not the set."""
    faces = open_manifest(data).faces
    count = 10_000
    rows = [replace(faces[n % FACES], face_id=face_id(str(n), 0), source_path=f"{n}.png") for n in range(count)]
    rewrite(data, rows)
    with served(data) as review:
        enter(page, review.address)
        expect(page.locator("#count")).to_have_text("10,000 faces")
        keys(page, "End")
        expect(tile(page, count - 1).locator("img.here")).to_be_visible()
        assert page.locator(".tile").count() < 100
        page.locator("#search").fill("9999.png")
        expect(page.locator("#count")).to_have_text("1 of 10,000 faces")
        keys(page, "Enter x")
        expect(page.locator("#progress-text")).to_have_text("1 of 10,000 decided")
        took = page.evaluate(
            "() => { const began = performance.now(); document.querySelector('.verdict-undecided').click();"
            " return performance.now() - began }"
        )
        assert took < 1000  # some 20 ms; a quadratic step would take minutes
    assert json.loads((data / FILE_NAME).read_text())["face_id"] == rows[-1].face_id
