"""What a Daz Studio scene says of the render beside it, and scenes that no honest Daz Studio wrote."""

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drfhq_tools.errors import SidecarError
from drfhq_tools.imageio import encode_png
from drfhq_tools.records import RejectReason
from drfhq_tools.sources import skim as skim_module
from drfhq_tools.sources.base import Scan
from drfhq_tools.sources.duf import read_duf
from drfhq_tools.sources.folder import FolderSource
from drfhq_tools.sources.sidecar import Fields
from drfhq_tools.sources.skim import AMBIGUOUS, EACH, skim

G81F = "/data/DAZ%203D/Genesis%208/Female%208_1/Genesis8_1Female.dsf"
G9 = "/data/Daz%203D/Genesis%209/Base/Genesis9.dsf"
G3M = "/data/DAZ%203D/Genesis%203/Male/Genesis3Male.dsf"
Json = dict[str, Any]


def figure(file: str, label: str) -> list[Json]:
    """A figure's root and one of its bones, as Daz Studio writes them."""
    name = file.rpartition("/")[2].removesuffix(".dsf")
    root = {
        "id": name,
        "url": f"{file}#{name}",
        "name": name,
        "label": label,
        "geometries": [{"id": f"{name}-1", "url": f"{file}#geometry", "name": name, "label": "Base", "type": "mesh"}],
        "preview": {"oriented_box": {"min": [-1.5, 0, -1e-3], "max": [1.5, 180, 1]}, "center_point": [0, 0, 0]},
        "extra": [{"type": "studio_node_channels", "channels": [{"channel": {"id": "Visible", "value": True}}]}],
    }
    return [root, {"id": "hip", "url": f"{file}#hip", "name": "hip", "label": "Hip", "parent": f"#{name}"}]


def clothes(vendor: str, product: str) -> Json:
    return {
        "id": product,
        "url": f"/data/{vendor}/{product}/Item/item.dsf#item",
        "label": f"{product} (worn)",
        "conform_target": "#Genesis8_1Female",
        "parent": "#Genesis8_1Female",
    }


def morph(folder: str, dial: object = 1) -> Json:
    return {"id": "m", "url": f"{folder}/m.dsf#m", "channel": {"id": "value", "type": "float", "current_value": dial}}


def scene(*nodes: Json, modifiers: tuple[Json, ...] = (), textures: tuple[str, ...] = (), **more: object) -> Json:
    return {
        "file_version": "0.6.1.0",
        "asset_info": {
            "id": "/Scenes/portrait.duf",
            "type": "scene",
            "contributor": {"author": "Ann Artist", "email": "ann@example.org", "website": "www.example.org"},
            "revision": "1.0",
            "modified": "2021-12-29T14:03:49Z",
        },
        "geometry_library": [{"id": "g", "vertices": {"count": 2, "values": [[0.5, -1.25, 3], [1, 2, 3e-7]]}}],
        "image_library": [{"id": url, "map_gamma": 0, "map": [{"url": url, "label": "a"}]} for url in textures],
        "scene": {"nodes": list(nodes), "modifiers": list(modifiers), **more},
    }


VICTORIA = scene(
    *figure(G81F, "Victoria 8.1"),
    clothes("Arki", "Summer%20Dress"),
    clothes("Neftis3D", "Long Hair"),
    modifiers=(
        morph("/data/DAZ%203D/Genesis%208/Female%208_1/Morphs/DAZ%203D/Victoria%208_1"),
        morph("/data/DAZ%203D/Genesis%208/Female/Morphs/Zev0/Unused", 0),
        morph("/data/DAZ%203D/Genesis%208/Female%208_1/Morphs/DAZ%203D/Base%20Pose", 0.25),
        {"id": "SkinBinding", "url": f"{G81F}#SkinBinding", "parent": "#Genesis8_1Female"},
    ),
    textures=("/Runtime/Textures/Mabel/Skin/face.jpg", "/C:/Users/ann/Desktop/secret.jpg"),
    presentation={"type": "", "label": "", "description": "", "icon_large": "", "colors": [[0, 0, 0], [1, 1, 1]]},
)


