"""What the report gathers, held against recounts, and the page it writes, against what others may have put into it."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from drfhq_tools.cli import main
from drfhq_tools.config import BuildConfig
from drfhq_tools.errors import ManifestError, UsageError
from drfhq_tools.geometry import Quad
from drfhq_tools.hashing import face_id, sha256_bytes
from drfhq_tools.imageio import encode_png
from drfhq_tools.manifest.writer import labels_bytes, manifest_bytes, rejects_bytes
from drfhq_tools.records import FaceMeasures, FaceRecord, FoundFace, LabelScores, Reject, RejectReason
from drfhq_tools.report import write_report
from drfhq_tools.report.facts import PER_CELL, Facts, gather
from drfhq_tools.report.funnel import count_losses
from drfhq_tools.report.measures import POSE_AND_FRAMING, QUALITY, histogram, measured, round_range
from drfhq_tools.report.origins import host_of, web_address
from drfhq_tools.report.page import LONGEST_LIST, clip, number, share, value
from drfhq_tools.report.picks import varied
from drfhq_tools.report.thumbnails import crop_thumbnails, raw_thumbnails

Make = Callable[..., FaceRecord]
SIZE = 64
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>"


@dataclass
class Tables:
    """A data set to be written."""

    faces: list[FaceRecord]
    rejects: list[Reject]
    labels: list[tuple[str, LabelScores]]
    config: BuildConfig

    def write(self, folder: Path) -> Path:
        (folder / "images" / "00000").mkdir(parents=True)
        placed = []
        for place, face in enumerate(self.faces):
            png = encode_png(picture(place))
            path = f"images/00000/{place:05d}.png"
            (folder / path).write_bytes(png)
            placed.append(replace(face, image_path=path, image_sha256=sha256_bytes(png), size_px=SIZE))
        (folder / "labels.parquet").write_bytes(labels_bytes(self.labels))
        (folder / "rejects.parquet").write_bytes(rejects_bytes(self.rejects))
        digests = {"pixels_digest": self.config.pixels_digest, "rules_digest": self.config.rules_digest}
        document = {
            "schema_version": "1",
            "tool_version": "0",
            **digests,
            "settings": asdict(self.config),
            "counts": {"pictures": len(self.faces)},
        }
        (folder / "build.json").write_text(json.dumps(document))
        table = manifest_bytes(placed, size_px=SIZE, landmark_scheme="ibug68")
        (folder / "manifest.parquet").write_bytes(table)
        return folder


def picture(seed: int, side: int = SIZE) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((side // 8, side // 8, 1), dtype=np.uint8)))


def left_out(face: FaceRecord, reason: RejectReason, **changes: object) -> Reject:
    """The reject this face would have been."""
    row = Reject(
        source_path=face.source_path, face_index=0, reason=reason, message="m", found=face.found, measures=face.measures
    )
    return replace(row, **changes)  # type: ignore[arg-type]


@pytest.fixture
def people(face: Make) -> list[FaceRecord]:
    """Twelve women of four people and one man, each with hashes of their own."""
    rows = []
    for place in range(13):
        sha256 = sha256_bytes(str(place).encode())
        name = face_id(sha256, 0)
        rows.append(
            face(
                face_id=name,
                duplicate_group=name,
                source_sha256=sha256,
                source_path=f"{place:02d}.png",
                source_paths=(f"{place:02d}.png",),
                phash=sha256[:16],
                phash_fine=sha256,
                pixels_sha256=sha256,
                gender="female" if place < 12 else "male",
                gender_status="declared" if place < 6 else "predicted",
                race="Black" if place < 12 else None,
                race_status="declared" if place < 12 else "unknown",
                race_declared="Black" if place < 12 else "AIAN",
                race_vocabulary="VALID",
                subject_id=f"s{place % 4}" if place < 12 else None,
                sharpness=float(place),
                yaw_deg=float(place - 6) * 3,
                license="MIT" if place else None,
                license_url="https://example.org/mit" if place else None,
                author="Ann",
                split="train" if place < 10 else "val",
            )
        )
    return rows


@pytest.fixture
def tables(people: list[FaceRecord]) -> Tables:
    labels = []
    for face in people:
        word = LabelScores(
            attribute="race", value=face.race, status=face.race_status, labeler="declared", declared=face.race_declared
        )
        sure = face.sharpness / 12
        guess = LabelScores(
            attribute="gender",
            value="female" if sure > 0.4 else None,
            status="predicted" if sure > 0.4 else "unknown",
            labeler="net",
            classes=("female", "male"),
            probabilities=(0.5 + sure / 2, 0.5 - sure / 2),
        )
        labels += [(face.face_id, word), (face.face_id, guess)]
    return Tables(
        people[:11],
        [left_out(people[11], RejectReason.BLURRED), left_out(people[12], RejectReason.MATURE)],
        [one for one in labels if one[0] not in {people[11].face_id, people[12].face_id}],
        BuildConfig(size=SIZE, min_sharpness=2.0),
    )


@pytest.fixture
def data(tables: Tables, tmp_path: Path) -> Path:
    return tables.write(tmp_path / "data")


@pytest.fixture
def facts(data: Path) -> Facts:
    return gather(data)


def test_funnel_counts_files_pictures_and_faces_each_by_their_own(people: list[FaceRecord]) -> None:
    kept = [replace(people[0], source_paths=("00.png", "copy of 00.png")), people[1]]
    blurred = left_out(people[2], RejectReason.BLURRED, rule="min_sharpness")
    second = left_out(people[0], RejectReason.TURNED_AWAY, face_index=1, rule="max_yaw_deg")
    rejects = [
        *blurred.at_each(["02.png", "again.png"]),
        *second.at_each(["00.png", "copy of 00.png"]),
        Reject(source_path="n.png", reason=RejectReason.NO_FACE, message="", source_sha256="n"),
        Reject(source_path="n2.png", reason=RejectReason.NO_FACE, message="", source_sha256="n"),
        Reject(source_path="locked.png", reason=RejectReason.UNREADABLE, message=""),
        Reject(source_path="labels.csv", reason=RejectReason.LABEL_NOTE, message=""),
        Reject(source_path="x.json", reason=RejectReason.BAD_SIDECAR, message=""),
    ]
    funnel = count_losses(kept, rejects)
    assert funnel.files == len({"00", "copy", "01", "02", "again", "n", "n2", "locked"})
    assert funnel.pictures == len({"00", "01", "02", "n", "locked"})
    assert (funnel.shown, funnel.found, funnel.kept) == (3, 4, 2)
    assert {loss.reason.value: loss.count for loss in funnel.without_face} == {"no_face": 1, "unreadable": 1}
    assert {loss.reason.value: loss.rules for loss in funnel.left_out} == {
        "turned_away": (("max_yaw_deg", 1),),
        "blurred": (("min_sharpness", 1),),
    }
    assert {loss.reason.value for loss in funnel.notes} == {"label_note", "bad_sidecar"}
    assert funnel.pictures - sum(loss.count for loss in funnel.without_face) == funnel.shown
    assert funnel.found - sum(loss.count for loss in funnel.left_out) == funnel.kept
    met = {loss.reason for loss in (*funnel.without_face, *funnel.left_out, *funnel.notes)}
    assert set(funnel.never) == set(RejectReason) - met


def test_composition_agrees_with_the_statistics(facts: Facts) -> None:
    for one in facts.compositions:
        counts = {name: sum(row.values()) for name, row in one.rows.items() if sum(row.values())}
        assert counts == facts.stats.counts[one.attribute]
        for status, count in facts.stats.status[one.attribute].items():
            assert sum(row[status] for row in one.rows.values()) == count  # type: ignore[index]
    gender = facts.compositions[0].rows["female"]
    assert (gender["declared"], gender["predicted"]) == (6, 5)


def test_words_stand_for_a_class_or_for_none(tables: Tables, people: list[FaceRecord], tmp_path: Path) -> None:
    stranger = LabelScores(attribute="race", value=None, status="unknown", labeler="declared", declared="AIAN")
    tables.faces.append(people[12])
    tables.labels.append((people[12].face_id, stranger))
    found = {(one.vocabulary, one.word): (one.stands_for, one.count) for one in gather(tables.write(tmp_path)).words}
    assert found == {("VALID", "Black"): ("Black", 11), ("VALID", "AIAN"): (None, 1)}


def test_confidence_is_the_likeliest_class_and_abstentions(facts: Facts) -> None:
    (one,) = facts.confidences
    assert (one.labeler, one.attribute, one.faces) == ("net", "gender", 11)
    assert one.abstained == sum(place / 12 <= 0.4 for place in range(11))
    assert sum(one.histogram.kept) == 11
    assert one.histogram.kept[0] == 0  # of two classes the likelier has at least a half


def test_cells_show_different_people_first(facts: Facts, people: list[FaceRecord]) -> None:
    (cell,) = facts.cells
    assert (cell.gender, cell.race, cell.count, cell.people) == ("female", "Black", 11, 4)
    assert len(cell.examples) == PER_CELL
    assert len({face.subject_id for face in cell.examples[:4]}) == 4
    assert varied(people, 3) == varied(reversed(people), 3)


def test_worst_are_the_worst_and_copies_come_once(people: list[FaceRecord]) -> None:
    sharpness = next(one for one in QUALITY if one.name == "sharpness")
    twin = replace(people[0], face_id="twin", sharpness=0.5)
    found = measured(sharpness, [*people, twin], [people[3].measures], BuildConfig(min_sharpness=2.5), 3)
    assert found is not None
    assert [figure for _, figure in found.worst] == [0.0, 1.0, 2.0]
    assert found.limits == (2.5,)
    assert (sum(found.histogram.kept), sum(found.histogram.left_out)) == (14, 1)
    assert (found.quartiles[0], found.quartiles[4]) == (0.0, 12.0)
    yaw = measured(POSE_AND_FRAMING[0], people, [], BuildConfig(max_yaw_deg=10), 2)
    assert yaw is not None
    assert [abs(figure) for _, figure in yaw.worst] == [18.0, 18.0]
    assert yaw.limits == (-10, 10)
    assert yaw.histogram.low == -yaw.histogram.high


def test_what_nobody_has_or_all_have_alike_has_no_worst(people: list[FaceRecord]) -> None:
    measures = {one.name: one for one in (*POSE_AND_FRAMING, *QUALITY)}
    assert measured(measures["eyes_open"], people, [], BuildConfig(), 6) is None
    assert measured(measures["sharpness"], [replace(people[0], sharpness=math.nan)], [], BuildConfig(), 6) is None
    padding = measured(measures["pad_fraction"], people, [], BuildConfig(), 6)
    assert padding is not None
    assert padding.constant
    assert padding.worst == ()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.7, 12.2), (0.0012, 0.083), (5, 5), (0, 0), (280.1, 499.9)])
def test_round_range_holds_what_it_rounds(low: float, high: float) -> None:
    start, stop = round_range(low, high)
    assert start <= low + 1e-9
    assert stop >= high - 1e-9
    assert start < stop
    assert stop - start <= 1.25 * max(high - low, abs(high), 1.0)


def test_histogram_puts_the_outermost_inside() -> None:
    found = histogram([0.0, 0.5, 1.0, 7.0], [-1.0], low=0, high=1, bins=2)
    assert (found.kept, found.left_out) == ((1, 3), (1, 0))


def test_copies_left_out_stand_beside_what_was_kept(tables: Tables, people: list[FaceRecord], tmp_path: Path) -> None:
    copy = replace(people[12], phash=people[0].phash, phash_fine=people[0].phash_fine)
    tables.rejects.append(left_out(copy, RejectReason.DUPLICATE, face_index=1))
    (group,) = gather(tables.write(tmp_path)).copies
    assert (group.kept, group.left_out) == (1, 1)
    assert [face.face_id for face in group.faces] == [people[0].face_id]
    assert [one.source_path for one in group.rejects] == ["12.png"]


def test_rights_lacking_are_counted(facts: Facts) -> None:
    assert (facts.origins.no_licence, facts.origins.no_ground) == (1, 1)
    (licence,) = facts.origins.licences
    assert (licence.name, licence.count) == ("MIT", 10)
    assert facts.origins.authors.counts == (("Ann", 11),)
    assert [(one.name, one.faces) for one in facts.splits] == [("train", 10), ("val", 1), ("test", 0)]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//host/x", "java\nscript:x", "http:", "http://[", "", None, "x"]
)
def test_only_addresses_of_the_web_are_linked(url: str | None) -> None:
    assert web_address(url) is None
    assert host_of(url) is None


def test_addresses_of_the_web() -> None:
    assert web_address("https://example.org/a?b") == "https://example.org/a?b"
    assert host_of("HTTP://Example.org:8080/a") == "example.org"


class Page(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile(tables: Tables) -> None:
    """All that others may write, written by an enemy."""
    words = (
        "title",
        "author",
        "license",
        "rights_basis",
        "content_rating",
        "subject_id",
        "race_declared",
        "race_vocabulary",
        "detector",
        "retrieved_at",
        "split",
        "source_path",
        "figure_generation",
    )
    mean = replace(
        tables.faces[0],
        **dict.fromkeys(words, HOSTILE),
        license_url="javascript:alert(3)",
        source_url="javascript:alert(4)",
        vendors=(HOSTILE,),
        products=(HOSTILE,),
    )
    tables.faces[0] = replace(mean, race=HOSTILE, gender=HOSTILE)
    word = LabelScores(attribute="race", value=None, status="unknown", labeler="declared", declared=HOSTILE)
    guess = replace(word, attribute="gender", labeler=HOSTILE, classes=("male",), probabilities=(math.nan,))
    tables.labels += [(mean.face_id, word), (mean.face_id, guess)]
    tables.rejects.append(
        left_out(
            tables.faces[1], RejectReason.BLURRED, message=HOSTILE, source_path=HOSTILE, rule=HOSTILE, face_index=3
        )
    )
    tables.rejects.append(Reject(source_path=HOSTILE, reason=RejectReason.LABEL_NOTE, message=HOSTILE))


def test_hostile_words_are_words(tables: Tables, tmp_path: Path) -> None:
    hostile(tables)
    page = Page(write_report(tables.write(tmp_path / "data")).path)
    names = {name for name, _ in page.tags}
    assert not names & {"script", "iframe", "object", "link", "base", "form", "b onerror"}
    for name, attributes in page.tags:
        assert not any(attribute.startswith("on") for attribute in attributes), name
        assert (attributes.get("href") or "#").startswith(("#", "https://"))
        assert (attributes.get("src") or "data:image/webp").startswith("data:image/webp")
    assert page.text.count("<script>alert(1)</script>") > 10
    assert "javascript:alert(3)" in page.text


def test_policy_forbids_all_but_its_own_style_and_pictures(data: Path) -> None:
    page = Page(write_report(data).path)
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert all(a.get("alt") for tag, a in page.tags if tag == "img")
    assert dict(page.tags)["html"]["lang"] == "en"


def test_figures_arrive_on_the_page(data: Path, facts: Facts) -> None:
    text = Page(write_report(data).path).text
    assert facts.manifest.digest in text
    assert "nobody's identity" in text
    for loss in facts.funnel.left_out:
        assert loss.meaning in text
    assert "11.png" in text  # blurred, and listed
    assert "12.png" not in text  # mature: counted, never named


def test_the_same_set_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    one, two = (write_report(data, out=tmp_path / name).path.read_bytes() for name in ("one.html", "two.html"))
    assert one == two
    assert one.endswith(b"</html>\n")
    assert str(tmp_path).encode() not in one


def test_lists_are_capped_and_say_so(tables: Tables, tmp_path: Path) -> None:
    one, many = tables.faces[0], LONGEST_LIST + 5
    tables.faces = [replace(one, face_id=f"{place:032x}", author=f"Author {place:02d}") for place in range(many)]
    text = Page(write_report(tables.write(tmp_path / "data")).path).text
    assert [f"Author {place:02d}" in text for place in range(many)] == [True] * LONGEST_LIST + [False] * 5
    assert "5 more" in text


def test_nobody(tables: Tables, tmp_path: Path) -> None:
    tables.faces, tables.labels = [], []
    text = Page(write_report(tables.write(tmp_path / "data")).path).text
    assert "There are no faces." in text


def test_pictures_are_shown_only_where_their_bytes_are_those_named(data: Path, tmp_path: Path) -> None:
    faces = gather(data).manifest.faces
    outside = tmp_path / "outside.png"
    outside.write_bytes((data / faces[0].image_path).read_bytes())
    led_astray = [replace(faces[0], image_path=path) for path in ("../outside.png", str(outside), "images", "no.png")]
    for face in led_astray:
        assert crop_thumbnails([face], data).missing == 1
    (data / faces[1].image_path).write_bytes(outside.read_bytes())
    (data / faces[2].image_path).write_bytes(b"\x89PNG")
    found = crop_thumbnails(faces, data)
    assert (len(found.faces), found.missing) == (len(faces) - 2, 2)
    assert found.faces[faces[0].face_id].startswith("data:image/webp;base64,")


def test_what_was_left_out_is_cut_from_the_raw_picture(people: list[FaceRecord], tmp_path: Path) -> None:
    png = encode_png(picture(1, 160))
    (tmp_path / "a.png").write_bytes(png)
    quad = tuple(Quad(np.array([[20.0, 20], [20, 120], [120, 120], [120, 20]])).to_row())
    here = replace(people[0], source_path="a.png", source_sha256=sha256_bytes(png), quad=quad)
    bent = replace(here, quad=(0.0,) * 8)
    changed = replace(here, source_sha256="0" * 64)
    whole = Reject(source_path="a.png", reason=RejectReason.NO_FACE, message="", source_sha256=sha256_bytes(png))
    rejects = [
        left_out(here, RejectReason.BLURRED),
        left_out(bent, RejectReason.BLURRED, face_index=1),
        left_out(changed, RejectReason.BLURRED),
        whole,
    ]
    found = raw_thumbnails(rejects, tmp_path, 10**6)
    assert list(found.faces) == [face_id(sha256_bytes(png), 0)]
    assert list(found.pictures) == [sha256_bytes(png)]
    assert found.missing == 2


def test_mature_and_removed_are_never_opened(tables: Tables, people: list[FaceRecord], tmp_path: Path) -> None:
    tables.rejects += [left_out(people[12], RejectReason.REMOVED, face_index=2)]
    tables.rejects += [Reject(source_path="r.png", reason=RejectReason.REMOVED, message="", source_sha256="r")]
    shown = list(gather(tables.write(tmp_path)).shown_rejects)
    assert {reject.reason for reject in shown} == {RejectReason.BLURRED}


@pytest.mark.parametrize("name", ["manifest.parquet", "labels.parquet", "rejects.parquet", "build.json"])
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1 but no table")])
def test_missing_and_damaged_tables_are_told(data: Path, name: str, damage: Callable[[Path], object]) -> None:
    damage(data / name)
    with pytest.raises(ManifestError, match=name.replace(".", r"\.")):
        gather(data)
    result = CliRunner().invoke(main, ["report", str(data)])
    assert result.exit_code == 1
    assert name in result.stderr
    assert not (data / "report.html").exists()


def test_command(data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    with pytest.raises(UsageError, match="no folder"):
        write_report(data, raw=raw)
    raw.mkdir()
    out = tmp_path / "deep" / "er" / "page.html"
    (data / gather(data).manifest.faces[0].image_path).unlink()
    result = CliRunner().invoke(main, ["report", str(data), "--raw", str(raw), "--out", str(out)])
    assert result.exit_code == 0
    assert out.is_file()
    assert "1 crops are missing or damaged" in result.stderr
    assert "1 of what was left out is not in" in result.stderr
    result = CliRunner().invoke(main, ["report", str(data), "--out", str(data)])
    assert result.exit_code == 1
    assert "cannot write" in result.stderr


def test_numbers_as_people_read_them() -> None:
    assert number(1234567) == "1\u202f234\u202f567"
    assert [share(*one) for one in ((0, 5), (5, 5), (1, 3), (1, 40), (999, 1000), (1, 5000), (0, 0))] == [
        "0%",
        "100%",
        "33%",
        "2.5%",
        "99.9%",
        "<0.1%",
        "",
    ]
    assert value(-3.6, POSE_AND_FRAMING[0]) == "−4°"
    assert value(-0.2, POSE_AND_FRAMING[0]) == "0°"
    assert clip("a\n  b") == "a b"
    assert clip("x" * 200, 10) == "x" * 9 + "…"


def test_every_measure_is_one(people: list[FaceRecord]) -> None:
    names = {one.name for one in (*POSE_AND_FRAMING, *QUALITY)} - {"eye_occlusion"}
    assert names <= set(FaceMeasures.__slots__)
    assert isinstance(people[0].found, FoundFace)
