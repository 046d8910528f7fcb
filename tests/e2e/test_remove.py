"""`drfhq remove`: pictures leave for good; what stays is what a fresh build of the others would be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from killed_runs import run_killed
from PIL import Image
from raw_pictures import FACE, five_faces, shifted

from drfhq_tools.build.ledger import WORK_NAME, Ledger, Looked, Seen, open_ledger
from drfhq_tools.cli import main
from drfhq_tools.config import BuildConfig
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import Manifest, open_manifest
from drfhq_tools.manifest.reader import read_rejects
from drfhq_tools.manifest.tombstones import read_tombstones
from drfhq_tools.publish.push import CACHE_NAME
from drfhq_tools.removal.remove import DERIVED, Removal, Request, read_list, remove
from drfhq_tools.report import REPORT_NAME, write_report
from drfhq_tools.verify import verify

AT = "2026-01-02T03:04:05+00:00"
LABELS = (
    "file,gender,subject_id,author,source_url\n"
    "a.png,female,x,Ann Artist,https://example.org/a\n"
    "copies/a again.png,female,x,Ann Artist,https://example.org/a\n"
    "five.png,,,Ann Artist,https://example.org/sheet\n"
    "m.png,female,x,Bob,https://example.org/all\n"
    "z.png,male,z,Bob,https://example.org/all\n"
    "rim.png,male,r,Cleo,https://example.org/rim\n"
)
OPTIONS = ("--size", "64", "--workers", "1", "--max-pad-fraction", "0.2", "--set", "min_native_ratio=0")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


def contents(folder: Path) -> dict[str, str]:
    """Hashes of the data set's files, without tombstones and what it was before."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    ours = (".", "history/", "tombstones")
    return {name: sha256_file(path) for name, path in files.items() if not name.startswith(ours)}


def build(raw: Path, out: Path, *options: str | Path) -> Result:
    return run("build", "--raw", raw, "--out", out, *OPTIONS, *options)


