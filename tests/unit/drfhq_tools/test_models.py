"""The registry of weights, files found on disk, and downloads from a real server that misbehaves."""

from __future__ import annotations

import bz2
import hashlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from model_server import ModelServer, serving

from drfhq_tools.errors import ModelFileError, UsageError
from drfhq_tools.models import (
    REGISTRY,
    Content,
    Download,
    ModelEntry,
    Package,
    Patience,
    Registry,
    fetch,
    models_folder,
    resolve,
    status_of,
)

ROOT = Path(__file__).parents[3]
SHARED = ROOT / ".." / "shared" / "models"
DOCUMENT = ROOT / "docs" / "models.md"
WEIGHTS = random.Random(0).randbytes(300_000)
HURRY = Patience(timeout_s=5, tries=3, pause_s=0.01)


def content(data: bytes) -> Content:
    return Content(hashlib.sha256(data).hexdigest(), len(data))


def registry_of(url: str, data: bytes = WEIGHTS, packed: bytes | None = None) -> Registry:
    origin = Download(url, packed=None if packed is None else content(packed))
    entry = ModelEntry(name="toy", purpose="", license="", file_name="toy.dat", content=content(data), origin=origin)
    return {"toy": entry}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    for name in ("DRFHQ_OFFLINE", "HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as state:
        state.files["/toy.dat"] = WEIGHTS
        yield state


@pytest.fixture
def get(server: ModelServer, tmp_path: Path) -> Callable[..., bytes]:
    """Fetch the toy weights from the server and read them."""

    def run(registry: Registry | None = None) -> bytes:
        registry = registry or registry_of(f"{server.url}/toy.dat")
        file = fetch("toy", models_dir=tmp_path, registry=registry, patience=HURRY)
        data = file.path.read_bytes()
        assert file.sha256 == hashlib.sha256(data).hexdigest()
        return data

    return run


def left_in(folder: Path) -> set[str]:
    """Files there, lock files aside: whether those stay depends on the system."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


# registry


@pytest.mark.parametrize("entry", REGISTRY.values(), ids=lambda entry: entry.name)
def test_an_entry_is_complete(entry: ModelEntry) -> None:
    assert REGISTRY[entry.name] is entry
    assert entry.purpose
    assert entry.license
    assert Path(entry.file_name).name == entry.file_name
    if isinstance(entry.origin, Download):
        address = urlsplit(entry.origin.url)
        assert address.scheme == "https"
        assert re.search(r"/[0-9a-f]{40}/", address.path), "pinned to a commit"
        assert (entry.origin.packed is not None) == address.path.endswith(".bz2")
        assert entry.content
    for known in (entry.content, entry.origin.packed if isinstance(entry.origin, Download) else None):
        assert known is None or re.fullmatch("[0-9a-f]{64}", known.sha256)


def test_no_two_entries_share_a_file() -> None:
    assert len({entry.file_name for entry in REGISTRY.values()}) == len(REGISTRY)


def test_the_document_lists_the_registry() -> None:
    """To bring it up to date: python tests/unit/drfhq_tools/test_models.py."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_table(text) == text


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared copies of the weights are not beside the project")
@pytest.mark.parametrize("name", [name for name, entry in REGISTRY.items() if isinstance(entry.origin, Download)])
def test_known_copies_are_what_the_registry_says(name: str) -> None:
    entry = REGISTRY[name]
    assert isinstance(entry.origin, Download)
    wire = Path(entry.origin.url).name
    (path,) = SHARED.rglob(wire)
    assert content(path.read_bytes()) == (entry.origin.packed or entry.content)
    if entry.origin.packed:
        assert content(bz2.decompress(path.read_bytes())) == entry.content


def test_weights_of_the_installed_package_are_whole() -> None:
    file = resolve("dlib-cnn")
    assert file.path.name == "mmod_human_face_detector.dat"
    assert content(file.path.read_bytes()) == REGISTRY["dlib-cnn"].content
    assert status_of(REGISTRY["dlib-cnn"]) == "in package"


# resolve


def test_missing_weights_name_the_command_that_gets_them(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="drfhq models fetch yunet"):
        resolve("yunet", models_dir=tmp_path)
    assert status_of(REGISTRY["yunet"], tmp_path) == "missing"


def test_weights_without_an_address_say_where_to_put_them(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=re.escape(str(tmp_path))):
        fetch("fairface", models_dir=tmp_path)
    (tmp_path / REGISTRY["fairface"].file_name).write_bytes(b"mine")
    assert fetch("fairface", models_dir=tmp_path).sha256 == hashlib.sha256(b"mine").hexdigest()


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    entry = ModelEntry(
        name="toy", purpose="", license="", file_name="x", content=None, origin=Package("no_such_package_at_all")
    )
    with pytest.raises(ModelFileError, match="pip install no_such_package_at_all"):
        resolve("toy", registry={"toy": entry})
    assert status_of(entry) == "missing"


def test_damage_is_noticed_and_its_repair_noticed_too(tmp_path: Path) -> None:
    registry = registry_of("http://unused.invalid/toy.dat")
    path = tmp_path / "toy.dat"
    path.write_bytes(WEIGHTS[:-1] + b"\0\0")
    with pytest.raises(ModelFileError, match=r"damaged.*drfhq models fetch toy"):
        resolve("toy", models_dir=tmp_path, registry=registry)
    assert status_of(registry["toy"], tmp_path) == "damaged"
    path.write_bytes(WEIGHTS)
    assert resolve("toy", models_dir=tmp_path, registry=registry).path == path
    assert status_of(registry["toy"], tmp_path) == "present"


def test_a_file_of_the_users_own_is_taken_with_its_hash(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(b"tuned")
    file = resolve("yunet", override=own)
    assert (file.name, file.path, file.sha256) == ("yunet", own, hashlib.sha256(b"tuned").hexdigest())
    for no_file in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ModelFileError, match="is no file"):
            resolve("yunet", override=no_file)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="yunet"):
        resolve("yunett")