def read(tmp_path: Path, document: object, *, zipped: bool = True) -> Fields:
    """What a good scene says."""
    text = document if isinstance(document, bytes) else json.dumps(document, indent=1).encode()
    file = tmp_path / "x.duf"
    file.write_bytes(gzip.compress(text, mtime=0) if zipped else text)
    said, rejects = read_duf(file, "x.duf")
    assert rejects == []
    return said


def refused(tmp_path: Path, content: bytes) -> str:
    """Why a bad scene is refused."""
    file = tmp_path / "x.duf"
    file.write_bytes(content)
    said, (reject,) = read_duf(file, "deep/x.duf")
    assert said == {}
    assert (reject.source_path, reject.reason, reject.face_index) == ("deep/x.duf", RejectReason.BAD_SIDECAR, None)
    return reject.message


@pytest.mark.parametrize("zipped", [True, False])
def test_character_with_clothes_of_two_vendors(tmp_path: Path, zipped: bool) -> None:
    assert read(tmp_path, VICTORIA, zipped=zipped) == {
        "figure_generation": "Genesis 8.1",
        "gender": "female",
        "character": "Victoria 8.1",
        "products": ("Genesis 8", "Long Hair", "Summer Dress", "Victoria 8_1"),
        "vendors": ("Arki", "DAZ 3D", "Mabel", "Neftis3D"),
        "author": "Ann Artist",
    }


def test_plain_text_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + json.dumps(VICTORIA).encode()
    assert read(tmp_path, text, zipped=False)["character"] == "Victoria 8.1"


@pytest.mark.parametrize(
    ("file", "generation", "gender"),
    [
        ("/data/DAZ%203D/Genesis/Base/Genesis.dsf", "Genesis", None),
        ("/data/DAZ%203D/Genesis%202/Female/Genesis2Female.dsf", "Genesis 2", "female"),
        ("/data/DAZ 3D/Genesis 2/Male/Genesis2Male.dsf", "Genesis 2", "male"),
        ("/data/DAZ%203D/Genesis%203/Female/Genesis3Female.dsf", "Genesis 3", "female"),
        (G3M, "Genesis 3", "male"),
        ("/data/DAZ%203D/Genesis%208/Female/Genesis8Female.dsf", "Genesis 8", "female"),
        ("/DATA/daz%203d/genesis%208/male/genesis8male.dsf", "Genesis 8", "male"),
        (G81F, "Genesis 8.1", "female"),
        ("/data/DAZ%203D/Genesis%208/Male%208_1/Genesis8_1Male.dsf", "Genesis 8.1", "male"),
        (G9, "Genesis 9", None),
    ],
)
def test_base_figures(tmp_path: Path, file: str, generation: str, gender: str | None) -> None:
    said = read(tmp_path, scene(*figure(file, "Somebody")))
    assert (said["figure_generation"], said.get("gender")) == (generation, gender)
    assert said["character"] == "Somebody"


@pytest.mark.parametrize(
    ("mesh", "generation", "gender"),
    [("blMilWom_v4b", "Victoria 4", "female"), ("blMilMan_m4b", "Michael 4", "male")],
)
def test_figures_older_than_the_format(tmp_path: Path, mesh: str, generation: str, gender: str) -> None:
    nodes = figure(f"/data/3_1/DAZPeople/{mesh}_1699/{mesh}_1699.dsf", "Victoria 4.2")
    said = read(tmp_path, scene(*nodes))
    assert (said["figure_generation"], said["gender"]) == (generation, gender)
    assert ("character" in said) == (generation == "Michael 4"), "the base figure's own label is no character's"


@pytest.mark.parametrize("label", ["Genesis 8.1 Female", "Genesis 8.1 Basic Female (2)", "Genesis8_1Female", "", " \t"])
def test_the_base_figures_own_label_is_no_character(tmp_path: Path, label: str) -> None:
    assert "character" not in read(tmp_path, scene(*figure(G81F, label)))


def test_a_second_copys_number_is_no_part_of_the_name(tmp_path: Path) -> None:
    assert read(tmp_path, scene(*figure(G81F, "Latonya 8 (2)")))["character"] == "Latonya 8"


