"""The ledger: what was written comes back, what is damaged or of another kind does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import drfhq_tools.build.ledger
from drfhq_tools.build.ledger import Ledger, Looked, Seen, looked_of, open_ledger, shows_given, with_whole_crops
from drfhq_tools.config import BuildConfig
from drfhq_tools.errors import UsageError
from drfhq_tools.hashing import face_id, sha256_bytes
from drfhq_tools.records import FaceRecord, GivenFace, Reject, RejectReason

CONFIG = BuildConfig(size=64)

Row = Callable[..., FaceRecord]


def seen(row: FaceRecord, **changes: object) -> Seen:
    one = Seen(face_index=row.face_index, found=row.found, measures=row.measures, image_sha256=row.image_sha256)
    return replace(one, **changes)  # type: ignore[arg-type]


def test_what_was_written_comes_back(face: Row, tmp_path: Path) -> None:
    row = face(yaw_deg=0.1 + 0.2, quad_repeatability=1e-300, eyes_open=None)
    looked = Looked(sha256="s0", faces=(seen(row, embedding=(0.1, -2.5)), seen(row, image_sha256=None)), width_px=7)
    ledger = Ledger(tmp_path)
    ledger.write(looked)
    assert ledger.read("s0") == looked
    assert ledger.read("s1") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": "s0"}', '{"sha256": "s0", "faces": [{}]}'])
def test_half_an_entry_is_none(text: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write(Looked(sha256="s0"))
    (path,) = tmp_path.glob("seen/*/*")
    path.write_text(text)
    assert ledger.read("s0") is None


def test_only_what_decides_pixels_is_asked_of_work_to_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger(tmp_path, CONFIG).write(Looked(sha256="s0"))
    for config in (CONFIG, replace(CONFIG, max_yaw_deg=3.0, near_radius=0, split_seed=9)):
        assert open_ledger(tmp_path, config).read("s0") == Looked(sha256="s0")
    with pytest.raises(UsageError, match=r"unfinished work of other settings \(size 64, not 128\)"):
        open_ledger(tmp_path, replace(CONFIG, size=128))
    assert open_ledger(tmp_path, CONFIG).read("s0")
    assert open_ledger(tmp_path, replace(CONFIG, max_megapixels=1.0)).read("s0") is None
    open_ledger(tmp_path, CONFIG).write(Looked(sha256="s0"))
    monkeypatch.setattr(drfhq_tools.build.ledger, "__version__", "another")
    assert open_ledger(tmp_path, CONFIG).read("s0") is None


def test_a_data_set_is_a_ledger(face: Row) -> None:
    one = face(num_faces=2, face_index=1)
    other = Reject(
        source_path="a.png",
        reason=RejectReason.BLURRED,
        message="",
        face_index=0,
        found=one.found,
        measures=replace(one.measures, sharpness=0.25),
    )
    nobody = Reject(source_path="b.png", reason=RejectReason.NO_FACE, message="", source_sha256="s1")
    failed = Reject(source_path="c.png", reason=RejectReason.CORRUPT, message="", source_sha256="s2")
    part = face(source_sha256="s3", num_faces=2)
    looked = looked_of([one, part], [other, replace(other, source_path="copy.png"), nobody, failed], {})
    assert set(looked) == {"s0", "s1"}
    assert looked["s1"].faces == ()
    assert [(face.face_index, face.image_sha256) for face in looked["s0"].faces] == [(0, None), (1, "i0")]
    assert looked["s0"].faces[0].measures.sharpness == 0.25
    assert (looked["s0"].width_px, looked["s0"].faces[1].face_id) == (100, face_id("s0", 1))


def test_crops_that_are_missing_or_damaged_are_to_be_cut_anew(face: Row, tmp_path: Path) -> None:
    one = seen(face(), image_sha256=sha256_bytes(b"crop"), embedding=(1.0,))
    looked = Looked(sha256="s0", faces=(one,))
    path = tmp_path / "crop.png"
    lost = replace(looked, faces=(replace(one, image_sha256=None, embedding=None),))
    assert with_whole_crops(looked, lambda _: path) == lost
    path.write_bytes(b"crap")
    assert with_whole_crops(looked, lambda _: path) == lost
    path.write_bytes(b"crop")
    assert with_whole_crops(looked, lambda _: path) == looked


def test_given_faces_are_held_against_those_seen(face: Row) -> None:
    looked = Looked(sha256="s0", faces=(seen(face(landmarks=(1.0, 5.0, 3.0, 2.0), box=(1.0, 2.0, 3.0, 5.0))),))
    assert shows_given(looked, [GivenFace(landmarks=(1.0, 5.0, 3.0, 2.0))])
    assert shows_given(looked, [GivenFace(landmarks=(1.0, 5.0, 3.0, 2.0), box=(1.0, 2.0, 3.0, 5.0))])
    assert not shows_given(looked, [GivenFace(landmarks=(1.0, 5.0, 3.0, 2.0), box=(0.0, 2.0, 3.0, 5.0))])
    assert not shows_given(looked, [GivenFace(landmarks=(1.0, 5.0, 3.5, 2.0))])
    assert not shows_given(looked, [])
    assert shows_given(Looked(sha256="s1"), [])