def test_the_folder_is_the_one_named_closest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRFHQ_MODELS", raising=False)
    assert models_folder().is_absolute()
    assert "drfhq-tools" in models_folder().parts
    monkeypatch.setenv("DRFHQ_MODELS", str(tmp_path / "a"))
    assert models_folder() == tmp_path / "a"
    assert models_folder(tmp_path / "b") == tmp_path / "b"


# fetch


def test_a_download_arrives_whole_and_once(server: ModelServer, tmp_path: Path, get: Callable[..., bytes]) -> None:
    assert get() == WEIGHTS
    assert get() == WEIGHTS
    assert server.ranges == [None]
    assert left_in(tmp_path) == {"toy.dat"}


def test_a_file_that_is_there_is_left_alone(server: ModelServer, tmp_path: Path, get: Callable[..., bytes]) -> None:
    (tmp_path / "toy.dat").write_bytes(WEIGHTS)
    assert get() == WEIGHTS
    assert [path.name for path in tmp_path.iterdir()] == ["toy.dat"], "the folder may be read-only"
    assert server.ranges == []


def test_progress_counts_up_to_the_whole(server: ModelServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    registry = registry_of(f"{server.url}/toy.dat")
    fetch("toy", models_dir=tmp_path, registry=registry, progress=lambda *now: seen.append(now), patience=HURRY)
    assert seen[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert seen == sorted(seen)
    assert len(seen) > 1


@pytest.mark.parametrize("announces_length", [True, False])
def test_a_broken_connection_is_taken_up_where_it_broke(
    server: ModelServer, get: Callable[..., bytes], announces_length: bool
) -> None:
    server.cuts = [100_000, 50_000]
    server.announces_length = announces_length
    assert get() == WEIGHTS
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_run_takes_up_what_an_earlier_one_left(
    server: ModelServer, tmp_path: Path, get: Callable[..., bytes]
) -> None:
    server.cuts = [1000, 1000, 1000]
    with pytest.raises(ModelFileError, match="in 3 tries"):
        get()
    assert not (tmp_path / "toy.dat").exists()
    assert get() == WEIGHTS
    assert server.ranges[-1] == "bytes=3000-"
    assert left_in(tmp_path) == {"toy.dat"}


def test_a_server_that_knows_no_ranges_starts_over(server: ModelServer, get: Callable[..., bytes]) -> None:
    server.cuts = [100_000]
    server.takes_ranges = False
    assert get() == WEIGHTS


def test_halves_of_different_files_are_fetched_anew(
    server: ModelServer, tmp_path: Path, get: Callable[..., bytes]
) -> None:
    server.files["/toy.dat"] = bytes(len(WEIGHTS))
    server.cuts = [1000, 0, 0]
    with pytest.raises(ModelFileError, match="in 3 tries"):
        get()
    server.files["/toy.dat"] = WEIGHTS
    assert get() == WEIGHTS
    assert server.ranges[-2:] == ["bytes=1000-", None]


def test_a_shorter_file_on_the_server_does_not_block_for_good(server: ModelServer, get: Callable[..., bytes]) -> None:
    server.cuts = [100_000, 0, 0]
    with pytest.raises(ModelFileError, match="in 3 tries"):
        get()
    server.files["/toy.dat"] = WEIGHTS[:50_000]
    with pytest.raises(ModelFileError, match="holds 50000 bytes instead of 300000"):
        get()
    server.files["/toy.dat"] = WEIGHTS
    assert get() == WEIGHTS


def test_a_server_that_is_busy_is_asked_again(server: ModelServer, get: Callable[..., bytes]) -> None:
    server.statuses = [503, 429]
    assert get() == WEIGHTS
    assert len(server.ranges) == 3


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_not_asked_again(server: ModelServer, get: Callable[..., bytes], status: int) -> None:
    server.statuses = [status]
    with pytest.raises(ModelFileError, match=f"answered {status}"):
        get()
    assert len(server.ranges) == 1


def test_other_content_is_deleted(server: ModelServer, tmp_path: Path, get: Callable[..., bytes]) -> None:
    server.files["/toy.dat"] = bytes(len(WEIGHTS))
    wrong = hashlib.sha256(bytes(len(WEIGHTS))).hexdigest()
    with pytest.raises(ModelFileError, match=f"expected sha256 {content(WEIGHTS).sha256}, got {wrong}"):
        get()
    assert left_in(tmp_path) == set()


def test_other_content_spares_the_file_that_was_there(
    server: ModelServer, tmp_path: Path, get: Callable[..., bytes]
) -> None:
    (tmp_path / "toy.dat").write_bytes(b"older weights")
    server.files["/toy.dat"] = bytes(len(WEIGHTS))
    with pytest.raises(ModelFileError, match="not the file meant"):
        get()
    assert (tmp_path / "toy.dat").read_bytes() == b"older weights"


@pytest.mark.parametrize("announces_length", [True, False])
def test_more_than_the_known_size_is_not_taken(
    server: ModelServer, tmp_path: Path, get: Callable[..., bytes], announces_length: bool
) -> None:
    server.files["/toy.dat"] = WEIGHTS + bytes(10_000_000)
    server.announces_length = announces_length
    with pytest.raises(ModelFileError, match="not the file meant"):
        get()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= len(WEIGHTS)


def test_redirects_are_followed(server: ModelServer, get: Callable[..., bytes]) -> None:
    server.redirects["/old"] = f"{server.url}/toy.dat"
    assert get(registry_of(f"{server.url}/old")) == WEIGHTS


@pytest.mark.parametrize("scheme", ["file://", "ftp://127.0.0.1", "data:,"])
def test_redirects_elsewhere_than_to_the_web_are_refused(
    server: ModelServer, tmp_path: Path, get: Callable[..., bytes], scheme: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(WEIGHTS)
    server.redirects["/old"] = scheme + secret.as_posix()
    with pytest.raises(ModelFileError, match=r"not allowed|not http or https"):
        get(registry_of(f"{server.url}/old"))
    assert left_in(tmp_path) == {"secret"}


def test_a_local_address_is_refused(tmp_path: Path, get: Callable[..., bytes]) -> None:
    (tmp_path / "secret").write_bytes(WEIGHTS)
    with pytest.raises(ModelFileError, match="not http or https"):
        get(registry_of((tmp_path / "secret").as_uri()))


def test_an_absent_server_is_reported(tmp_path: Path) -> None:
    with serving() as server:
        url = f"{server.url}/toy.dat"
    with pytest.raises(ModelFileError, match="could not be fetched in 3 tries"):
        fetch("toy", models_dir=tmp_path, registry=registry_of(url), patience=HURRY)


def test_a_server_that_falls_silent_is_given_up(server: ModelServer, tmp_path: Path) -> None:
    server.stall = threading.Event()
    impatient = Patience(timeout_s=0.2, tries=2, pause_s=0.01)
    with pytest.raises(ModelFileError, match="timed out"):
        fetch("toy", models_dir=tmp_path, registry=registry_of(f"{server.url}/toy.dat"), patience=impatient)
    assert server.ranges == [None, "bytes=150000-"]


@pytest.mark.parametrize("variable", ["DRFHQ_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_nothing_is_asked(
    server: ModelServer, tmp_path: Path, get: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ModelFileError, match=f"{variable} forbids.*--models-dir"):
        get()
    assert server.ranges == []
    (tmp_path / "toy.dat").write_bytes(WEIGHTS)
    assert get() == WEIGHTS


def test_a_packed_download_is_kept_unpacked(server: ModelServer, tmp_path: Path, get: Callable[..., bytes]) -> None:
    packed = bz2.compress(WEIGHTS)
    server.files["/toy.dat.bz2"] = packed
    server.cuts = [1000]
    assert get(registry_of(f"{server.url}/toy.dat.bz2", packed=packed)) == WEIGHTS
    assert server.ranges == [None, "bytes=1000-"]
    assert left_in(tmp_path) == {"toy.dat"}


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (bz2.compress(bytes(200_000_000)), "not the file meant"),  # 141 bytes
        (bz2.compress(WEIGHTS)[:-1000], "unpacked"),
        (bz2.compress(WEIGHTS[:-1]), "not the file meant"),
        (b"no archive at all", "unpacked"),
    ],
    ids=["bomb", "cut off", "too short", "not bzip2"],
)
def test_a_hostile_archive_is_refused(
    server: ModelServer, tmp_path: Path, get: Callable[..., bytes], packed: bytes, message: str
) -> None:
    server.files["/toy.dat.bz2"] = packed
    started = time.process_time()
    with pytest.raises(ModelFileError, match=message):
        get(registry_of(f"{server.url}/toy.dat.bz2", packed=packed))
    assert left_in(tmp_path) == set()
    assert time.process_time() - started < 0.5, "unpacked no further than the announced size"


def test_two_fetches_at_once_make_one_file(server: ModelServer, tmp_path: Path, get: Callable[..., bytes]) -> None:
    server.cuts = [1000, 1000]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: get(), range(4))) == {WEIGHTS}
    assert server.ranges == [None, "bytes=1000-", "bytes=2000-"]
    assert left_in(tmp_path) == {"toy.dat"}