@pytest.mark.parametrize(
    ("presentation", "gender"),
    [
        ({"type": "Actor/Character", "preferred_base": "/Genesis 9/Female"}, "female"),
        ({"type": "Actor", "preferred_base": "/Genesis 9/Male"}, "male"),
        ({"type": "Actor/Character", "preferred_base": "/Genesis 9/Base"}, None),
        ({"type": "Actor/Character", "preferred_base": "/Genesis 9/Base/Feminine"}, None),
        ({"type": "Actor/Character", "preferred_base": "/Genesis 8/Female"}, None),
        ({"type": "Follower/Wardrobe", "preferred_base": "/Genesis 9/Female"}, None),
        ({"type": None, "preferred_base": None}, None),
    ],
)
def test_genesis_9_has_a_gender_only_where_it_is_stated(tmp_path: Path, presentation: Json, gender: str | None) -> None:
    feminine = morph("/data/Daz%203D/Genesis%209/Base/Morphs/Daz%203D/Base%20Characters%209")
    feminine["id"] = feminine["url"] = feminine["url"].replace("m.dsf#m", "BaseFeminine_figure_ctrl_Character.dsf#x")
    document = scene(*figure(G9, "Victoria 9"), modifiers=(feminine,), presentation=presentation)
    assert read(tmp_path, document).get("gender") == gender


def test_of_several_figures_nobody_can_say_which(tmp_path: Path) -> None:
    said = read(tmp_path, scene(*figure(G81F, "Victoria 8.1"), *figure(G3M, "Michael 7")))
    assert said == {"products": ("Genesis 3", "Genesis 8"), "vendors": ("DAZ 3D",), "author": "Ann Artist"}
    twice = scene(*figure(G81F, "Victoria 8.1"), *figure(G81F, "Victoria 8.1 (2)"))
    assert not {"gender", "character", "figure_generation"} & set(read(tmp_path, twice))


def test_no_figure(tmp_path: Path) -> None:
    assert read(tmp_path, scene(clothes("Stonemason", "Streets"))) == {
        "products": ("Streets",),
        "vendors": ("Stonemason",),
        "author": "Ann Artist",
    }
    bones = figure(G81F, "x")[1:]
    assert "gender" not in read(tmp_path, scene(*bones)), "a bone that is bound to is no figure"
    assert read(tmp_path, {"asset_info": {}}) == {}
    assert read(tmp_path, {"asset_info": None, "scene": None, "image_library": None, "asset_info2": {}} | scene()) == {
        "author": "Ann Artist"
    }


def test_a_presets_author_is_not_the_renders(tmp_path: Path) -> None:
    document = scene(*figure(G81F, "Victoria 8.1"))
    document["asset_info"]["type"] = "character"
    assert "author" not in read(tmp_path, document)


def test_no_mail_address_is_kept(tmp_path: Path) -> None:
    document = scene()
    assert "@" not in json.dumps(read(tmp_path, document))
    document["asset_info"]["contributor"]["author"] = "ann@example.org"
    assert read(tmp_path, document) == {}


@pytest.mark.parametrize(
    "url",
    [
        "/data/../../etc/passwd",
        "/data/%2e%2e/%2e%2e/etc/passwd",
        "/data/a%2fb/c/d.dsf",
        "/data/a%5cb/c/d.dsf",
        "/data//product/d.dsf",
        "/data/vendor/pro%0aduct/d.dsf",
        "/data/vendor/\u202eproduct/d.dsf",
        "/data/vendor/\ud800product/d.dsf",
        "/data/vendor/" + "x" * 300 + "/d.dsf",
        "/data/vendor/product/" + "x/" * 5000 + "d.dsf",
        "/data/auto_adapted/x/d.dsf",
        "/data/vendor/d.dsf",
        "/C:/Users/ann/d.dsf",
        "/Runtime/Textures/d.jpg",
        "/Runtime/Geometries/Ann/d.obj",
        "file:///data/vendor/product/d.dsf",
        "http://example.org/data/vendor/product/d.dsf",
        "name://@selection:",
        "#local",
        "",
    ],
)
def test_addresses_that_name_no_product(tmp_path: Path, url: str) -> None:
    node = {"id": "a", "url": url, "geometries": [{"url": url}]}
    document = scene(node, modifiers=(node,), textures=(url,))
    assert read(tmp_path, document) == {"author": "Ann Artist"}


def test_one_spelling_of_a_name(tmp_path: Path) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    nodes = [clothes(vendor, "A") for vendor in ("daz 3d", "DAZ 3D", "Daz%203D", composed, decomposed)]
    assert read(tmp_path, scene(*nodes))["vendors"] == (composed, "DAZ 3D")


