"""Re-cutting sets made of rows alone: what is counted, what is kept as it was, and what is refused."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from drfhq_tools.build.assemble import Gathered, commit, finish_interrupted, stage, staging_in
from drfhq_tools.build.look import Hands
from drfhq_tools.build.refilter import Recut, refilter
from drfhq_tools.config import BuildConfig
from drfhq_tools.errors import DrfhqError, ManifestError, UsageError
from drfhq_tools.filters import judge, reject_for
from drfhq_tools.hashing import sha256_bytes
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.reader import read_labels, read_rejects
from drfhq_tools.records import FaceRecord, LabelScores, Reject, RejectReason

CONFIG = BuildConfig(size=64, min_native_ratio=0, max_yaw_deg=30)
NO_FACE = Reject(source_path="b.png", reason=RejectReason.NO_FACE, message="no face found")

Row = Callable[..., FaceRecord]


def named(face: Row, number: int, yaw: float) -> FaceRecord:
    name = f"{number}.png"
    crop = f"crop {number}".encode()
    return face(
        face_id=f"f{number}",
        source_path=name,
        source_paths=(name,),
        source_sha256=f"s{number}",
        image_sha256=sha256_bytes(crop),
        yaw_deg=yaw,
        pixels_digest=CONFIG.pixels_digest,
        rules_digest=CONFIG.rules_digest,
    )


@pytest.fixture
def data(face: Row, tmp_path: Path) -> Path:
    """Faces turned by 0, 10, 20; two turned by 40 left out, one of them in two files; a picture without a face."""
    out = tmp_path / "data"
    kept = [named(face, number, 10.0 * number) for number in range(3)]
    turned = [named(face, 3, -40.0), replace(named(face, 4, 40.0), source_paths=("4.png", "copy.png"))]
    rejects = [NO_FACE]
    for one in turned:
        reject = reject_for(judge(one.measures, CONFIG), one.source_path, one.face_index, one.measures)
        assert reject is not None
        rejects += [replace(reject, source_path=path, found=one.found) for path in one.source_paths]
    label = LabelScores(attribute="race", value=None, status="unknown", labeler="declared", declared="elf")
    with staging_in(out) as staging:
        crops = {one.face_id: staging / one.face_id for one in kept}
        for number, path in enumerate(crops.values()):
            path.write_bytes(f"crop {number}".encode())
        labels = {"f0": (label,), "f2": (label, replace(label, attribute="gender"))}
        stage(staging, Gathered(pictures=6, faces=kept, crops=crops, labels=labels, rejects=rejects), CONFIG)
    commit(out)
    return out


def recut(data: Path, dry_run: bool = False, **changes: object) -> Recut:
    return refilter(data, changes, raw=None, hands=Hands(workers=1, progress=lambda *_: None), dry_run=dry_run)


def test_faces_leave_with_all_that_is_known_of_them(data: Path) -> None:
    before = {face.source_path: face for face in open_manifest(data).faces}
    assert recut(data, max_yaw_deg=15) == Recut(kept=2, dropped={"max_yaw_deg": 1}, gained={})
    manifest = open_manifest(data)
    assert [(data / face.image_path).read_bytes() for face in manifest.faces] == [b"crop 0", b"crop 1"]
    assert {face.rules_digest for face in manifest.faces} == {replace(CONFIG, max_yaw_deg=15).rules_digest}
    rejects = {reject.source_path: reject for reject in read_rejects(data)}
    assert (rejects["2.png"].found, rejects["2.png"].measures) == (before["2.png"].found, before["2.png"].measures)
    assert {reject.threshold for reject in rejects.values() if reject.rule} == {15}
    assert rejects["b.png"] == NO_FACE
    assert [label.declared for label in read_labels(data)["f0"]] == ["elf"]
    assert set(read_labels(data)) == {"f0"}
    document = json.loads((data / "build.json").read_text())
    assert (document["settings"]["max_yaw_deg"], document["counts"]["pictures"]) == (15, 6)
    assert (document["counts"]["faces"], document["counts"]["unmapped_words"]) == (2, 1)


def test_identical_files_give_a_face_once(data: Path) -> None:
    assert recut(data, dry_run=True, max_yaw_deg=50) == Recut(kept=3, dropped={}, gained={"max_yaw_deg": 2})
    with pytest.raises(UsageError, match="2 faces would be gained"):
        recut(data, max_yaw_deg=50)


def test_a_face_another_rule_keeps_out_is_not_gained(data: Path) -> None:
    assert recut(data, max_yaw_deg=50, min_sharpness=2).gained == {}
    assert {reject.rule for reject in read_rejects(data)} == {None, "min_sharpness"}
    assert open_manifest(data).faces == []
    assert open_manifest(data).size_px == 64


def test_splits_are_dealt_anew_without_touching_a_face(data: Path) -> None:
    assert recut(data, val_fraction=0.9, test_fraction=0) == Recut(kept=3, dropped={}, gained={})
    assert {face.split for face in open_manifest(data).faces} == {"val"}


def test_crops_are_copied_where_the_disk_knows_no_links(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    recut(data, max_yaw_deg=15)
    assert [(data / face.image_path).read_bytes() for face in open_manifest(data).faces] == [b"crop 0", b"crop 1"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"settings": {"size": 64, "mood": 3}}'])
def test_a_damaged_build_json_is_named(data: Path, text: str) -> None:
    (data / "build.json").write_text(text)
    with pytest.raises(ManifestError, match=r"build\.json"):
        recut(data)


def test_crops_of_another_version_are_not_mixed_with_ours(data: Path) -> None:
    document = json.loads((data / "build.json").read_text())
    (data / "build.json").write_text(json.dumps(document | {"pixels_digest": "other"}))
    with pytest.raises(ManifestError, match="cuts other crops"):
        recut(data, max_yaw_deg=15)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with staging_in(tmp_path) as staging:
            assert staging.is_dir()
            raise OSError(errno.ENOSPC, "No space left")

    with pytest.raises(DrfhqError, match="No space left; free some"):
        fill()
    assert not list(tmp_path.iterdir())


def test_only_a_staged_manifest_with_none_in_place_is_a_commit_to_finish(data: Path) -> None:
    before = (data / "manifest.parquet").read_bytes()
    staged = data / ".drfhq-staging" / "new" / "manifest.parquet"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"of a run that was cut before its commit")
    finish_interrupted(data)
    assert (data / "manifest.parquet").read_bytes() == before
    (data / "manifest.parquet").replace(staged)
    finish_interrupted(data)
    assert (data / "manifest.parquet").read_bytes() == before
    assert len(list((data / "images").rglob("*.png"))) == 3
    assert not (data / ".drfhq-staging").exists()
