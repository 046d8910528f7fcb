"""Pictures on the way from a data set to an array: files or shards, interrupted, damaged, changed."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from drfhq_tools.errors import ManifestError
from drfhq_tools.export.parquet import export_parquet
from drfhq_tools.hashing import sha256_bytes
from drfhq_tools.imageio import encode_png, read_picture
from drfhq_tools.manifest import Manifest, open_manifest
from transfer.errors import ConfigError, TransferError
from transfer.pictures import Request, decoded, open_data
from transfer.pictures.resize import resized

TINY = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A copy of the example data set, free to be damaged."""
    shutil.copytree(TINY, tmp_path / "data")
    return open_manifest(tmp_path / "data")


def large(root: Path, count: int) -> Manifest:
    """``count`` pictures of one noise each, with rows like the example's."""
    example = open_manifest(TINY)
    (root / "images").mkdir(parents=True)
    faces = []
    for i in range(count):
        data = encode_png(np.random.default_rng(i).integers(0, 256, (48, 48, 3), dtype=np.uint8))
        name = f"images/{i:05d}.png"
        (root / name).write_bytes(data)
        faces.append(replace(example.faces[0], face_id=f"{i:032x}", image_path=name, image_sha256=sha256_bytes(data)))
    shutil.copy(TINY / "manifest.parquet", root)
    return replace(example, root=root, faces=faces)


def asked(manifest: Manifest, resolution: int = 32, workers: int = 1, split: str = "all") -> Request:
    return Request(manifest=manifest, split=split, resolution=resolution, workers=workers)


def test_shards_give_the_array_and_the_digest_of_the_data_set(manifest: Manifest, tmp_path: Path) -> None:
    export_parquet(manifest.root, tmp_path / "shards", shard_bytes=20_000, row_group_bytes=10_000)
    assert len(list((tmp_path / "shards" / "data").iterdir())) > 1
    exported = open_data(tmp_path / "shards")
    assert exported.digest == manifest.digest
    assert [face.face_id for face in exported.faces] == [face.face_id for face in manifest.faces]
    from_files, from_shards = decoded(asked(manifest), tmp_path / "a.npy"), decoded(asked(exported), tmp_path / "b.npy")
    assert (from_files.pixels == from_shards.pixels).all()
    assert from_files.pixels.any(axis=(1, 2, 3)).all()
    assert from_shards.skipped == ()


def test_shards_as_the_hub_has_them_are_known_by_their_rows(manifest: Manifest, tmp_path: Path) -> None:
    export_parquet(manifest.root, tmp_path / "shards")
    (tmp_path / "shards" / "export.json").unlink()
    first = open_data(tmp_path / "shards").digest
    export_parquet(manifest.root, tmp_path / "others", shard_bytes=20_000)
    (tmp_path / "others" / "export.json").unlink()
    assert open_data(tmp_path / "others").digest == first  # however they are cut
    shard = next((tmp_path / "shards" / "data").iterdir())
    table = pq.read_table(shard)
    pq.write_table(table.slice(1), shard)
    assert open_data(tmp_path / "shards").digest != first


def test_shards_of_another_size_than_listed_are_refused(manifest: Manifest, tmp_path: Path) -> None:
    export_parquet(manifest.root, tmp_path / "shards")
    shard = next((tmp_path / "shards" / "data").iterdir())
    pq.write_table(pq.read_table(shard).slice(1), shard)
    with pytest.raises(ManifestError, match="not the file that"):
        open_data(tmp_path / "shards")


def test_a_damaged_picture_in_a_shard_is_named(manifest: Manifest, tmp_path: Path) -> None:
    export_parquet(manifest.root, tmp_path / "shards")
    shard = sorted((tmp_path / "shards" / "data").iterdir())[0]
    name = pq.read_table(shard)["image_path"][0].as_py()
    data = bytearray(shard.read_bytes())
    stored = pq.read_table(shard)["image"][0]["bytes"].as_py()
    place = bytes(data).index(stored) + len(stored) // 2
    data[place : place + 8] = bytes(8)
    shard.write_bytes(data)
    (only,) = decoded(asked(open_data(tmp_path / "shards")), tmp_path / "a.npy").skipped
    assert only.name == name