def test_products_do_not_depend_on_order(tmp_path: Path) -> None:
    nodes = [clothes(f"v{number}", f"p{number}") for number in range(9)]
    assert read(tmp_path, scene(*nodes)) == read(tmp_path, scene(*reversed(nodes)))


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("asset_info",), "text", "asset_info must hold objects"),
        (("asset_info", "type"), 5, "asset_info.type must be text"),
        (("asset_info", "contributor"), [], "asset_info.contributor must be an object"),
        (("asset_info", "contributor", "author"), {}, "asset_info.contributor.author must be text"),
        (("scene",), [], "scene must be an object"),
        (("scene",), 7, "scene must be an object"),
        (("scene", "nodes"), {"*": {}}, "scene.nodes must be a list"),
        (("scene", "nodes"), "many", "scene.nodes must be a list"),
        (("scene", "nodes", 0), [1], "scene.nodes must hold objects"),
        (("scene", "nodes", 0, "url"), 5, "scene.nodes.url must be text"),
        (("scene", "nodes", 0, "label"), True, "scene.nodes.label must be text"),
        (("scene", "nodes", 0, "geometries"), {}, "scene.nodes.geometries must be a list"),
        (("scene", "nodes", 0, "geometries", 0), 1, "scene.nodes.geometries must hold objects"),
        (("scene", "nodes", 0, "geometries", 0, "url"), [], "scene.nodes.geometries.url must be text"),
        (("scene", "modifiers", 0), "m", "scene.modifiers must hold objects"),
        (("scene", "modifiers", 0, "url"), 1.5, "scene.modifiers.url must be text"),
        (("scene", "modifiers", 0, "channel"), "c", "scene.modifiers.channel must be an object"),
        (("scene", "modifiers", 0, "channel", "current_value"), float("nan"), "must be a finite number"),
        (("scene", "modifiers", 0, "channel", "current_value"), float("inf"), "must be a finite number"),
        (("scene", "presentation", "type"), 0, "scene.presentation.type must be text"),
        (("scene", "presentation", "preferred_base"), [], "scene.presentation.preferred_base must be text"),
        (("image_library", 0), 3, "image_library must hold objects"),
        (("image_library", 0, "map"), "m", "image_library.map must be a list"),
        (("image_library", 0, "map", 0), None, "image_library.map must hold objects"),
        (("image_library", 0, "map", 0, "url"), 3, "image_library.map.url must be text"),
    ],
)
def test_wrong_types_refuse_the_scene(tmp_path: Path, where: tuple[Any, ...], value: object, message: str) -> None:
    document = json.loads(json.dumps(VICTORIA))
    holder = document
    for step in where[:-1]:
        holder = holder[step]
    holder[where[-1]] = value
    assert message in refused(tmp_path, json.dumps(document).encode())


