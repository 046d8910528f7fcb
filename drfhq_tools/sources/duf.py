"""``x.duf`` beside ``x.png``: a Daz Studio scene, read as what is declared of the picture rendered from it.

A scene is a document of DSON (Daz Scene Object Notation, format versions 0.6), gzipped or plain JSON. It names what it
is made of by address: a node of ``scene.nodes`` whose url is ``/data/DAZ 3D/Genesis 8/Female/Genesis8Female.dsf#…`` is
such a figure. From the addresses come

- ``figure_generation`` and ``gender`` of the base figure, by its file: the gender only where the figure has one
  (Genesis 2, 3, 8 and 8.1, Victoria 4, Michael 4), or where the presentation of a character names one in
  ``preferred_base`` (``/Genesis/Female``). Genesis and Genesis 9 are of no gender, and none is guessed from a name or
  a morph;
- ``character``, the label the figure has in the scene, unless that is the base figure's own;
- ``products`` and ``vendors``: the folders of ``/data/VENDOR/PRODUCT/…``, of ``…/Morphs/VENDOR/PRODUCT/…`` and
  ``…/UV Sets/VENDOR/PRODUCT/…`` in a base figure's folder, and of ``/Runtime/Textures/VENDOR/…``, as they are written;
  not those of morphs that are dialled to zero;
- ``author``, the scene's contributor, where it is saved as a scene. Contributors' email addresses are never kept.

With several figures in a scene nobody can say which is whose face, so generation, gender and character are unknown. No
address is ever opened. A part that is read and is not what DSON says makes the whole file a reject.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeVar
from urllib.parse import unquote

from drfhq_tools.errors import SidecarError
from drfhq_tools.records import Reject, RejectReason
from drfhq_tools.sources.sidecar import Fields
from drfhq_tools.sources.skim import AMBIGUOUS, EACH, skim

SUFFIX: Final = ".duf"
PREVIEW_MARKS: Final = (".duf", ".tip")
"""In the names of the pictures that Daz Studio shows ``x.duf`` by, ``x.duf.png`` and ``x.tip.png``."""


class BaseFigure(NamedTuple):
    """A figure characters are made from; ``gender`` is None where it is of none."""

    generation: str
    gender: str | None


_FIGURES: Final = {
    "genesis": BaseFigure("Genesis", None),
    "genesis9": BaseFigure("Genesis 9", None),
    **{
        f"genesis{number.replace('.', '_')}{gender}": BaseFigure(f"Genesis {number}", gender)
        for number in ("2", "3", "8", "8.1")
        for gender in ("female", "male")
    },
}
"""By the stem of its file, which is its id in it too."""
_LEGACY: Final = {
    "blmilwom_v4": BaseFigure("Victoria 4", "female"),
    "blmilman_m4": BaseFigure("Michael 4", "male"),
}
"""By how a part of its mesh's address begins: these came before DSON, and are imported to various folders."""
_BASE_PRODUCTS: Final = frozenset({"genesis", "genesis 2", "genesis 3", "genesis 8", "genesis 9"})
_ADD_ONS: Final = frozenset({"morphs", "uv sets"})
_NO_VENDORS: Final = frozenset({"auto_adapted"})
"""Folders of ``/data`` that Daz Studio writes itself."""

_PARTS: Final = (
    ("asset_info",),
    ("scene", "presentation"),
    ("scene", "nodes", EACH),
    ("scene", "modifiers", EACH),
    ("image_library", EACH),
)
_CHUNK_BYTES: Final = 1 << 20
_MAX_BYTES: Final = 1 << 30
_MAX_URL_CHARS: Final = 4000
_MAX_NAME_CHARS: Final = 200
_MAX_PARTS: Final = 500_000
_MAX_LAYERS: Final = 1000
"""Meshes of a node, or maps of an image."""
_MAX_NAMES: Final = 2000
_GZIP: Final = b"\x1f\x8b"
_COPY: Final = re.compile(r"\s*\(\d+\)$")
"""What Daz Studio adds to the label of a figure that is loaded a second time."""

_Kind = TypeVar("_Kind", str, dict[str, object], list[object])


def read_duf(file: Path, path: str) -> tuple[Fields, list[Reject]]:
    """What the scene ``file`` says of the picture beside it; ``path`` names it in rejects."""
    scene = _Scene()
    try:
        with file.open("rb") as stream:
            for number, (where, part) in enumerate(skim(_text_of(stream), _PARTS), start=1):
                if number > _MAX_PARTS:
                    raise SidecarError(f"has more than {_MAX_PARTS} nodes, modifiers and images: no scene")
                scene.take(where, part)
        if not scene.is_dson:
            raise SidecarError("no DSON document: it has no asset_info")
        return scene.fields(), []
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
    except SidecarError as error:
        message = str(error)
    return {}, [Reject(source_path=path, reason=RejectReason.BAD_SIDECAR, message=message)]


