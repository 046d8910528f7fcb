"""Whatever lies beside a render as a scene: fields or one reject, in bounded time; nothing else leaves the reader."""

import gzip
import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from drfhq_tools.errors import SidecarError
from drfhq_tools.records import RejectReason
from drfhq_tools.sources.duf import read_duf
from drfhq_tools.sources.sidecar import combine
from drfhq_tools.sources.skim import EACH, skim

FIGURE = "/data/DAZ%203D/Genesis%208/Female/Genesis8Female.dsf#Genesis8Female"
URLS = st.sampled_from(
    [FIGURE, "/data/a/b/c.dsf#d", "/data/%2e%2e/x/y/z", "#x", "\ud800/data", "/Runtime/Textures/v/x"]
)
KEYS = st.sampled_from(
    [
        *("asset_info", "scene", "nodes", "modifiers", "presentation", "image_library", "map", "url", "label", "type"),
        *("channel", "current_value", "geometries", "contributor", "author", "preferred_base", "x"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | URLS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=25,
)
NODES = st.fixed_dictionaries({}, optional={"url": URLS | VALUES, "label": st.text(max_size=9) | VALUES, "x": VALUES})
SCENES = st.fixed_dictionaries(
    {"asset_info": st.fixed_dictionaries({}, optional={"type": st.just("scene") | VALUES, "contributor": VALUES})},
    optional={
        "scene": VALUES | st.fixed_dictionaries({}, optional={"nodes": st.lists(NODES, max_size=4) | VALUES}),
        "image_library": VALUES,
    },
)
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8)


def check(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.duf"
        path.write_bytes(content)
        fields, rejects = read_duf(path, "x.duf")
    assert not (fields and rejects)
    said = combine([fields])
    assert said.declared.gender in {None, "female", "male"}
    assert (said.declared.age_years, said.declared.race, said.declared.subject_id) == (None, None, None)
    for name in (*(said.provenance.products or ()), *(said.provenance.vendors or ()), said.declared.character or "x"):
        assert name.isprintable()
        assert 0 < len(name) <= 200
        assert name not in {".", ".."}
    for reject in rejects:
        assert reject.reason == RejectReason.BAD_SIDECAR
        json.dumps(reject.to_row()).encode()


@settings(max_examples=150, deadline=None)
@given(document=SCENES | VALUES, zipped=st.booleans(), edits=EDITS, length=st.floats(0.5, 1))
def test_any_scene_is_fields_or_a_reject(
    document: object, zipped: bool, edits: list[tuple[float, int]], length: float
) -> None:
    text = json.dumps(document).encode()
    check(gzip.compress(text) if zipped else text)
    damaged = bytearray(text)
    for place, value in edits:
        damaged[int(place * len(damaged))] = value
    damaged = damaged[: round(length * len(damaged))]
    check(gzip.compress(bytes(damaged)) if zipped else bytes(damaged))


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=300), lead=st.sampled_from([b"", b"{", b"\x1f\x8b", gzip.compress(b"{", mtime=0)[:12]])
)
def test_any_bytes_are_fields_or_a_reject(content: bytes, lead: bytes) -> None:
    check(lead + content)


@settings(max_examples=150, deadline=None)
@given(document=st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), step=st.integers(1, 40), gap=st.booleans())
def test_parts_are_those_of_the_whole_document(document: dict[str, object], step: int, gap: bool) -> None:
    text = json.dumps(document, indent=1 if gap else None).encode()
    chunks = iter([text[at : at + step] for at in range(0, len(text), step)])
    wanted: list[tuple[tuple[str, ...], object]] = []
    for name, value in document.items():
        if name == "a":
            wanted.append((("a",), value))
        elif name == "b" and isinstance(value, list):
            wanted += [(("b", EACH), item) for item in value]
    try:
        found = list(skim(chunks, [("a",), ("b", EACH)]))
    except SidecarError:
        assert not isinstance(document["b"], list | None)
    else:
        assert json.dumps(found) == json.dumps(wanted)