GOOD = json.dumps(VICTORIA).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no valid JSON: it ends too early"),
        (b"  ", "no valid JSON: it ends too early"),
        (b"[]", "neither JSON nor gzipped JSON"),
        (b"\x00\x01DSONE\xff\xfe", "neither JSON nor gzipped JSON: encrypted, binary"),
        ("{}".encode("utf-16"), "neither JSON nor gzipped JSON"),
        (b"{}", "no DSON document"),
        (b'{"a": 1}', "no DSON document"),
        (GOOD[:-1], "it ends too early"),
        (GOOD[:-40], "it ends too early"),
        (GOOD + b"}", "something follows its end"),
        (GOOD + GOOD, "something follows its end"),
        (b'{"asset_info": {}, }', "comma before a closing bracket"),
        (b'{"scene": {"nodes": [{}, ]}}', "comma before a closing bracket"),
        (b'{"asset_info" {}}', "':' expected"),
        (b'{"asset_info": }', "asset_info has no value"),
        (b'{"scene": {"nodes": [,]}}', "has no value"),
        (b'{"asset_info": {} "scene": {}}', "',' expected"),
        (b"{asset_info: {}}", "a key must be text in quotes"),
        (b'{"asset_info": {"type": scene}}', "no valid JSON"),
        (b'{"asset_info": {"type": "sc\nene"}}', "no valid JSON"),
        (b'{"asset_info": {}, "asset_info": {}}', "says asset_info twice"),
        (b'{"scene": {"nodes": []}, "scene": {"nodes": []}}', "says scene twice"),
        (b'{"asset_info": {"type": "scene", "type": "character"}}', "asset_info.type comes twice"),
        (b'{"asset_info": {"type": "\xff"}}', "is not UTF-8 text"),
        (b'{"asset_info": {"revision": ' + b"9" * 5000 + b"}}", "no valid JSON"),
        (b'{"scene": {"nodes": [' + b"[" * 200_000, "nested more than 100 deep"),
        (b'{"geometry_library": ' + b'{"a":' * 200_000, "nested more than 100 deep"),
        (gzip.compress(GOOD, mtime=0)[:-20], "no valid gzip: it ends too early"),
        (gzip.compress(GOOD, mtime=0)[:30], "no valid gzip: it ends too early"),
        (b"\x1f\x8b" + b"\0" * 40, "no valid gzip"),
        (b"\x1f\x8b", "no valid gzip: it ends too early"),
        (gzip.compress(b"\x89PNG and so on", mtime=0), "must hold one JSON object"),
        (gzip.compress(gzip.compress(GOOD, mtime=0), mtime=0), "must hold one JSON object"),
    ],
)
def test_what_is_no_scene_is_recorded(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refused(tmp_path, content)


def test_a_flipped_bit_is_found_by_gzips_own_sum(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(GOOD, compresslevel=0, mtime=0))
    content[content.index(b"Victoria") + 3] ^= 1
    assert "no valid gzip" in refused(tmp_path, bytes(content))


def test_what_repeats_itself_to_the_letter_is_no_contradiction(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"asset_info": {"type": "scene", "type": "scene", "id": 1, "id": 2}}') == {}


def test_parts_that_are_not_read_are_not_judged(tmp_path: Path) -> None:
    """Daz Studio itself has been seen to write numbers that JSON does not know."""
    text = GOOD.replace(b"0.5, -1.25", b'-nan, 1.#INF, "\xff"')
    assert read(tmp_path, text)["character"] == "Victoria 8.1"


def bomb(tmp_path: Path, start: bytes, filler: bytes, count: int) -> bytes:
    """A few kilobytes that inflate to ``count`` times ``filler``, made in little memory."""
    file = tmp_path / "bomb.gz"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(start)
        for _ in range(count):
            stream.write(filler)
    return file.read_bytes()


def test_a_gzip_bomb_is_left_after_its_first_gigabyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drfhq_tools.sources.duf._MAX_BYTES", 30 << 20)
    content = bomb(tmp_path, b'{"geometry_library": [0', b",0" * (1 << 19), 60)
    assert len(content) < 1 << 20
    assert "more than 30 MB, inflated" in refused(tmp_path, content)


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module there")
def test_memory_does_not_grow_with_what_is_passed_over(tmp_path: Path) -> None:
    import resource

    file = tmp_path / "x.duf"
    head = b'{"asset_info": {"type": "scene"}, "geometry_library": [{"values": [[0, 0, 0]'
    file.write_bytes(bomb(tmp_path, head, b", [1.25, 3, 4]" * 80_000, 60))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "ends too early" in read_duf(file, "x.duf")[1][0].message
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 30 << 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"scene": {"nodes": [{"a": "' + b"a" * (5 << 20) + b'"}]}}', "more than 4 MB"),
        (b'{"scene": {"nodes": [{"a": [0' + b",0" * (3 << 20) + b"]}]}}", "has a part of more than 4 MB"),
        (b'{"a": ' + b" " * (9 << 20) + b"1}", "more than 4 MB"),
        (b'{"scene": {"nodes": [{"geometries": [{}' + b",{}" * 1000 + b"]}]}}", "must hold objects, 1000 at most"),
        (b'{"image_library": [{"map": [{}' + b",{}" * 1000 + b"]}]}", "must hold objects, 1000 at most"),
    ],
)
def test_parts_no_scene_has(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refused(tmp_path, content)


def test_a_million_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = gzip.compress(b'{"asset_info": {}, "scene": {"nodes": [{}' + b",{}" * 1_000_000 + b"]}}", mtime=0)
    monkeypatch.setattr("drfhq_tools.sources.duf._MAX_PARTS", 20_000)
    assert "more than 20000 nodes" in refused(tmp_path, content)


def test_a_thousand_products_and_too_many(tmp_path: Path) -> None:
    nodes = [clothes("Vendor", f"p{number:05}") for number in range(2001)]
    assert len(str(read(tmp_path, scene(*nodes[:1000]))["products"])) > 1000
    assert "names more than 2000 products" in refused(tmp_path, json.dumps(scene(*nodes)).encode())


def test_too_many_brackets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skim_module, "_MAX_STEPS", 1000)
    assert read(tmp_path, GOOD)
    assert "more than 1000 pieces" in refused(tmp_path, b'{"a": [' + b"[[[[0]]]]," * 5000 + b"0]}")