@dataclass(slots=True)
class _Scene:
    """What is gathered of a scene, part by part."""

    is_dson: bool = False
    author: str | None = None
    presented: BaseFigure | None = None
    figures: list[tuple[BaseFigure, str | None]] = field(default_factory=list)
    products: dict[str, str] = field(default_factory=dict)
    vendors: dict[str, str] = field(default_factory=dict)

    def take(self, where: tuple[str, ...], part: object) -> None:
        """Note what ``part``, which stands at ``where`` in the document, says.

        Raises:
            SidecarError: it is not of DSON's types.
        """
        if part is None:
            return
        name = ".".join(where).replace(f".{EACH}", "")
        if not isinstance(part, dict):
            raise SidecarError(f"{name} must hold objects")
        if where[-1] == "asset_info":
            self._take_asset_info(part)
        elif where[-1] == "presentation":
            self.presented = _presented(part)
        elif where[1] == "nodes":
            self._take_node(part)
        elif where[1] == "modifiers":
            if _is_dialled(part):
                self._take_url(_get(part, "url", str, name))
        else:
            for url in _urls(part, "map", name):
                self._take_url(url)

    def fields(self) -> Fields:
        """By the names a label table has them under."""
        said: Fields = {}
        if self.author:
            said["author"] = self.author
        if self.products:
            said["products"] = _sorted(self.products)
        if self.vendors:
            said["vendors"] = _sorted(self.vendors)
        if len(self.figures) == 1:
            figure, label = self.figures[0]
            gender = figure.gender
            if self.presented and self.presented.generation == figure.generation:
                gender = gender or self.presented.gender
            person = {"figure_generation": figure.generation, "gender": gender, "character": _character(label, figure)}
            said |= {name: word for name, word in person.items() if word}
        return said

    def _take_asset_info(self, part: dict[str, object]) -> None:
        self.is_dson = True
        contributor = _get(part, "contributor", dict, "asset_info") or {}
        author = _name(_get(contributor, "author", str, "asset_info.contributor") or "")
        if _get(part, "type", str, "asset_info") == "scene" and author and "@" not in author:
            self.author = author

    def _take_node(self, part: dict[str, object]) -> None:
        url = _get(part, "url", str, "scene.nodes")
        label = _get(part, "label", str, "scene.nodes")
        meshes = _urls(part, "geometries", "scene.nodes")
        figure = _figure_at(url) or (_legacy_figure_at([url, *meshes]) if meshes else None)
        if figure:
            self.figures.append((figure, label))
        for address in (url, *meshes):
            self._take_url(address)

    def _take_url(self, url: str | None) -> None:
        vendor, product = _origin(_split(url)[0])
        for names, name in ((self.vendors, vendor), (self.products, product)):
            if name:
                names[name.casefold()] = min(name, names.get(name.casefold(), name))
            if len(names) > _MAX_NAMES:
                raise SidecarError(f"names more than {_MAX_NAMES} products or vendors: no scene")


def _text_of(stream: BinaryIO) -> Iterator[bytes]:
    """The document's bytes, inflated where they are gzipped, none for a byte order mark.

    Raises:
        SidecarError: they are neither, cut short, damaged, or more than any scene's.
    """
    head = stream.read(len(codecs.BOM_UTF8))
    if head.startswith(_GZIP):
        stream.seek(0)
        chunks = _inflated(stream)
    elif head.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:1] in (b"{", b""):
        stream.seek(len(head) if head == codecs.BOM_UTF8 else 0)
        chunks = iter(lambda: stream.read(_CHUNK_BYTES), b"")
    else:
        raise SidecarError("neither JSON nor gzipped JSON: encrypted, binary or no DSON at all")
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _MAX_BYTES:
            raise SidecarError(f"more than {_MAX_BYTES >> 20} MB, inflated: no scene")
        yield chunk


def _inflated(stream: BinaryIO) -> Iterator[bytes]:
    """The first member of a gzip file, a chunk at a time however much a byte of it inflates to."""
    engine = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    waiting = b""
    try:
        while not engine.eof:
            waiting = waiting or stream.read(_CHUNK_BYTES)
            chunk = engine.decompress(waiting, _CHUNK_BYTES)
            if not waiting and not chunk:
                raise SidecarError("no valid gzip: it ends too early")
            waiting = engine.unconsumed_tail
            yield chunk
    except zlib.error as error:
        raise SidecarError(f"no valid gzip: {error}") from error


