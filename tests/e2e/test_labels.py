"""Labels from several sources in a built data set: predictions made once, settled anew at will, reviews applied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from given_pictures import arguments, run, write_face
from given_pictures import contents as files

import drfhq_tools.build.look
from drfhq_tools.build.look import Hands, Models
from drfhq_tools.build.refilter import refilter
from drfhq_tools.build.run import build, build_shard, merge_shards
from drfhq_tools.build.shards import Shard
from drfhq_tools.config import BuildConfig, config_from, parse_settings
from drfhq_tools.errors import UsageError
from drfhq_tools.labels.resnet34 import ResNet34
from drfhq_tools.manifest import open_manifest
from drfhq_tools.manifest.reader import read_labels, read_rejects
from drfhq_tools.manifest.reviews import FILE_NAME, Review, append_reviews, read_reviews
from drfhq_tools.manifest.tombstones import FILE_NAME as TOMBSTONES
from drfhq_tools.records import FaceRecord

Task = TypeVar("Task")
Result = TypeVar("Result")
ASKED = ("labelers=fairface",)
EVERYTHING = (*ASKED, "predict_race=true", "min_label_probability=0.2")
NOON = "2026-01-31T12:00:00Z"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FairFace's network with weights that say something else of each picture."""
    torch.manual_seed(1)
    state = ResNet34(18).state_dict()
    state["fc.weight"] = torch.randn(18, 512) * 3
    path: Path = tmp_path_factory.mktemp("network") / "net.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four faces: one declared with a race that has no class, one in two files; and two in one picture."""
    folder = tmp_path_factory.mktemp("labels") / "raw"
    words = ({"gender": "woman", "race": "AIAN", "race_vocabulary": "VALID"}, {}, {"age_years": 40}, {"race": "Elf"})
    for number, said in enumerate(words):
        write_face(folder / f"{number}.png", number, **said)
    for name in ("1.png", "1.json"):
        shutil.copy(folder / name, folder / f"again {name}")
    write_face(folder / "two.png", 7)
    said = json.loads((folder / "two.json").read_text())
    points = said["landmarks"]
    faces = [{"landmarks": points}, {"landmarks": [[x + 9, y] for x, y in points]}]
    (folder / "two.json").write_text(json.dumps({"faces": faces, "gender": "male"}))
    return folder


class Serial:
    """An engine in this process; counts its tasks, and stops at one."""

    def __init__(self, stop: int = -1) -> None:
        self.count, self.stop = 0, stop

    def __call__(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], workers: int, prepare: Callable[[], None], /
    ) -> Iterator[tuple[Task, Result | None]]:
        for task in tasks:
            if self.count == self.stop:
                raise KeyboardInterrupt
            self.count += 1
            yield task, function(task)


def hands(stop: int = -1) -> Hands:
    return Hands(workers=1, progress=lambda *_: None, engine=Serial(stop))


def asked(network: Path, *settings: str) -> tuple[BuildConfig, Models]:
    config = config_from({"size": 48, "detector": "precomputed"} | parse_settings(settings))
    return config, Models(labelers={"fairface": network} if config.labelers else {})


def built(raw: Path, out: Path, network: Path, *settings: str, stop: int = -1) -> int:
    """Build here; how many pictures were worked on."""
    config, models = asked(network, *settings)
    ours = hands(stop)
    build(raw, out, config, hands=ours, models=models)
    assert isinstance(ours.engine, Serial)
    return ours.engine.count


def merged(raw: Path, out: Path, network: Path) -> None:
    """Build in two shares."""
    config, models = asked(network, *EVERYTHING)
    for index in range(2):
        build_shard(raw, out, config, Shard(index=index, count=2), hands=hands(), models=models)
    merge_shards(out)


def contents(data: Path) -> dict[str, str]:
    return {name: sha256 for name, sha256 in files(data).items() if name not in {FILE_NAME, TOMBSTONES}}


def fresh(raw: Path, network: Path, data: Path, *settings: str) -> dict[str, str]:
    """What a build with these settings gives, and with the reviews of ``data``."""
    out = data.with_name(f"fresh {len(list(data.parent.iterdir()))}")
    if (data / FILE_NAME).exists():
        out.mkdir()
        shutil.copy(data / FILE_NAME, out)
    built(raw, out, network, *settings)
    return contents(out)