def test_too_much_to_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skim_module, "_MAX_PARTS_BYTES", 10 << 20)
    node = b'{"a": [0' + b",0" * (1 << 20) + b"]}"
    assert "has more than 10 MB of what is read whole" in refused(
        tmp_path, b'{"scene": {"nodes": [' + b",".join([node] * 8) + b"]}}"
    )


# The stream reader by itself.


def parts(text: bytes, *wanted: tuple[str, ...], step: int = 7) -> list[tuple[tuple[str, ...], object]]:
    chunks: Iterator[bytes] = iter([text[at : at + step] for at in range(0, len(text), step)])
    return list(skim(chunks, wanted))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_parts_however_the_text_arrives(step: int) -> None:
    text = (
        rb'{"a": {"b": [1, "]\"}", {"c": [[], {}, "\\"]}], "d": 2.5e3}, "e": [[[[[["x"]]]]]], "\u0062": -17 , "f": {}} '
    )
    assert parts(text, ("a", "b", EACH), ("a", "d"), ("b",), ("f",), step=step) == [
        (("a", "b", EACH), 1),
        (("a", "b", EACH), ']"}'),
        (("a", "b", EACH), {"c": [[], {}, "\\"]}),
        (("a", "d"), 2500.0),
        (("b",), -17),
        (("f",), {}),
    ]


def test_a_key_of_two_values_is_ambiguous() -> None:
    (found,) = parts(b'{"a": {"b": 1, "b": 2, "c": 1, "c": 1}}', ("a",))
    assert found == (("a",), {"b": AMBIGUOUS, "c": 1})


def test_text_without_end_is_an_error() -> None:
    with pytest.raises(SidecarError, match="ends too early"):
        parts(b'{"a": "', ("a",))


# In a folder.


def put(root: Path, path: str, shade: int = 0) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(np.full((4, 4, 3), shade, np.uint8)))


def put_scene(root: Path, path: str, document: object = VICTORIA) -> None:
    (root / path).write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())


def scan(root: Path, share: tuple[int, int] | None = None) -> Scan:
    return FolderSource(root=root, share=share).scan()


def test_a_scene_speaks_of_the_picture_of_its_name(tmp_path: Path) -> None:
    put(tmp_path, "sub/a.png", 1)
    put(tmp_path, "sub/b.png", 2)
    put(tmp_path, "a.jpg", 3)
    put_scene(tmp_path, "sub/a.DUF")
    put_scene(tmp_path, "alone.duf", b"not even a scene")
    result = scan(tmp_path)
    assert result.rejects == (), "a scene without a render is nothing to us"
    said = {found.source.path: found.source for found in result.found}
    assert [path for path, source in said.items() if source.declared.character] == ["sub/a.png"]
    source = said["sub/a.png"]
    assert (source.declared.gender, source.declared.figure_generation) == ("female", "Genesis 8.1")
    assert source.declared.subject_id is None, "a character is no person"
    assert source.provenance.vendors == ("Arki", "DAZ 3D", "Mabel", "Neftis3D")