def write_labels(raw: Path) -> None:
    """Of those of :data:`LABELS` that are there."""
    header, *rows = LABELS.splitlines()
    there = [row for row in rows if (raw / row.split(",")[0]).exists()]
    (raw / "labels.csv").write_text("\n".join([header, *there]) + "\n")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face in two files, its mirror image, another head, a picture of five, one with a rejected face."""
    folder = tmp_path_factory.mktemp("remove") / "raw"
    (folder / "copies").mkdir(parents=True)
    shifted(3).resize((360, 360)).save(folder / "a.png")
    shutil.copy(folder / "a.png", folder / "copies" / "a again.png")
    five_faces().save(folder / "five.png")
    shifted(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "m.png")
    wide = Image.fromarray(np.ascontiguousarray(FACE[0:300, 80:380])).resize((300, 380))
    wide.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "z.png")
    Image.fromarray(FACE[60:190, 160:290]).resize((390, 390)).save(folder / "rim.png")
    write_labels(folder)
    return folder


@pytest.fixture(scope="module")
def built(raw: Path) -> Path:
    """Not to be changed."""
    out = raw.parent / "data"
    assert build(raw, out).exit_code == 0
    paths = [face.source_path for face in open_manifest(out).faces]
    assert paths == ["a.png", *["five.png"] * 5, "m.png", "z.png"]
    return out


@pytest.fixture
def data(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "data"))


def without(raw: Path, tmp_path: Path, *names: str) -> Path:
    """A fresh build of the raw folder without these files."""
    rest = Path(shutil.copytree(raw, tmp_path / "rest"))
    for name in names:
        (rest / name).unlink()
    write_labels(rest)
    assert build(rest, tmp_path / "fresh").exit_code == 0
    return tmp_path / "fresh"


def face_of(manifest: Manifest, path: str) -> str:
    return next(face.face_id for face in manifest.faces if face.source_path == path)


def take(data: Path, *, dry_run: bool = False, runs: tuple[Path, ...] = (), **request: str) -> Removal:
    wanted = Request(**{name: frozenset([word]) for name, word in request.items()})
    return remove(data, wanted, removed_at=AT, reason="asked for", runs=runs, dry_run=dry_run)


def test_all_faces_of_a_picture_go_and_the_rest_is_as_freshly_built(raw: Path, data: Path, tmp_path: Path) -> None:
    removal = take(data, sha256=sha256_file(raw / "five.png"))
    assert (len(removal.faces), removal.paths, removal.unmatched) == (5, ("five.png",), ())
    assert contents(data) == contents(without(raw, tmp_path, "five.png"))
    assert verify(data, deep=True).findings == []


def test_a_crop_names_its_picture_and_that_all_its_files(raw: Path, data: Path, tmp_path: Path) -> None:
    crop = next(face.image_sha256 for face in open_manifest(data).faces if face.source_path == "a.png")
    removal = take(data, sha256=crop)
    assert removal.paths == ("a.png", "copies/a again.png")
    assert contents(data) == contents(without(raw, tmp_path, "a.png", "copies/a again.png"))


def test_a_rejected_face_goes_with_all_that_was_known_of_it(raw: Path, data: Path, tmp_path: Path) -> None:
    removal = take(data, sha256=sha256_file(raw / "rim.png"))
    assert (removal.faces, removal.paths) == ((), ("rim.png",))
    assert contents(data) == contents(without(raw, tmp_path, "rim.png"))


def test_an_author_and_an_address_name_all_of_theirs(data: Path) -> None:
    assert take(data, authors=" ann  ARTIST", dry_run=True).paths == ("a.png", "copies/a again.png", "five.png")
    assert take(data, urls="https://example.org/all").paths == ("m.png", "z.png")
    assert {face.source_path for face in open_manifest(data).faces} == {"a.png", "five.png"}


def test_later_builds_obey(raw: Path, data: Path, tmp_path: Path) -> None:
    take(data, authors="Ann Artist")
    after = contents(data)
    assert build(raw, data).exit_code == 0
    rejects = {reject.source_path: reject.reason.value for reject in read_rejects(data)}
    assert {path for path, reason in rejects.items() if reason == "removed"} == {
        "a.png",
        "copies/a again.png",
        "five.png",
    }
    images = [name for name in contents(data) if name.startswith("images/")]
    assert {name: contents(data)[name] for name in images} == {name: after[name] for name in images}
    other = tmp_path / "other"
    assert build(raw, other, "--tombstones", data / "tombstones.parquet").exit_code == 0
    assert contents(other) == contents(data)
    shards = tmp_path / "shards"
    for number in range(2):
        options = ("--shard", f"{number}/2", "--tombstones", data / "tombstones.parquet")
        assert build(raw, shards, *options).exit_code == 0
    assert run("merge", shards).exit_code == 0
    assert contents(shards) == contents(data)


def test_new_works_of_an_author_stay_out_as_well(raw: Path, data: Path, tmp_path: Path) -> None:
    take(data, authors="Bob")
    more = Path(shutil.copytree(raw, tmp_path / "more"))
    shifted(20).save(more / "new.png")
    (more / "new.json").write_text('{"author": "BOB"}')
    assert build(more, data).exit_code == 0
    assert "new.png" in {reject.source_path for reject in read_rejects(data) if reject.reason == "removed"}


def test_an_address_that_others_share_is_no_tombstone(raw: Path, data: Path) -> None:
    """Some declare the address of a whole collection: one picture's removal must not take all."""
    take(data, sha256=sha256_file(raw / "z.png"))
    take(data, sha256=sha256_file(raw / "five.png"))
    rows = read_tombstones(data / "tombstones.parquet").rows
    assert [(row.sha256, row.source_url, row.author) for row in rows] == [
        (sha256_file(raw / "z.png"), None, None),
        (sha256_file(raw / "five.png"), "https://example.org/sheet", None),
    ]
    assert {(row.reason, row.removed_at) for row in rows} == {("asked for", AT)}
    assert build(raw, data).exit_code == 0
    assert {face.source_path for face in open_manifest(data).faces} == {"a.png", "m.png"}


def test_who_stays_keeps_its_split(raw: Path, data: Path, tmp_path: Path) -> None:
    before = {face.face_id: face.split for face in open_manifest(data).faces}
    take(data, sha256=sha256_file(raw / "a.png"))
    assert {face.face_id: face.split for face in open_manifest(data).faces}.items() <= before.items()


