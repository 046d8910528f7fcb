"""A folder tree of pictures, as artists keep them.

Every regular file is looked at, at any depth: one that starts as a picture does is taken whatever its name, one that is
named as a picture is taken whatever its content. Identical files are one source. Links to folders are followed, each
folder once, after the folders themselves, so that loops end and true paths come first. Folders whose name begins with a
dot are passed over (``.git``, ``.thumbnails``), and so are files that begin with ``._``, which macOS leaves on foreign
disks, and the previews ``x.duf.png`` and ``x.tip.png`` that Daz Studio saves beside a scene ``x.duf``. Paths are
recorded in POSIX form; bytes of a name that are no UTF-8 as ``\\xNN``.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from drfhq_tools.hashing import sha256_bytes, sha256_file
from drfhq_tools.imageio import HEAD_BYTES, SUFFIXES, UNREAD_SUFFIXES, looks_like_picture
from drfhq_tools.records import Reject, RejectReason, SourceImage
from drfhq_tools.sources.base import Found, Scan
from drfhq_tools.sources.duf import PREVIEW_MARKS, read_duf
from drfhq_tools.sources.duf import SUFFIX as SCENE_SUFFIX
from drfhq_tools.sources.sidecar import TABLE_NAMES, Fields, Table, combine, read_json, read_table, table_key

_NAMED_UNMATCHED: Final = 3
_SAMPLE_BYTES: Final = 4096


@dataclass(slots=True)
class _Tree:
    """What the walk met: picture files by recorded path, sidecars, scenes by their path without its suffix, rejects."""

    pictures: dict[str, Path] = field(default_factory=dict)
    tables: dict[str, list[Table]] = field(default_factory=dict)
    json_files: dict[str, Path] = field(default_factory=dict)
    scenes: dict[str, tuple[str, Path]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """The :class:`~drfhq_tools.sources.base.Source` of a folder tree.

    ``on_file`` is called with (files hashed, files to hash): reading a large tree takes a while. ``only`` takes these
    paths alone for pictures; notes on rows that speak of others then mean nothing. ``share`` (i, N) takes the share i,
    from 0, of N: a file's size and a sample of its bytes deal it, so copies go to one share, which reads no other's
    files whole.
    """

    root: Path
    on_file: Callable[[int, int], None] = lambda _done, _total: None
    only: Container[str] | None = None
    share: tuple[int, int] | None = None

    def scan(self) -> Scan:
        """See :class:`~drfhq_tools.sources.base.Source`."""
        tree = _walk(self.root)
        copies: dict[tuple[str, int], list[str]] = {}
        paths = sorted(path for path in tree.pictures if self.only is None or path in self.only)
        said = _Sayings(tree)
        listing = ""
        if self.share:
            paths, listing = _shared(tree, paths, said, self.share)
        for done, path in enumerate(paths, start=1):
            self.on_file(done, len(paths))
            try:
                file = tree.pictures[path]
                copies.setdefault((sha256_file(file), file.stat().st_size), []).append(path)
            except OSError as error:
                tree.rejects.append(_unreadable(path, error))
        found = [self._found(tree, name, paths, said) for name, paths in copies.items()]
        said.note_unmatched()
        rejects = sorted(tree.rejects, key=lambda reject: (reject.source_path, reject.message))
        return Scan(found=tuple(sorted(found, key=lambda f: f.source.path)), rejects=tuple(rejects), listing=listing)

    def _found(self, tree: _Tree, name: tuple[str, int], paths: list[str], said: _Sayings) -> Found:
        sayings = combine([said.of(path) for path in paths])
        if sayings.disputed:
            disputed = ", ".join(sayings.disputed)
            message = f"copies of one file ({', '.join(paths)}) are declared with different {disputed}: unknown"
            tree.rejects.append(Reject(source_path=paths[0], reason=RejectReason.LABEL_NOTE, message=message))
        source = SourceImage(
            path=paths[0],
            paths=tuple(paths),
            sha256=name[0],
            size_bytes=name[1],
            provenance=sayings.provenance,
            declared=sayings.declared,
            faces=sayings.faces,
        )
        return Found(source=source, file=tree.pictures[paths[0]])


class _Sayings:
    """Looks up what sidecars say of a picture, remembering which rows were used; a scene is large, and read once."""

    def __init__(self, tree: _Tree) -> None:
        self._tree = tree
        self._used: set[tuple[str, str]] = set()
        self._scenes: dict[str, Fields] = {}

    def of(self, path: str) -> Fields:
        """All that is said of the picture at ``path``, nearer words over farther ones, and any over its scene's."""
        return self._in_scene(_stem(path)) | self.in_words(path)

    def in_words(self, path: str) -> Fields:
        """The same without its scene."""
        said: Fields = {}
        parts = path.split("/")
        for depth in range(len(parts)):
            key = table_key("/".join(parts[depth:]))
            for table in self._tree.tables.get("/".join(parts[:depth]), ()):
                if key in table.rows:
                    said |= table.rows[key]
                    self._used.add((table.path, key))
        file = self._tree.json_files.get(f"{_stem(path)}.json")
        if file is not None:
            own, rejects = read_json(file, f"{_stem(path)}.json")
            self._tree.rejects.extend(reject for reject in rejects if reject not in self._tree.rejects)
            said |= own
        return said

    def _in_scene(self, stem: str) -> Fields:
        if stem in self._tree.scenes and stem not in self._scenes:
            path, file = self._tree.scenes[stem]
            self._scenes[stem], rejects = read_duf(file, path)
            self._tree.rejects.extend(rejects)
        return self._scenes.get(stem, {})

    def note_unmatched(self) -> None:
        """One note a table that speaks of files which are not there."""
        for table in (table for tables in self._tree.tables.values() for table in tables):
            unmatched = [key for key in table.rows if (table.path, key) not in self._used]
            if unmatched:
                names = ", ".join(unmatched[:_NAMED_UNMATCHED])
                message = f"{len(unmatched)} rows name files that are not pictures here, such as {names}"
                self._tree.rejects.append(
                    Reject(source_path=table.path, reason=RejectReason.LABEL_NOTE, message=message)
                )


