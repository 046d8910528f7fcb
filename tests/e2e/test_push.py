"""`drfhq push`: the official client against a Hub on the loopback that counts, checks every hash, and misbehaves."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from faces_made import TINY, make_faces
from hub_server import SIGNATURE, TOKEN, Hub, Trouble, git_oid, serving
from loaded_rows import load, needs_datasets

from drfhq_tools.cli import main
from drfhq_tools.export import Exported
from drfhq_tools.hashing import sha256_file
from drfhq_tools.manifest import open_manifest
from drfhq_tools.publish import PushCutError, Request, Sent, planned, send
from drfhq_tools.removal.remove import Request as Removal
from drfhq_tools.removal.remove import remove
from drfhq_tools.verify import verify

constants = pytest.importorskip("huggingface_hub.constants", reason="pip install '.[hub]'")

# the client sends files in a way its own library advises against
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "user/DRFHQ"
AT = "2026-01-02T03:04:05+00:00"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub that this process's client takes for the real one; waits between tries are a fiftieth of what they are."""
    sleep = time.sleep
    with serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds / 50))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twenty faces of 12 kB each, 14 of them to train on."""
    make_faces(tmp_path / "data", 20)
    return tmp_path / "data"


def push(data: Path, **options: Any) -> Sent:
    """With shards of three faces: seven in all."""
    options.setdefault("shard_bytes", 40_000)
    at = options.pop("at", AT)
    request = Request(data=data, repo=REPO, timeout_s=options.pop("timeout_s", 10.0), **options)
    with planned(request, progress=lambda *_: None) as (plan, repository):
        assert repository is not None
        return send(plan, repository, pushed_at=at)


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert TOKEN not in result.output
    return result


def shards_there(hub: Hub) -> dict[str, str | None]:
    files = hub.repos[REPO].at("main")
    assert files is not None
    return {path: entry.lfs for path, entry in files.items() if path.startswith("data/")}


def as_listed(sent: Sent) -> dict[str, str]:
    return {shard.path: shard.sha256 for shard in sent.release.shards}


def test_first_push_brings_every_shard_once_into_a_private_repository(hub: Hub, data: Path) -> None:
    sent = push(data)
    assert sent.committed
    assert len(as_listed(sent)) == 7
    assert shards_there(hub) == as_listed(sent)
    assert hub.repos[REPO].private
    assert sorted(hub.put_objects) == sorted(as_listed(sent).values())
    assert hub.put_bytes == sum(shard.size_bytes for shard in sent.release.shards)
    assert sent.release.revision == hub.repos[REPO].head
    assert hub.requests["POST commit"] == 1


def test_second_push_sends_nothing(hub: Hub, data: Path) -> None:
    first = push(data)
    before, bytes_before = dict(hub.requests), hub.put_bytes
    again = push(data, at="2026-02-02T00:00:00+00:00")
    asked = {name: count - before.get(name, 0) for name, count in hub.requests.items()}
    assert {name for name, count in asked.items() if count} == {"GET info", "GET tree"}
    assert hub.put_bytes == bytes_before
    assert (again.committed, again.release, again.record) == (False, first.release, first.record)
    assert [path.name for path in (data / "releases").iterdir()] == ["1.json"]


def test_record_says_what_was_pushed(hub: Hub, data: Path) -> None:
    sent = push(data, version="1.0", card=b"# Faces\n")
    document = json.loads((data / "releases" / "1.0.json").read_text())
    assert document["repo"] == REPO
    assert document["revision"] == hub.repos[REPO].head
    assert document["pushed_at"] == AT
    assert document["manifest_sha256"] == sha256_file(data / "manifest.parquet")
    assert document["faces"] == 20
    assert document["splits"] == {"train": 14, "val": 3, "test": 3}
    assert document["rights"] == {"licenses": {"CC0-1.0": 20}, "rights_bases": {"none": 20}, "unlicensed": 0}
    assert document["removed"] is None
    assert {shard["path"]: shard["sha256"] for shard in document["shards"]} == shards_there(hub)
    assert sent.record == data / "releases" / "1.0.json"


def test_a_version_is_taken_once(hub: Hub, data: Path) -> None:
    push(data, version="1.0")
    assert not push(data, version="1.0").committed
    assert push(data, version="1.1").record.name == "1.1.json"
    make_faces(data, 19)
    count = sum(hub.requests.values())
    for version, words in (("1.0", "choose another"), ("../1", "cannot be a version"), ("con fusion", "cannot be")):
        result = run("push", data, "--repo", REPO, "--version", version)
        assert (result.exit_code, words in result.stderr) == (2, True)
    assert not [name for name in hub.requests if name.startswith("PUT")] or hub.requests["POST commit"] == 1
    assert sum(hub.requests.values()) - count <= 4 + 12  # it only looked


def test_added_faces_send_what_is_new_and_take_out_what_is_old(hub: Hub, data: Path) -> None:
    first = as_listed(push(data))
    hub.put_objects.clear()
    make_faces(data, 29)
    second = as_listed(push(data))
    assert shards_there(hub) == second
    kept = set(first.values()) & set(second.values())
    assert len(kept) == 6  # full ones: their names change, their content does not
    assert sorted(hub.put_objects) == sorted(set(second.values()) - kept)
    assert not {path for path in first if "train" in path} & set(second)


def tiny(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))


def test_removed_pictures_leave_the_repository_and_the_release_says_so(hub: Hub, tmp_path: Path) -> None:
    data = tiny(tmp_path)
    old = push(data, shard_bytes=1)
    gone = open_manifest(data).faces[0]
    remove(data, Removal(sha256=frozenset([gone.source_sha256])), removed_at=AT)
    new = push(data, shard_bytes=1, at="2026-02-02T00:00:00+00:00")
    assert new.release.removed is not None
    assert (new.release.removed.version, new.release.removed.faces) == ("1", (gone.face_id,))
    assert new.release.removed.taken_out == 1
    assert shards_there(hub) == as_listed(new)
    assert gone.image_sha256 not in {str(name) for name in shards_there(hub).values()}
    assert set(as_listed(old).values()) <= set(hub.repos[REPO].objects)  # its history still has them
    assert verify(data, deep=True).clean


def test_purging_leaves_nothing_of_what_was_before(hub: Hub, tmp_path: Path) -> None:
    data = tiny(tmp_path)
    push(data, card=b"# Faces\n")
    gone = open_manifest(data).faces[0]
    remove(data, Removal(sha256=frozenset([gone.source_sha256])), removed_at=AT)
    new = push(data, purge_history=True, at="2026-02-02T00:00:00+00:00")
    repo = hub.repos[REPO]
    assert set(repo.objects) == set(as_listed(new).values())
    assert len(repo.commits) == 1
    assert new.release.revision == repo.head
    assert new.release.history_purged
    assert repo.commits[0][1]["README.md"].content == b"# Faces\n"
    crop = (TINY / gone.image_path).read_bytes()
    assert not [content for content in repo.objects.values() if crop in content]


def test_command_tells_that_history_still_has_what_was_removed(hub: Hub, tmp_path: Path) -> None:
    data = tiny(tmp_path)
    run("push", data, "--repo", REPO)
    remove(data, Removal(sha256=frozenset([open_manifest(data).faces[0].source_sha256])), removed_at=AT)
    result = run("push", data, "--repo", REPO)
    assert "1 faces of release 1 are no longer in it, 1 of them taken out" in result.stderr
    assert "--purge-history" in result.stderr


# What must not be published


@pytest.mark.parametrize("public", [False, True])
def test_mature_pictures_are_never_pushed(hub: Hub, tmp_path: Path, public: bool) -> None:
    make_faces(tmp_path / "data", 5, content_rating="Mature")
    result = run("push", tmp_path / "data", "--repo", REPO, "--allow-unlicensed", *(["--public"] if public else []))
    assert result.exit_code == 1
    assert "5 of 5 faces (00000.png, 00001.png, 00002.png, …) are of pictures rated mature" in result.stderr
    assert not hub.requests


def test_faces_without_licence_or_rights_basis_need_a_word(hub: Hub, tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 2, license=" ")
    result = run("push", tmp_path / "data", "--repo", REPO)
    assert result.exit_code == 1
    assert "2 of 2 faces (00000.png, 00001.png) are of pictures with neither license nor rights_basis" in result.stderr
    assert not hub.requests
    result = run("push", tmp_path / "data", "--repo", REPO, "--allow-unlicensed")
    assert result.exit_code == 0
    assert "2 faces have neither licence nor rights basis" in result.stderr
    assert json.loads((tmp_path / "data" / "releases" / "1.json").read_text())["rights"]["unlicensed"] == 2


def test_a_rights_basis_stands_for_a_licence(hub: Hub, tmp_path: Path) -> None:
    make_faces(tmp_path / "data", 2, license=None, rights_basis="the artist's written consent")
    assert push(tmp_path / "data").release.rights.rights_bases == {"the artist's written consent": 2}


def test_a_damaged_crop_stops_the_push_by_name(hub: Hub, data: Path) -> None:
    (data / "images" / "00000" / "00007.png").write_bytes(b"no picture")
    result = run("push", data, "--repo", REPO)
    assert result.exit_code == 1
    assert "00007.png" in result.stderr
    assert not hub.repos


def test_public_is_said_not_assumed(hub: Hub, data: Path) -> None:
    push(data)
    make_faces(data, 19)
    assert push(data, public=True).release.public
    assert not hub.repos[REPO].private
    commits = hub.requests["POST commit"]
    result = run("push", data, "--repo", REPO)
    assert (result.exit_code, "is public: give --public" in result.stderr) == (1, True)
    assert hub.requests["POST commit"] == commits


def test_a_new_public_repository_is_seen_only_once_it_is_whole(hub: Hub, data: Path) -> None:
    hub.troubles = [Trouble("POST .*/commit/", 400, times=99)]
    with pytest.raises(PushCutError, match="400"):
        push(data, public=True)
    assert hub.repos[REPO].private
    hub.troubles.clear()
    push(data, public=True)
    assert not hub.repos[REPO].private


# The command


def test_dry_run_lists_what_would_be_sent_and_sends_nothing(hub: Hub, data: Path) -> None:
    result = run("push", data, "--repo", REPO, "--dry-run")
    assert result.exit_code == 0
    assert set(hub.requests) == {"GET info"}
    assert "user/DRFHQ (private, new): 20 faces in 3 shards" in result.stdout
    assert "send data/train-00000-of-00001.parquet 2" in result.stdout
    assert not hub.repos
    assert not (data / "releases").exists()
    run("push", data, "--repo", REPO)
    make_faces(data, 20, first=1)
    before = hub.put_bytes
    document = json.loads(run("push", data, "--repo", REPO, "--dry-run", "--json").stdout)
    assert len(document["missing"]) == 3
    assert (document["pushed"], document["committed"], hub.put_bytes) == (False, False, before)


def test_dry_run_needs_no_token_and_a_push_does(hub: Hub, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(data / "none"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(data / "none"))
    result = run("push", data, "--repo", REPO, "--dry-run")
    assert (result.exit_code, "not asked, there is no token" in result.stdout) == (0, True)
    result = run("push", data, "--repo", REPO)
    assert (result.exit_code, "hf auth login" in result.stderr) == (2, True)
    assert not hub.requests


def test_a_wrong_token_is_told_and_not_named(hub: Hub, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrongButSecret")
    result = run("push", data, "--repo", REPO)
    assert (result.exit_code, "does not know the token" in result.stderr) == (1, True)
    assert "hf_wrongButSecret" not in result.output


@pytest.mark.parametrize("name", ["DRFHQ", "user/a/b", "user/", "us er/x", "https://example.org/user/x"])
def test_a_name_that_is_none_is_refused(hub: Hub, data: Path, name: str) -> None:
    result = run("push", data, "--repo", name)
    assert (result.exit_code, "user/DRFHQ" in result.stderr) == (2, True)
    assert not hub.requests


def test_the_card_is_sent_when_it_changes(hub: Hub, data: Path) -> None:
    (data / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Faces\n")
    run("push", data, "--repo", REPO)
    files = hub.repos[REPO].at("main")
    assert files is not None
    assert git_oid(files["README.md"].content) == git_oid((data / "README.md").read_bytes())
    assert "README.md: as it is" in run("push", data, "--repo", REPO).stderr
    assert hub.requests["POST commit"] == 1
    (data / "other.md").write_text("# Other\n")
    assert "README.md: to send" in run("push", data, "--repo", REPO, "--card", data / "other.md").stderr
    assert hub.requests["POST commit"] == 2
    assert hub.requests["PUT put"] == 3


def test_shards_are_kept_only_where_asked(hub: Hub, data: Path, tmp_path: Path) -> None:
    push(data)
    assert not (data / ".drfhq-push").exists()
    push(data, cache=tmp_path / "cache")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.parquet")}
    assert len(written) == 7
    push(data, cache=tmp_path / "cache")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.parquet")} == written


# A line that breaks


def test_passing_errors_are_repeated(hub: Hub, data: Path) -> None:
    hub.troubles = [
        Trouble("POST /api/repos/create", 503),
        Trouble("GET .*/tree/", 500),
        Trouble("POST .*/preupload/", 502, after=1),
        Trouble("objects/batch", 500, times=2, after=3),
        Trouble("PUT /lfs/", 500, times=3, after=2),
        Trouble("PUT /lfs/", "cut", after=5),
        Trouble("/verify", 504, after=2),
        Trouble("/commit/", 500, times=2),
    ]
    sent = push(data)
    assert all(trouble.times == 0 for trouble in hub.troubles)
    assert shards_there(hub) == as_listed(sent)
    assert len(hub.put_objects) == len(set(hub.put_objects)) == 7
    assert hub.requests["POST commit"] == 1


def test_a_connection_on_which_nothing_moves_is_given_up(hub: Hub, data: Path) -> None:
    hub.troubles = [Trouble("PUT /lfs/", "stall", after=1), Trouble("/commit/", "stall")]
    start = time.monotonic()
    push(data, timeout_s=0.5)
    assert time.monotonic() - start < 10
    assert all(trouble.times == 0 for trouble in hub.troubles)


@pytest.mark.parametrize("kind", ["deaf", "cut"])
def test_a_commit_whose_answer_was_lost_is_made_once(hub: Hub, data: Path, kind: str) -> None:
    hub.troubles = [Trouble("/commit/", kind)]
    sent = push(data)
    assert len(hub.repos[REPO].commits) == 2  # the repository's first, and ours
    assert sent.release.revision == hub.repos[REPO].head


def test_a_commit_of_another_in_between_is_built_upon(hub: Hub, data: Path) -> None:
    push(data)
    make_faces(data, 19)
    request = Request(data=data, repo=REPO, shard_bytes=40_000)
    with planned(request, progress=lambda *_: None) as (plan, repository):
        repo = hub.repos[REPO]
        repo.commits.append(
            ("f" * 40, {**repo.commits[-1][1], "data/train-x.parquet": repo.commits[-1][1][".gitattributes"]})
        )
        assert repository is not None
        sent = send(plan, repository, pushed_at=AT)
    assert shards_there(hub) == as_listed(sent)


def test_a_line_that_stays_broken_ends_with_what_was_sent_and_what_goes_on(
    hub: Hub, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["drfhq", "push", str(data), "--repo", REPO])
    hub.troubles = [Trouble("PUT /lfs/", "cut", times=99, after=2)]
    result = run("push", data, "--repo", REPO)
    assert result.exit_code == 1
    assert "Of 3 shards to send, " in result.stderr
    assert " 2 have arrived, " in result.stderr
    assert f"Go on with: drfhq push {data} --repo {REPO}" in result.stderr
    assert SIGNATURE not in result.stderr
    assert not shards_there(hub)
    assert not (data / "releases").exists()
    hub.troubles.clear()
    assert run("push", data, "--repo", REPO).exit_code == 0
    assert len(hub.put_objects) == len(set(hub.put_objects)) == 3


def test_a_refusal_is_not_repeated(hub: Hub, data: Path) -> None:
    hub.troubles = [Trouble("objects/batch", 403, times=99)]
    with pytest.raises(PushCutError, match=r"403.*right to write"):
        push(data)
    assert hub.troubles[0].times == 98


def test_large_files_go_in_parts(hub: Hub, data: Path) -> None:
    hub.multipart_from, hub.chunk_size = 30_000, 16_384
    hub.troubles = [Trouble("/part/1", 500, times=2)]
    sent = push(data)
    assert hub.requests["PUT put_part"] > hub.requests["POST complete"] > 1
    assert shards_there(hub) == as_listed(sent)


def environment(hub: Hub, home: Path) -> dict[str, str]:
    settings = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    return {**os.environ, **settings, "HF_HUB_OFFLINE": "0"}


def test_a_push_killed_midway_sends_only_the_rest(hub: Hub, tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_faces(data, 36, size=256)  # shards of a megabyte: five to train on, two each of the others
    hub.slow_s = 15.0  # a fiftieth of it
    command = [sys.executable, "-m", "drfhq_tools.cli", "push", str(data), "--repo", REPO, "--shard-mb", "1"]
    command[1:3] = ["-c", "from drfhq_tools.cli import main; main()"]
    with (tmp_path / "log").open("wb") as log:
        first = subprocess.Popen(command, env=environment(hub, tmp_path), stdout=log, stderr=log)
        while len(hub.put_objects) < 2 and first.poll() is None:
            time.sleep(1)
        first.kill()
        assert first.wait() != 0
    time.sleep(3 * hub.slow_s)  # what was under way arrives or not
    arrived = list(hub.put_objects)
    assert 2 <= len(arrived) < 9
    assert not shards_there(hub)
    shards = {path: path.stat().st_mtime_ns for path in (data / ".drfhq-push").rglob("*.parquet")}
    assert len(shards) == 9
    hub.slow_s = 0
    second = subprocess.run(command, env=environment(hub, tmp_path), capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert hub.put_objects[: len(arrived)] == arrived
    assert len(hub.put_objects) == len(set(hub.put_objects)) == 9
    assert "Writing shards" not in second.stderr  # they stood
    said = second.stdout + second.stderr + (tmp_path / "log").read_text()
    said += "".join(path.read_text() for path in (data / "releases").iterdir())
    assert TOKEN not in said
    assert SIGNATURE not in said


# What comes out at the other end


@needs_datasets
@pytest.mark.parametrize("streaming", [False, True])
def test_load_dataset_gives_the_same_rows(hub: Hub, data: Path, tmp_path: Path, streaming: bool) -> None:
    push(data, public=False)
    loaded = load(tmp_path / "loaded", REPO, environment=environment(hub, tmp_path / "home"), streaming=streaming)
    faces = open_manifest(data).faces
    for split, name in {"train": "train", "val": "validation", "test": "test"}.items():
        rows = [face.to_row() for face in faces if face.split == split]
        images = [row.pop("image") for row in loaded.rows[name]]
        assert loaded.rows[name] == rows
        for row, image in zip(rows, images, strict=True):
            content = image["bytes"] or Path(image["path"]).read_bytes()
            assert content == (data / str(row["image_path"])).read_bytes()
        assert loaded.features[name]["image"]["_type"] == "Image"
        assert loaded.decoded[name] == [64, 64]


def test_an_export_is_what_is_pushed(hub: Hub, data: Path, tmp_path: Path) -> None:
    from drfhq_tools.export import export_parquet

    exported: Exported = export_parquet(data, tmp_path / "out", shard_bytes=40_000)
    assert {file.path: file.sha256 for file in exported.files} == as_listed(push(data))


def test_without_the_extra_the_error_names_it(data: Path) -> None:
    code = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        f"from drfhq_tools.cli import main; main(['push', {str(data)!r}, '--repo', {REPO!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'drfhq-tools[hub]'" in done.stderr) == (2, True)
