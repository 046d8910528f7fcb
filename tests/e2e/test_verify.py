"""`drfhq verify`: a whole data set is clean, a tampered one is found out and the trouble named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from raw_pictures import write_mixture

from drfhq_tools.cli import main
from drfhq_tools.hashing import face_id, sha256_bytes
from drfhq_tools.imageio import encode_png
from drfhq_tools.manifest.tombstones import Tombstone, append_tombstones
from drfhq_tools.verify import CHECKS, verify
from drfhq_tools.verify.findings import KEPT_PER_CHECK

TINY = Path(__file__).parents[2] / "manifests" / "examples" / "tiny"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several faces in one picture, people, copies, labels, rejects of a file and of faces; not to be changed."""
    root = tmp_path_factory.mktemp("verify")
    raw = root / "raw"
    write_mixture(raw)
    (raw / "empty.png").write_bytes(b"")
    (raw / "labels.csv").write_text(
        "file,gender,race,race_vocabulary,age_years,subject_id,author,source_url,content_rating\n"
        "best.png,female,White,FairFace,53,collins,NASA,https://example.org/3,general\n"
        "mirror.png,woman,Asian,VALID,,collins,NASA,https://example.org/7,\n"
    )
    options = ("--size", "64", "--workers", "1", "--set", "duplicates=keep-best", "--max-pad-fraction", "0.2")
    run("build", "--raw", raw, "--out", root / "data", *options)
    return root / "data"


@pytest.fixture
def data(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "data"))


def change(table: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    """Rewrite a table with its rows edited."""
    old = pq.read_table(table)
    rows = old.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=old.schema), table)


def set_cell(name: str, value: object, table: str = "manifest", row: int = 0) -> Callable[[Path], None]:
    return lambda data: change(data / f"{table}.parquet", lambda rows: rows[row].update({name: value}))


def set_build(*keys: str, value: object) -> Callable[[Path], None]:
    def edit(data: Path) -> None:
        document = json.loads((data / "build.json").read_text())
        inner = document
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        (data / "build.json").write_text(json.dumps(document))

    return edit


def crop(data: Path, number: int = 0) -> Path:
    return data / "images" / "00000" / f"{number:05d}.png"


def repaint(data: Path) -> None:
    """Another picture in a crop's place, its new hash in the row: only its pixels tell."""
    png = encode_png(np.full((64, 64, 3), 90, dtype=np.uint8))
    crop(data).write_bytes(png)
    set_cell("image_sha256", sha256_bytes(png))(data)


def straddle(data: Path) -> None:
    def edit(rows: list[dict[str, Any]]) -> None:
        one = next(row for row in rows if row["subject_id"])
        one["split"] = "test" if one["split"] != "test" else "val"

    change(data / "manifest.parquet", edit)


def bury(data: Path) -> None:
    sha256 = pq.read_table(data / "manifest.parquet")["source_sha256"][0].as_py()
    append_tombstones(data / "tombstones.parquet", [Tombstone(sha256=sha256)])


def reject_again(data: Path) -> None:
    """A kept face among the rejects as well."""

    def edit(rows: list[dict[str, Any]]) -> None:
        face = pq.read_table(data / "manifest.parquet").to_pylist()[0]
        row = next(row for row in rows if row["face_index"] is not None)
        row.update({name: face[name] for name in ("face_index", "source_sha256")})

    change(data / "rejects.parquet", edit)


def rename_face(data: Path) -> None:
    set_cell("face_id", face_id("0" * 64, 9))(data)


def drop_column(data: Path) -> None:
    path = data / "manifest.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["license"]), path)


def retype_column(data: Path) -> None:
    path = data / "labels.parquet"
    table = pq.read_table(path)
    index = table.column_names.index("attribute")
    pq.write_table(table.set_column(index, "attribute", table["attribute"].cast(pa.large_string())), path)


def null_out(data: Path) -> None:
    path = data / "manifest.parquet"
    table = pq.read_table(path)
    index = table.column_names.index("detector")
    pq.write_table(table.set_column(index, "detector", pa.nulls(len(table), pa.string())), path)