def _get(holder: dict[str, object], name: str, kind: type[_Kind], where: str) -> _Kind | None:
    """A value of a DSON object; None where it says nothing."""
    value = holder.get(name)
    if value is None or isinstance(value, kind):
        return value
    wanted = {str: "text", dict: "an object", list: "a list"}[kind]
    raise SidecarError(f"{where}.{name} {'comes twice' if value is AMBIGUOUS else f'must be {wanted}'}")


def _urls(holder: dict[str, object], name: str, where: str) -> list[str | None]:
    """The addresses of the objects in a list."""
    items = _get(holder, name, list, where) or []
    if len(items) > _MAX_LAYERS or not all(isinstance(item, dict) for item in items):
        raise SidecarError(f"{where}.{name} must hold objects, {_MAX_LAYERS} at most")
    return [_get(item, "url", str, f"{where}.{name}") for item in items if isinstance(item, dict)]


def _is_dialled(modifier: dict[str, object]) -> bool:
    """False where the modifier's dial stands at zero."""
    channel = _get(modifier, "channel", dict, "scene.modifiers") or {}
    value = channel.get("current_value")
    if isinstance(value, float) and not math.isfinite(value):
        raise SidecarError("scene.modifiers.channel.current_value must be a finite number")
    return value != 0 or isinstance(value, bool)


def _split(url: str | None) -> tuple[tuple[str, ...], str]:
    """The parts of an address in a content library, percent-decoded, and the id in the file it names."""
    path, _, fragment = (url or "").partition("#")
    return _parts(path) if len(path) <= _MAX_URL_CHARS else (), unquote(fragment.partition("?")[0])


@lru_cache(maxsize=256)  # a figure's bones share one path
def _parts(path: str) -> tuple[str, ...]:
    """None for an address that leads elsewhere, or has ``..``, control characters or endless names in it."""
    if not path.startswith("/"):
        return ()
    parts = tuple(_name(unquote(part)) for part in path[1:].split("/"))
    strange = any(not part or part in {".", ".."} or "/" in part or "\\" in part for part in parts)
    return () if strange else parts


def _origin(parts: tuple[str, ...]) -> tuple[str, str]:
    """Vendor and product by the parts of an address; empty where it names none."""
    known = [part.casefold() for part in parts]
    if known[:2] == ["runtime", "textures"] and len(parts) > 3:
        return parts[2], ""  # what follows is as often a category as a product
    if known[:1] != ["data"] or len(parts) < 4 or known[1] in _NO_VENDORS:
        return "", ""
    if known[2] in _BASE_PRODUCTS:
        for at, part in enumerate(known[:-3]):
            if part in _ADD_ONS and not known[at + 2].startswith("base"):
                return parts[at + 1], parts[at + 2]
    return parts[1], parts[2]


def _figure_at(url: str | None) -> BaseFigure | None:
    """The base figure whose root node the address is; its bones are in the same file."""
    parts, node = _split(url)
    stem, _, suffix = parts[-1].casefold().rpartition(".") if parts else ("", "", "")
    return _FIGURES.get(stem) if suffix == "dsf" and node.casefold() == stem else None


def _legacy_figure_at(urls: list[str | None]) -> BaseFigure | None:
    parts = [part.casefold() for url in urls for part in _split(url)[0]]
    return next((figure for start, figure in _LEGACY.items() if any(part.startswith(start) for part in parts)), None)


def _presented(part: dict[str, object]) -> BaseFigure | None:
    """What the presentation of a character says it is made for."""
    where = "scene.presentation"
    kind, base = _get(part, "type", str, where), _get(part, "preferred_base", str, where)
    generation, _, gender = (base or "").strip("/").casefold().partition("/")
    if not (kind or "").startswith("Actor") or gender not in {"female", "male"}:
        return None
    return BaseFigure(generation.title(), gender)


def _character(label: str | None, figure: BaseFigure) -> str | None:
    """A figure's label, where it is not the base figure's own, such as "Genesis 8 Female (2)"."""
    name = _COPY.sub("", _name(label or ""))
    own = name.casefold().startswith(("genesis", figure.generation.casefold()))
    return None if own or not name else name


def _name(text: str) -> str:
    """Text fit to be a name: composed, printable and of bearable length; empty for any other."""
    name = unicodedata.normalize("NFC", text).strip()
    return name if name.isprintable() and len(name) <= _MAX_NAME_CHARS else ""


def _sorted(names: dict[str, str]) -> tuple[str, ...]:
    return tuple(names[key] for key in sorted(names))