def test_a_killed_fetch_is_taken_up(server: ModelServer, tmp_path: Path, get: Callable[..., bytes]) -> None:
    server.stall = threading.Event()
    code = (
        "import sys; from pathlib import Path; from drfhq_tools.models import *;"
        "entry = ModelEntry(name='toy', purpose='', license='', file_name='toy.dat',"
        " content=Content(sys.argv[2], int(sys.argv[3])), origin=Download(sys.argv[1]));"
        "fetch('toy', models_dir=Path(sys.argv[4]), registry={'toy': entry})"
    )
    known = content(WEIGHTS)
    arguments = [f"{server.url}/toy.dat", known.sha256, str(known.size_bytes), str(tmp_path)]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], env=dict(os.environ)) as process:
        deadline = time.monotonic() + 60
        while sum(path.stat().st_size for path in tmp_path.glob("*.part") or ()) < len(WEIGHTS) // 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    server.stall.set()
    assert not (tmp_path / "toy.dat").exists()
    assert get() == WEIGHTS
    assert server.ranges == [None, "bytes=150000-"]


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, server: ModelServer) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"cannot write.*--models-dir"):
        fetch("toy", models_dir=tmp_path / "file", registry=registry_of(f"{server.url}/toy.dat"), patience=HURRY)


# document


def with_table(text: str) -> str:
    """The document with its table and the cautions below made from the registry."""
    rows = ["| name | for | licence | size | from |", "|---|---|---|---|---|", *map(row, REGISTRY.values())]
    cautions = [f"- **{entry.name}**: {entry.caution}" for entry in REGISTRY.values() if entry.caution]
    block = "\n".join([*rows, "", "Read before use:", "", *cautions])
    return re.sub(r"(?s)(<!-- table: .*? -->\n).*(<!-- /table -->)", lambda m: f"{m[1]}\n{block}\n\n{m[2]}", text)


def row(entry: ModelEntry) -> str:
    if isinstance(entry.origin, Download):
        origin = f"[{urlsplit(entry.origin.url).hostname}]({entry.origin.url})"
    elif isinstance(entry.origin, Package):
        origin = f"package `{entry.origin.name}`"
    else:
        origin = f"you: `{entry.file_name}`"
    size = f"{entry.content.size_bytes / 1e6:.2f} MB" if entry.content else ""
    return f"| {entry.name} | {entry.purpose} | {entry.license} | {size} | {origin} |"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