TAMPERED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a column is missing": ("tables", drop_column),
    "a column of another type": ("tables", retype_column),
    "a null where none may be": ("tables", null_out),
    "a table cut short": ("tables", lambda data: (data / "rejects.parquet").write_bytes(b"PAR1")),
    "a table gone": ("tables", lambda data: (data / "labels.parquet").unlink()),
    "rows of another schema": ("versions", set_cell("schema_version", "9")),
    "crops of two sizes": ("versions", set_cell("size_px", 128)),
    "a run cut": ("commit", lambda data: (data / ".drfhq-staging").mkdir()),
    "a crop gone": ("images", lambda data: crop(data).unlink()),
    "a crop truncated": ("images", lambda data: crop(data).write_bytes(crop(data).read_bytes()[:-20])),
    "a crop of another size": ("images", lambda data: Image.new("RGB", (65, 64)).save(crop(data))),
    "a text for a crop": ("images", lambda data: crop(data).write_text("no picture")),
    "a grey crop": ("images", lambda data: Image.new("L", (64, 64)).save(crop(data))),
    "a file nobody named": ("images", lambda data: (data / "images" / "00000" / "99999.png").write_bytes(b"x")),
    "a path that leads out": ("images", set_cell("image_path", "../../../etc/passwd")),
    "rows in another order": ("images", lambda data: change(data / "manifest.parquet", list.reverse)),
    "a face renamed": ("names", rename_face),
    "a row twice": ("names", lambda data: change(data / "manifest.parquet", lambda rows: rows.append(dict(rows[0])))),
    "a hash that is none": ("names", set_cell("image_sha256", "SHA")),
    "a raw path that leads out": ("names", set_cell("source_paths", ["../secret.png"])),
    "a word of no vocabulary": ("vocabulary", set_cell("gender", "elf")),
    "a status of no vocabulary": ("vocabulary", set_cell("race_status", "guessed")),
    "a label of no vocabulary": ("vocabulary", set_cell("value", "elf", "labels")),
    "a split of no vocabulary": ("vocabulary", set_cell("split", "dev")),
    "landmarks moved": (
        "geometry",
        lambda data: change(
            data / "manifest.parquet",
            lambda rows: rows[0].update(landmarks=[x + (i % 7) for i, x in enumerate(rows[0]["landmarks"])]),
        ),
    ),
    "another native side": ("geometry", set_cell("native_side_px", 70.0)),
    "another padding": ("geometry", set_cell("pad_fraction", 0.09)),
    "a measure that is no number": ("ranges", set_cell("sharpness", float("nan"))),
    "a share above one": ("ranges", set_cell("brightness", 1.5)),
    "a face beyond the last": ("ranges", set_cell("face_index", 7)),
    "landmarks short of one": ("ranges", set_cell("landmarks", [1.0, 2.0])),
    "a face that fails a rule": ("rules", set_build("settings", "max_yaw_deg", value=0.001)),
    "a winner nobody said": ("labels", lambda data: change(data / "labels.parquet", list.clear)),
    "a label of nobody": ("labels", set_cell("face_id", "0" * 32, "labels")),
    "a person in two splits": ("splits", straddle),
    "a reason of no list": ("rejects", set_cell("reason", "dislike", "rejects")),
    "a face kept and rejected": ("rejects", reject_again),
    "counts that are not": ("build.json", set_build("counts", "faces", value=3)),
    "settings of another digest": ("build.json", set_build("settings", "near_radius", value=3)),
    "no settings": ("build.json", lambda data: (data / "build.json").write_text("{")),
    "what was taken out": ("removed", bury),
    "tombstones that are none": ("removed", lambda data: (data / "tombstones.parquet").write_text("RIP")),
    "a rating that is not wanted": ("ratings", set_cell("content_rating", "NSFW")),
    "a minor not said to be": ("ratings", set_cell("age_years", 9.0)),
}
DEEPLY: dict[str, tuple[str, Callable[[Path], object]]] = {
    "another picture": ("pixels", repaint),
    "a bit flipped": ("pixels", lambda data: flip(crop(data))),
    "a copy in a group of its own": ("duplicates", set_cell("duplicate_group", "f" * 32)),
}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


@pytest.mark.parametrize("options", [(), ("--deep",)])
def test_untouched_sets_are_clean(built: Path, options: tuple[str, ...]) -> None:
    for data in (TINY, built):
        result = run("verify", data, *options)
        assert result.exit_code == 0, result.stdout
        assert "nothing found" in result.stdout


def test_the_set_has_what_is_to_be_tampered_with(built: Path) -> None:
    reasons = {row["reason"] for row in pq.read_table(built / "rejects.parquet").to_pylist()}
    assert reasons == {"too_much_padding", "no_face", "empty_file", "duplicate"}
    assert {row["attribute"] for row in pq.read_table(built / "labels.parquet").to_pylist()} >= {"gender", "race"}
    assert {check for check, _ in (TAMPERED | DEEPLY).values()} == set(CHECKS)


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_tampered_with_is_found_at_a_glance(what: str, data: Path) -> None:
    check, tamper = TAMPERED[what]
    tamper(data)
    report = verify(data)
    assert report.counts[check], (report.counts, report.findings)
    assert not report.clean


@pytest.mark.parametrize("what", DEEPLY)
def test_what_only_a_deep_look_finds(what: str, data: Path) -> None:
    check, tamper = DEEPLY[what]
    tamper(data)
    assert verify(data).clean
    assert set(verify(data, deep=True).counts) == {check}


def test_findings_say_what_where_and_what_to_do(data: Path) -> None:
    crop(data, 1).unlink()
    result = run("verify", data)
    assert (result.exit_code, "images: images/00000/00001.png: is missing" in result.stdout) == (1, True)
    result = run("verify", data, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["clean"], document["checks"]["images"]) == (1, False, 1)
    (finding,) = document["findings"]
    assert finding["advice"].startswith("bring the file back")


def test_much_that_is_wrong_is_counted_and_not_all_of_it_held(data: Path) -> None:
    for number in range(KEPT_PER_CHECK + 20):
        (data / "images" / f"stray {number}").write_bytes(b"")
    report = verify(data)
    assert (report.counts["images"], len(report.findings)) == (KEPT_PER_CHECK + 20, KEPT_PER_CHECK)
    assert "and 20 more" in run("verify", data).stdout


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    result = run("verify", tmp_path)
    assert (result.exit_code, "not a finished data set" in result.stderr) == (1, True)