def test_copies_of_what_goes_are_named_and_those_left_out_can_come_back(raw: Path, tmp_path: Path) -> None:
    """The five are copies of the face in a.png, which is larger."""
    best = tmp_path / "best"
    assert build(raw, best, "--set", "duplicates=keep-best").exit_code == 0
    removal = take(best, sha256=sha256_file(raw / "a.png"))
    assert (removal.waiting > 0, removal.copies) == (True, ())
    assert not any("a.png" in reject.message for reject in read_rejects(best))
    assert run("filter", best, "--raw", raw).exit_code == 0
    assert "five.png" in {face.source_path for face in open_manifest(best).faces}
    everything = tmp_path / "all"
    assert build(raw, everything).exit_code == 0
    removal = take(everything, sha256=sha256_file(raw / "a.png"))
    assert face_of(open_manifest(everything), "five.png") in removal.copies


def test_runs_that_saw_the_faces_are_named(raw: Path, data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    manifest = open_manifest(data)
    splits = {face.face_id: face.split for face in manifest.faces}
    five = [face.face_id for face in manifest.faces if face.source_path == "five.png"]

    def make(name: str, digest: str, **more: str) -> None:
        (runs / name).mkdir(parents=True)
        (runs / name / "run.json").write_text(json.dumps({"kind": "finetune", "data_digest": digest, **more}))

    make("old/all", manifest.digest, split="all")
    make("trained", manifest.digest, split="train")
    make("tested", manifest.digest, split="test")
    make("unsaid", manifest.digest)
    make("elsewhere", "f" * 64, split="all")
    (runs / "trained" / "portraits.npy").write_bytes(b"pixels")
    (runs / "broken").mkdir()
    (runs / "broken" / "run.json").write_text("{")
    (runs / "of another tool").mkdir()
    (runs / "of another tool" / "run.json").write_text("[1]")
    take(data, sha256=sha256_file(raw / "z.png"))  # another state, which no run saw
    result = run("remove", data, "--sha256", sha256_file(raw / "five.png"), "--runs", runs, "--json")
    assert result.exit_code == 0, result.stderr
    seen = json.loads(result.stdout)["exposure"]
    saw = {Path(one["run"]).relative_to(runs).as_posix(): one for one in seen["runs"]}
    expected = {"old/all": sorted(five), "unsaid": sorted(five)}
    for name, split in (("trained", "train"), ("tested", "test")):
        if split in {splits[face] for face in five}:
            expected[name] = sorted(face for face in five if splits[face] == split)
    assert {name: one["faces"] for name, one in saw.items()} == expected
    assert [Path(one).name for one in seen["unread"]] == ["broken"]
    assert (seen["other"], saw["trained"]["cache"]) == (1, str(runs / "trained" / "portraits.npy"))
    (report,) = (data / "history").glob("removal-*.json")
    assert json.loads(report.read_text(encoding="utf-8"))["exposure"] == seen
    assert len(list((data / "history").glob("*.parquet"))) == 2
    # Asked again, with runs found later: what was taken out before is still known.
    again = take(data, sha256=sha256_file(raw / "five.png"), runs=(runs / "old",))
    assert (again.sources, again.unmatched) == ((), ())
    assert [one.faces for one in again.exposure.runs] == [tuple(sorted(five))]


def test_every_state_a_build_replaces_is_kept_as_a_list(raw: Path, data: Path, tmp_path: Path) -> None:
    first = open_manifest(data)
    assert build(raw, data).exit_code == 0
    assert not (data / "history").exists()  # nothing changed
    more = Path(shutil.copytree(raw, tmp_path / "more"))
    shifted(20).save(more / "new.png")
    assert build(more, data).exit_code == 0
    (path,) = (data / "history").iterdir()
    assert path.name == f"{first.digest}.parquet"
    rows = pq.read_table(path).to_pylist()
    assert rows == [
        {"face_id": face.face_id, "source_sha256": face.source_sha256, "split": face.split} for face in first.faces
    ]


def test_pixels_are_gone_from_work_under_way_as_well(raw: Path, data: Path) -> None:
    """A build that was cut keeps crops in a folder of its own."""
    face = next(face for face in open_manifest(data).faces if face.source_path == "z.png")
    ledger: Ledger = open_ledger(data / WORK_NAME, BuildConfig(size=64))
    seen = Seen(face_index=0, found=face.found, measures=face.measures, image_sha256=face.image_sha256)
    ledger.crop(face.face_id).parent.mkdir(parents=True)
    shutil.copy(data / face.image_path, ledger.crop(face.face_id))
    ledger.write(Looked(sha256=face.source_sha256, faces=(seen,), width_px=1, height_px=1))
    take(data, sha256=face.source_sha256)
    left = {sha256_file(path) for path in data.rglob("*") if path.is_file()}
    assert face.image_sha256 not in left
    assert ledger.read(face.source_sha256) is None


def test_pictures_of_it_are_gone_from_the_report_and_from_a_push_that_was_cut(data: Path) -> None:
    write_report(data)
    (data / CACHE_NAME / "parquet").mkdir(parents=True)
    (data / CACHE_NAME / "parquet" / "shard").write_bytes(b"pictures")
    assert set(DERIVED) == {CACHE_NAME, REPORT_NAME} <= {path.name for path in data.iterdir()}
    remove(data, Request(authors=frozenset({"Bob"})), removed_at=AT)
    assert not set(DERIVED) & {path.name for path in data.iterdir()}


def test_a_list_names_all_at_once_and_what_is_not_there_is_said(raw: Path, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    lines = [
        "# asked for in May",
        sha256_file(raw / "a.png"),
        "https://example.org/sheet",
        "author: Nobody",
        "",
        "0" * 64,
    ]
    file.write_text("\n".join(lines))
    result = run("remove", data, "--list", file, "--reason", "by letter", "--author", "Cleo")
    assert result.exit_code == 3, result.stderr
    said = result.stdout.splitlines()
    assert said[0] == f"6 faces of 2 pictures taken out of {data}"
    assert {f"nothing is of {word}" for word in ("Nobody", "0" * 64, "Cleo")} <= set(said)
    assert "  raw picture: five.png" in said
    stones = read_tombstones(data / "tombstones.parquet").rows
    assert {row.reason for row in stones} == {"by letter"}
    assert all(row.removed_at and row.removed_at.endswith("+00:00") and row.tool_version for row in stones)


def test_a_dry_run_changes_nothing(raw: Path, data: Path, built: Path) -> None:
    result = run("remove", data, "--sha256", sha256_file(raw / "a.png"), "--dry-run")
    assert (result.exit_code, "1 faces of 1 pictures would be taken" in result.stdout) == (0, True)
    assert {path.name for path in data.iterdir()} == {path.name for path in built.iterdir()}
    assert contents(data) == contents(built)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name what to take out"),
        (["--sha256", "abc"], 2, "is no sha256"),
        (["--sha256", "0" * 64], 1, "nothing in"),
        (["--author", "Nobody"], 1, "nothing was changed"),
        (["--author", " "], 2, "name what to take out"),
        (["--list", "none.txt"], 2, "cannot read none.txt"),
        (["--author", "Bob", "--runs", "no-folder"], 2, "is no folder"),
    ],
)
def test_what_it_refuses_changes_nothing(
    arguments: list[str], code: int, said: str, data: Path, built: Path, tmp_path: Path
) -> None:
    result = run("remove", data, *arguments)
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
    assert {path.name for path in data.iterdir()} == {path.name for path in built.iterdir()}
    assert contents(data) == contents(built)