def by_path(data: Path) -> dict[str, FaceRecord]:
    return {f"{face.source_path} {face.face_index}": face for face in open_manifest(data).faces}


def decide(data: Path, face: FaceRecord, **said: object) -> None:
    append_reviews(data, Review(face_id=face.face_id, reviewer="Ann", reviewed_at=NOON, **said))  # type: ignore[arg-type]


def test_predictions_fill_what_nobody_declared(raw: Path, network: Path, tmp_path: Path) -> None:
    built(raw, tmp_path / "out", network, *EVERYTHING)
    faces = by_path(tmp_path / "out")
    aian, plain, two = faces["0.png 0"], faces["1.png 0"], faces["two.png 0"]
    assert (aian.gender, aian.gender_status, aian.gender_declared) == ("female", "declared", "woman")
    assert (aian.race, aian.race_status, aian.race_declared, aian.race_labeler) == (
        *(None, "unknown", "AIAN"),
        "declared",
    )
    assert (plain.race_status, plain.race_labeler, plain.race is None) == ("predicted", "fairface", False)
    assert (two.gender_status, two.gender_declared) == ("predicted", None)
    assert len({face.race_probability for face in faces.values()}) > 2
    labels = read_labels(tmp_path / "out")[aian.face_id]
    assert [(label.attribute, label.labeler) for label in labels] == [
        *(("gender", "declared"), ("gender", "fairface"), ("age_group", "fairface")),
        *(("race", "declared"), ("race", "fairface")),
    ]
    assert {len(label.weights_sha256 or "") for label in labels} == {0, 64}
    assert run("verify", tmp_path / "out", "--deep").exit_code == 0