def test_processes_write_what_one_writes(tmp_path: Path) -> None:
    manifest = large(tmp_path / "data", 70)
    alone = decoded(asked(manifest, workers=1), tmp_path / "a.npy")
    together = decoded(asked(manifest, workers=2), tmp_path / "b.npy")
    assert (alone.pixels == together.pixels).all()
    assert (alone.pixels[69] == resized(read_picture(manifest.root / manifest.faces[69].image_path), 32)).all()


def test_a_killed_fill_goes_on_where_it_was(tmp_path: Path) -> None:
    manifest = large(tmp_path / "data", 96)
    cache = tmp_path / "cache.npy"
    code = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from dataclasses import replace
from test_pictures import asked, large
from transfer.pictures import cache
real = cache._decode_piece
def slow(task):
    if task.piece.wanted[0].row >= 64:
        print("there", flush=True)
        sys.stdin.read()
    return real(task)
cache._decode_piece = slow
manifest = large(Path({str(tmp_path / "same")!r}), 96)
cache.decoded(asked(replace(manifest, root=Path({str(manifest.root)!r}))), Path({str(cache)!r}))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"there"
        process.kill()
    assert not cache.exists()
    for face in manifest.faces[:64]:  # their rows are on the disk: nobody reads them again
        (manifest.root / face.image_path).unlink()
    result = decoded(asked(manifest), cache)
    assert result.skipped == ()
    fresh = decoded(asked(large(tmp_path / "again", 96)), tmp_path / "fresh.npy")
    assert (result.pixels == fresh.pixels).all()
    assert sorted(path.name for path in tmp_path.glob("cache.*") if path.suffix != ".lock") == [
        "cache.json",
        "cache.npy",
    ]


def test_missing_cut_and_exchanged_pictures_are_named_and_counted(tmp_path: Path) -> None:
    manifest = large(tmp_path / "data", 40)
    paths = [manifest.root / face.image_path for face in manifest.faces]
    paths[3].unlink()
    paths[20].write_bytes(paths[20].read_bytes()[:300])
    shutil.copy(paths[5], paths[33])
    for _ in range(2):  # decoded, then from the cache
        result = decoded(asked(manifest), tmp_path / "cache.npy")
        assert [face.row for face in result.skipped] == [3, 20, 33]
        assert [face.name for face in result.skipped] == [manifest.faces[row].image_path for row in (3, 20, 33)]
        assert [
            next(word for word in ("missing", "damaged", "changed") if word in face.reason) for face in result.skipped
        ] == ["missing", "damaged", "changed"]
        assert not result.pixels[[3, 20, 33]].any()


def test_too_many_are_too_many_and_mended_ones_are_read_again(tmp_path: Path) -> None:
    manifest = large(tmp_path / "data", 40)
    kept = {path: path.read_bytes() for path in sorted((manifest.root / "images").iterdir())[:5]}
    for path in kept:
        path.write_bytes(b"")
    with pytest.raises(TransferError, match=r"5 of 40 pictures.*00000\.png"):
        decoded(asked(manifest), tmp_path / "cache.npy")
    for path, data in kept.items():
        path.write_bytes(data)
    assert decoded(asked(manifest), tmp_path / "cache.npy").skipped == ()


@pytest.mark.parametrize(
    ("change", "word"),
    [({"digest": "0" * 64}, "data_digest"), ({"resolution": 64}, "resolution"), ({"split": "train"}, "split")],
)
def test_a_cache_of_other_pictures_is_refused(
    manifest: Manifest, tmp_path: Path, change: dict[str, str | int], word: str
) -> None:
    decoded(asked(manifest), tmp_path / "cache.npy")
    other = replace(manifest, digest=str(change.get("digest", manifest.digest)))
    with pytest.raises(ConfigError, match=word):
        decoded(
            asked(other, int(change.get("resolution", 32)), split=str(change.get("split", "all"))),
            tmp_path / "cache.npy",
        )


def test_a_cache_without_its_mark_is_made_again(manifest: Manifest, tmp_path: Path) -> None:
    cache = tmp_path / "cache.npy"
    wanted = np.array(decoded(asked(manifest), cache).pixels)
    cache.with_suffix(".json").unlink()
    cache.write_bytes(cache.read_bytes()[:5000])
    assert (decoded(asked(manifest), cache).pixels == wanted).all()
    assert set(json.loads(cache.with_suffix(".json").read_text())) == {*asked(manifest).key, "skipped"}


def test_decoding_needs_no_torch() -> None:
    code = "import sys, transfer.pictures; print('torch' in sys.modules)"
    asked_python = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert asked_python.stdout.strip() == "False"