def test_all_others_override_a_scene_field_by_field(tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        put(tmp_path, f"sub/{name}.png", number)
        put_scene(tmp_path, f"sub/{name}.duf")
    (tmp_path / "labels.csv").write_text("file,gender,products\nsub/a.png,male,\nsub/b.png,,Mine ; Yours\n")
    (tmp_path / "sub" / "c.json").write_text('{"character": "Eve", "vendors": ["B", "A"], "author": "Me"}')
    a, b, c = (found.source for found in scan(tmp_path).found)
    assert (a.declared.gender, a.declared.character) == ("male", "Victoria 8.1")
    assert a.provenance.products == ("Genesis 8", "Long Hair", "Summer Dress", "Victoria 8_1")
    assert (b.declared.gender, b.provenance.products) == ("female", ("Mine", "Yours"))
    assert (c.declared.character, c.provenance.vendors, c.provenance.author) == ("Eve", ("A", "B"), "Me")
    assert c.declared.gender == "female"


def test_a_bad_scene_costs_its_words_alone(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "a.jpg", 1)
    put_scene(tmp_path, "a.duf", b"{")
    (tmp_path / "labels.csv").write_text("file,gender\na.png,f\na.jpg,f\n")
    result = scan(tmp_path)
    assert [found.source.declared.gender for found in result.found] == ["f", "f"]
    assert [(r.source_path, r.reason) for r in result.rejects] == [("a.duf", RejectReason.BAD_SIDECAR)], "said once"


def test_copies_whose_scenes_disagree(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "b.png")
    put_scene(tmp_path, "a.duf")
    put_scene(tmp_path, "b.duf", scene(*figure(G3M, "Michael 7")))
    result = scan(tmp_path)
    (found,) = result.found
    assert (found.source.declared.gender, found.source.declared.character) == (None, None)
    assert [r.reason for r in result.rejects] == [RejectReason.LABEL_NOTE]
    assert "gender" in result.rejects[0].message


def test_previews_are_no_pictures_of_their_own(tmp_path: Path) -> None:
    put_scene(tmp_path, "x.duf")
    for shade, name in enumerate(["x.png", "x.duf.png", "x.tip.png", "x.duf.jpg", "y.tip.png", "z.duf.png", "tip.png"]):
        put(tmp_path, name, shade)
    assert [found.source.path for found in scan(tmp_path).found] == ["tip.png", "x.png", "y.tip.png", "z.duf.png"]


def test_a_picture_named_as_a_scene_is_a_picture(tmp_path: Path) -> None:
    put(tmp_path, "x.duf")
    put(tmp_path, "x.png", 1)
    result = scan(tmp_path)
    assert [found.source.path for found in result.found] == ["x.duf", "x.png"]
    assert result.rejects == ()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_are_followed_as_those_of_pictures_and_tell_nothing_of_what_they_lead_to(tmp_path: Path) -> None:
    root, library = tmp_path / "raw", tmp_path / "library"
    library.mkdir()
    put_scene(library, "v.duf")
    (library / "secret").write_text("{ password: hunter2 }")
    for number, name in enumerate("abcd"):
        put(root, f"{name}.png", number)
    (root / "a.duf").symlink_to(library / "v.duf")
    (root / "b.duf").symlink_to(library / "secret")
    (root / "c.duf").symlink_to(library / "nowhere")
    (root / "d.duf").symlink_to(library)
    result = scan(root)
    assert [found.source.declared.character for found in result.found] == ["Victoria 8.1", None, None, None]
    (reject,) = result.rejects
    assert reject.source_path == "b.duf"
    assert "hunter2" not in reject.message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_does_not_hang_the_walk(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    os.mkfifo(tmp_path / "a.duf")
    assert len(scan(tmp_path).found) == 1


def test_shares_agree_on_what_scenes_say_and_tell_when_it_changed(tmp_path: Path) -> None:
    for number in range(6):
        put(tmp_path, f"{number}.png", number)
        put_scene(tmp_path, f"{number}.duf")
    (tmp_path / "5.duf").write_bytes(b"{ no scene")
    whole = scan(tmp_path)
    shares = [scan(tmp_path, (index, 3)) for index in range(3)]
    assert len({share.listing for share in shares}) == 1
    assert {found.source for share in shares for found in share.found} == {found.source for found in whole.found}
    assert {reject for share in shares for reject in share.rejects} == set(whole.rejects)
    put_scene(tmp_path, "4.duf", scene(*figure(G9, "Victoria 9")))
    changed = scan(tmp_path, (0, 3)).listing
    assert changed != shares[0].listing
    (tmp_path / "4.duf").unlink()
    assert scan(tmp_path, (0, 3)).listing not in {changed, shares[0].listing}