def test_a_list_with_nonsense_is_refused_by_line(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text(f"{'a' * 64}\nAnn Artist\n")
    result = run("remove", tmp_path, "--list", file)
    assert (result.exit_code, "line 2: 'Ann Artist' is no sha256" in result.stderr) == (2, True)
    file.write_text(f"{'a' * 64}\nauthor: Ann Artist\nhttps://x/y\n")
    wanted = Request(sha256=frozenset(["a" * 64]), authors=frozenset(["Ann Artist"]), urls=frozenset(["https://x/y"]))
    assert read_list(file) == wanted
    assert run("remove", tmp_path, "--sha256", "a" * 64).exit_code == 1  # no data set


@pytest.mark.parametrize("where", ["tombstones.parquet", "labels.parquet", "old-images", "manifest.parquet"])
def test_killed_it_is_the_old_set_or_one_that_the_same_command_finishes(
    where: str, raw: Path, data: Path, tmp_path: Path
) -> None:
    words = ["remove", data, "--sha256", sha256_file(raw / "five.png")]
    run_killed(where, tmp_path, *words)
    again = run(*words)
    assert again.exit_code == 0, again.stderr
    assert "five.png" not in {face.source_path for face in open_manifest(data).faces}
    assert verify(data, deep=True).findings == []
    assert not list(data.glob(".drfhq*"))