def test_race_is_predicted_only_when_asked_for_and_elsewise_not_stored(
    raw: Path, network: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    built(raw, out, network, *ASKED)
    labels = [label for said in read_labels(out).values() for label in said]
    assert {label.attribute for label in labels if label.labeler == "fairface"} == {"gender", "age_group"}
    assert built(raw, out, network, *EVERYTHING) == 5
    assert contents(out) == fresh(raw, network, out, *EVERYTHING)
    assert built(raw, out, network, *ASKED) == 0
    assert contents(out) == fresh(raw, network, out, *ASKED)


def test_labelers_asked_later_take_the_crops_and_no_picture(
    raw: Path, network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    built(raw, out, network)
    bare, labelled = contents(out), fresh(raw, network, out, *EVERYTHING)
    monkeypatch.setattr(drfhq_tools.build.look, "read_picture", None)
    assert built(raw, out, network, *EVERYTHING) == 5
    assert contents(out) == labelled
    assert built(raw, out, network, *EVERYTHING) == 0
    assert built(raw, out, network) == 0
    assert contents(out) == bare


@pytest.mark.parametrize("stop", [0, 2, 4])
def test_a_build_that_was_cut_asks_nothing_again(raw: Path, network: Path, tmp_path: Path, stop: int) -> None:
    out = tmp_path / "out"
    expected = fresh(raw, network, out, *EVERYTHING)
    with pytest.raises(KeyboardInterrupt):
        built(raw, out, network, *EVERYTHING, stop=stop)
    assert built(raw, out, network, *EVERYTHING) == 5 - stop
    assert contents(out) == expected


def test_asking_that_was_cut_goes_on_where_it_was(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network)
    with pytest.raises(KeyboardInterrupt):
        built(raw, out, network, *EVERYTHING, stop=2)
    assert built(raw, out, network, *EVERYTHING) == 3
    assert contents(out) == fresh(raw, network, out, *EVERYTHING)


def test_workers_and_shards_leave_no_trace(raw: Path, network: Path, tmp_path: Path) -> None:
    out, two = tmp_path / "out", tmp_path / "two"
    expected = fresh(raw, network, out, *EVERYTHING)
    options = ("--labeler", "fairface", "--labeler-model", f"fairface={network}", "--predict-race")
    result = run(*arguments(raw, two), *options, "--set", "label_probability=0.2", "--workers", 2)
    assert result.exit_code == 0, result.stderr
    assert contents(two) == expected
    built(raw, out, network)  # shares of a set that was built without labelers take its crops along
    merged(raw, out, network)
    assert contents(out) == expected


def test_how_sure_a_labeler_must_be_is_settled_without_a_picture(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network, *EVERYTHING)
    guessed = sum(face.race_status == "predicted" for face in open_manifest(out).faces)
    for least in ("0.9", "0", "0.5", "0.2"):
        assert run("filter", out, "--set", f"min_label_probability={least}").exit_code == 0
        assert contents(out) == fresh(raw, network, out, *EVERYTHING, f"min_label_probability={least}")
        now = sum(face.race_status == "predicted" for face in open_manifest(out).faces)
        assert {"0.9": now < guessed, "0": now >= guessed}.get(least, True)
    for setting in ("labelers=faceapi", "predict_race=false"):
        result = run("filter", out, "--set", setting)
        assert (result.exit_code, "cannot change its" in result.stderr) == (2, True), result.stderr


def test_faces_gained_by_a_filter_are_labelled_by_the_same_weights(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network, *EVERYTHING)
    expected = contents(out)
    sharp = sorted({face.sharpness for face in open_manifest(out).faces})
    tight = f"min_sharpness={(sharp[1] + sharp[2]) / 2}"
    assert run("filter", out, "--set", tight).exit_code == 0
    assert contents(out) == fresh(raw, network, out, *EVERYTHING, tight)
    other = tmp_path / "other.pt"
    torch.save(ResNet34(18).state_dict(), other)
    with pytest.raises(UsageError, match="not the model file of fairface"):
        refilter(out, {"min_sharpness": 0.0}, raw=raw, hands=hands(), labeler_files={"fairface": other})
    refilter(out, {"min_sharpness": 0.0}, raw=raw, hands=hands(), labeler_files={"fairface": network})
    assert contents(out) == expected


def test_what_cannot_be_asked_is_told_before_any_work(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for options, code, words in (
        (("--labeler", "fairface"), 1, "no address"),
        (("--labeler-model", f"fairface={network}"), 2, "is not asked"),
        (("--labeler", "fairface", "--labeler-model", network), 2, "write NAME=FILE"),
        (("--labeler", "fairface", "--labeler", "fairface"), 2, "name each once"),
        (("--predict-race",), 2, "names none"),
        (("--labeler", "martian"), 2, "dlib-gender"),
        (
            ("--set", "labelers=fairface", "--set", "labeler_weights=00", "--labeler-model", f"fairface={network}"),
            2,
            "00",
        ),
    ):
        result = run(*arguments(raw, out), *options)
        assert (result.exit_code, words in result.stderr, "Traceback" in result.stderr) == (code, True, False), options
        assert not out.exists()


@pytest.mark.parametrize("by", ["build", "filter"])
def test_a_rejected_face_leaves_and_comes_back_with_a_build_once_the_verdict_is_taken_back(
    raw: Path, network: Path, tmp_path: Path, by: str
) -> None:
    out = tmp_path / "out"
    built(raw, out, network, *EVERYTHING)
    before, face = contents(out), by_path(out)["1.png 0"]
    decide(out, face, verdict="reject")
    decide(out, by_path(out)["0.png 0"], verdict="keep")
    if by == "build":
        assert built(raw, out, network, *EVERYTHING) == 0
    else:
        result = run("filter", out)
        assert (result.exit_code, "dropped by reviewed" in result.stdout) == (0, True)
    assert contents(out) == fresh(raw, network, out, *EVERYTHING)
    assert "1.png 0" not in by_path(out)
    rows = [row for row in read_rejects(out) if row.reason.value == "reviewed"]
    assert [(row.source_path, row.message) for row in rows] == [
        (path, f"rejected by Ann at {NOON}") for path in ("1.png", "again 1.png")
    ]
    assert run("verify", out, "--deep").exit_code == 0
    decide(out, face)
    assert run("filter", out).exit_code == 0
    assert "1.png 0" not in by_path(out)
    assert built(raw, out, network, *EVERYTHING) == 1
    assert contents(out) == before


def test_a_rejected_face_stays_out_under_any_rules(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network)
    face = by_path(out)["1.png 0"]
    tight = f"min_sharpness={face.sharpness + 0.001}"
    assert run("filter", out, "--set", tight).exit_code == 0
    decide(out, face, verdict="reject")
    for setting in (tight, "min_sharpness=0"):
        assert run("filter", out, "--set", setting, "--raw", raw, "--workers", 1).exit_code == 0
        assert contents(out) == fresh(raw, network, out, setting)
        assert "1.png 0" not in by_path(out)


def test_reviewed_labels_beat_all_others_and_are_undone(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network, *EVERYTHING)
    before, face = contents(out), by_path(out)["0.png 0"]
    decide(out, face, labels={"gender": "male", "race": "Indian", "age_group": None})
    assert run("filter", out).exit_code == 0
    settled = contents(out)
    assert settled == fresh(raw, network, out, *EVERYTHING)
    now = by_path(out)["0.png 0"]
    assert (now.gender, now.gender_status, now.gender_labeler, now.gender_declared) == (
        *("male", "reviewed", "review"),
        "woman",
    )
    assert (now.race, now.race_declared, now.race_probability) == ("Indian", "AIAN", None)
    assert (now.age_group, now.age_group_status, now.age_group_labeler) == (None, "unknown", "review")
    assert run("verify", out).exit_code == 0
    merged(raw, out, network)
    assert contents(out) == settled
    decide(out, face)
    assert built(raw, out, network, *EVERYTHING) == 0
    assert contents(out) == before


def test_a_reviewed_label_that_no_review_backs_is_found(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network)
    face, other = by_path(out)["0.png 0"], by_path(out)["1.png 0"]
    decide(out, face, labels={"gender": "male"})
    assert run("filter", out).exit_code == 0
    decide(out, other, labels={"gender": "male"})  # not applied yet, which is no fault
    assert run("verify", out).exit_code == 0
    lines = (out / FILE_NAME).read_bytes().splitlines(keepends=True)
    (out / FILE_NAME).write_bytes(lines[1])
    result = run("verify", out)
    assert (result.exit_code, "no line of reviews.jsonl" in " ".join(result.stdout.split())) == (1, True)
    (out / FILE_NAME).unlink()  # as it is left out of what is published
    assert run("verify", out).exit_code == 0


def test_who_a_reviewer_takes_for_a_minor_is_none_of_a_mature_picture(raw: Path, network: Path, tmp_path: Path) -> None:
    pictures, out, mature = tmp_path / "raw", tmp_path / "out", "keep_mature=true"
    shutil.copytree(raw, pictures)
    said = json.loads((pictures / "2.json").read_text())
    (pictures / "2.json").write_text(json.dumps(said | {"content_rating": "mature"}))
    built(pictures, out, network, mature)
    face = by_path(out)["2.png 0"]
    assert face.minor is False
    decide(out, face, labels={"age_group": "10-19"})
    assert "dropped by mature 1" in " ".join(run("filter", out).stdout.split())
    assert contents(out) == fresh(pictures, network, out, mature)
    assert "2.png 0" not in by_path(out)


def test_what_is_removed_leaves_no_review(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network)
    gone, stays = by_path(out)["1.png 0"], by_path(out)["two.png 1"]
    for face in (gone, stays):
        decide(out, face, labels={"gender": "male"})
    assert run("remove", out, "--sha256", gone.source_sha256).exit_code == 0
    assert set(read_reviews(out)) == {stays.face_id}
    assert run("verify", out).exit_code == 0


def test_a_damaged_journal_stops_the_build_and_is_found_by_verify(raw: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(raw, out, network)
    before = contents(out)
    (out / FILE_NAME).write_text("{}\n{}\n")
    for command in ((*arguments(raw, out),), ("filter", out)):
        result = run(*command)
        assert (result.exit_code, "line 1 is no review" in result.stderr) == (1, True), result.stderr
    assert contents(out) == before
    assert run("verify", out).exit_code == 1