def _shared(tree: _Tree, paths: list[str], said: _Sayings, share: tuple[int, int]) -> tuple[list[str], str]:
    """The paths of one share, and a hash of all paths, samples of pictures and scenes, and words."""
    index, count = share
    ours, listing = [], hashlib.sha256()
    for path in paths:
        sample = _sample(tree.pictures[path])
        words = sorted(said.in_words(path).items()) if sample else []  # as of a file that turns out to be unreadable
        scene = tree.scenes.get(_stem(path))
        listing.update(f"{path!r} {sample} {words!r} {_sample(scene[1]) if scene else None}\n".encode())
        if int(sample or "0", 16) % count == index:
            ours.append(path)
    return ours, listing.hexdigest()


def _sample(file: Path) -> str:
    """Hash of a file's size and of the bytes at its start and end: one for copies, cheap where whole files are not;
    empty for a file that cannot be read."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_SAMPLE_BYTES)
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _SAMPLE_BYTES))
            return sha256_bytes(f"{size} ".encode() + head + stream.read())
    except OSError:
        return ""


def _walk(root: Path) -> _Tree:
    tree = _Tree()
    for folder, entries in _folders(root, tree.rejects):
        where = _recorded(folder.relative_to(root))
        for entry in entries:
            path = f"{where}/{_recorded(Path(entry.name))}" if where else _recorded(Path(entry.name))
            _take(tree, where, path, entry)
        tree.tables.get(where, []).sort(key=lambda table: TABLE_NAMES.index(table.path.rpartition("/")[2].lower()))
    tree.pictures = {path: file for path, file in tree.pictures.items() if not _is_preview(tree, path)}
    return tree


def _is_preview(tree: _Tree, path: str) -> bool:
    """Whether a picture is what Daz Studio shows a scene by; it is no render of its own."""
    stem, dot, mark = _stem(path).rpartition(".")
    return dot + mark.lower() in PREVIEW_MARKS and stem in tree.scenes


def _take(tree: _Tree, where: str, path: str, entry: os.DirEntry[str]) -> None:
    """Sort one entry that is no folder into the tree."""
    file = Path(entry.path)
    suffix = file.suffix.lower()
    if entry.name.startswith("._"):
        return
    if not _holds(entry.is_file):
        if suffix in SUFFIXES | UNREAD_SUFFIXES:
            what = "the link leads nowhere" if entry.is_symlink() else "neither a file nor a folder"
            tree.rejects.append(Reject(source_path=path, reason=RejectReason.UNREADABLE, message=what))
    elif entry.name.lower() in TABLE_NAMES:
        table = read_table(file, path)
        tree.tables.setdefault(where, []).append(table)
        tree.rejects.extend(table.rejects)
    elif suffix == ".json":
        tree.json_files[f"{_stem(path)}.json"] = file
    else:
        _take_picture(tree, path, file, suffix)


def _take_picture(tree: _Tree, path: str, file: Path, suffix: str) -> None:
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        if suffix == SCENE_SUFFIX:
            tree.scenes[_stem(path)] = path, file
        elif suffix in SUFFIXES | UNREAD_SUFFIXES:
            tree.rejects.append(_unreadable(path, error))
        return
    if suffix in SUFFIXES or looks_like_picture(head):
        tree.pictures[path] = file
    elif suffix == SCENE_SUFFIX:
        tree.scenes[_stem(path)] = path, file
    elif suffix in UNREAD_SUFFIXES:
        message = f"{suffix} pictures are not read; save it as PNG"
        tree.rejects.append(Reject(source_path=path, reason=RejectReason.UNSUPPORTED_FORMAT, message=message))


def _folders(root: Path, rejects: list[Reject]) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Every folder once, with its entries that are no folders; linked folders after all others."""
    pending, seen = deque([root]), set[Path]()
    while pending:
        folder = pending.popleft()
        try:
            real = folder.resolve()
            if real in seen:
                continue
            seen.add(real)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except (OSError, RuntimeError) as error:
            rejects.append(_unreadable(_recorded(folder.relative_to(root)), error))
            continue
        folders = [entry for entry in entries if _holds(entry.is_dir)]
        yield folder, [entry for entry in entries if entry not in folders]
        for entry in reversed(folders):
            if not entry.name.startswith("."):
                add = pending.append if entry.is_symlink() else pending.appendleft
                add(Path(entry.path))


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link that leads to itself
        return False


def _recorded(path: Path) -> str:
    """POSIX text that UTF-8 can hold; empty for the root itself."""
    text = path.as_posix()
    return "" if text == "." else os.fsencode(text).decode("utf-8", "backslashreplace")


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def _unreadable(path: str, error: Exception) -> Reject:
    reason = getattr(error, "strerror", None) or str(error)
    return Reject(source_path=path or ".", reason=RejectReason.UNREADABLE, message=f"cannot be read: {reason}")
