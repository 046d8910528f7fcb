"""A build in shares, each its own process on its own machine if need be, and one data set of them all.

A share's pictures are told by their bytes (:mod:`drfhq_tools.sources.folder`), so they depend on no order and copies of
a file stay together. Each works in ``shards/i-of-N`` of the data set's folder: a ledger with the crops, then
``pictures.jsonl``, ``rejects.jsonl`` and ``stats.json``, and last ``done.json``, which says of what it is a share.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from drfhq_tools import __version__
from drfhq_tools.atomic import link_or_copy, write_file
from drfhq_tools.build.assemble import Gathered
from drfhq_tools.build.gather import Gathering, Memory
from drfhq_tools.build.ledger import Ledger, Looked, differing
from drfhq_tools.build.look import Hands
from drfhq_tools.config import BuildConfig, config_from
from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.lock import locked
from drfhq_tools.manifest.reviews import Review
from drfhq_tools.records import Declared, GivenFace, Provenance, Reject, SourceImage
from drfhq_tools.records.columns import picked
from drfhq_tools.sources.base import Found, Scan

SHARDS_NAME: Final = "shards"
_DONE: Final = "done.json"
_PICTURES: Final = "pictures.jsonl"
_REJECTS: Final = "rejects.jsonl"
_STATS: Final = "stats.json"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shard:
    """Share ``index``, from 0, of ``count``."""

    index: int
    count: int

    def __post_init__(self) -> None:
        """Raises UsageError where there is no such share."""
        if not 0 <= self.index < self.count:
            raise UsageError(f"there is no shard {self}: of N shards, i runs from 0 to N - 1")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard that ``text``, as in ``0/4``, names.

        Raises:
            UsageError: it names none.
        """
        try:
            index, count = (int(number) for number in text.split("/"))
        except ValueError as error:
            raise UsageError(f"cannot read the shard {text!r}; write i/N, such as 0/4") from error
        return cls(index=index, count=count)

    def folder(self, data: Path) -> Path:
        """Where it works."""
        return data / SHARDS_NAME / f"{self.index}-of-{self.count}"

    def unmark(self, data: Path) -> None:
        """It is complete no longer."""
        (self.folder(data) / _DONE).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSummary:
    """What a share came to. ``faces`` pass the rules; ``rejects`` counts rows by reason, those that all shares have in
    common included."""

    pictures: int
    faces: int
    rejects: dict[str, int]
    failed_inputs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """All complete shares of one build: settings, pictures, what was seen in each, and where the crops are."""

    config: BuildConfig
    scan: Scan
    seen: Mapping[str, Looked | Reject]
    crops: Mapping[str, Path]

    def gathered(self, scan: Scan, splits: Mapping[str, str], reviews: Mapping[str, Review]) -> Gathered:
        """All rows of the pictures of ``scan``."""
        memory = Memory(ledger=Ledger(Path()), earlier_crops=self.crops)
        gathering = Gathering(scan=scan, memory=memory, config=self.config, reviews=reviews)
        return gathering.describe(self.seen, splits)


def finish_shard(shard: Shard, data: Path, gathering: Gathering, listing: str, hands: Hands) -> ShardSummary:
    """Look at what is left of the share, and mark it as complete; ``listing`` says of what it is a share.

    Unlike a whole build it cuts every face that passes the rules, for which of several copies is the best shows only
    when all shares are there.
    """
    folder = shard.folder(data)
    seen = gathering.see(hands)
    while lacking := gathering.lacking(gathered := gathering.describe(seen, {})):
        seen |= gathering.cut(lacking, seen, hands)
    _settle(gathering.memory, seen.values())
    pictures = (
        {"source": asdict(one.source), "trouble": looked.to_row() if isinstance(looked, Reject) else None}
        for one in gathering.scan.found
        for looked in [seen[one.source.sha256]]
    )
    summary = ShardSummary(
        pictures=gathered.pictures,
        faces=len(gathered.faces),
        rejects=dict(sorted(Counter(reject.reason.value for reject in gathered.rejects).items())),
        failed_inputs=sum(reject.reason.failed_input for reject in gathered.rejects),
    )
    _write_lines(folder / _PICTURES, pictures)
    _write_lines(folder / _REJECTS, (reject.to_row() for reject in gathering.scan.rejects))
    _write_json(folder / _STATS, {"shard": str(shard), **asdict(summary)})
    mark = {"tool_version": __version__, "listing": listing, "settings": asdict(gathering.config)}
    _write_json(folder / _DONE, mark)
    return summary


@contextmanager
def shards_held(data: Path) -> Iterator[None]:
    """Hold all shares there are against processes that would work on them.

    Raises:
        DrfhqError: one is being worked on.
    """
    with ExitStack() as held:
        for folder in sorted((data / SHARDS_NAME).iterdir()):
            if folder.is_dir():
                held.enter_context(locked(folder))
        yield


def read_shards(data: Path) -> Shares:
    """All shares in ``data``.

    Raises:
        UsageError: some are missing or not complete, or they are not of one build.
    """
    shards = _all_shards(data)
    marks = {shard: _mark(shard, data) for shard in shards}
    missing = [str(shard) for shard, mark in marks.items() if mark is None]
    if missing:
        raise UsageError(
            f"{data} lacks the shards {', '.join(missing)}, or they are not complete: run `drfhq build` with"
            f" --shard {missing[0]}" + (" and so on" if len(missing) > 1 else "")
        )
    first, *others = ((shard, mark) for shard, mark in marks.items() if mark)
    for other in others:
        _check_one_build(data, first, other)
    found: list[Found] = []
    seen: dict[str, Looked | Reject] = {}
    crops: dict[str, Path] = {}
    rejects: Counter[Reject] = Counter()
    for shard in shards:
        ledger = Ledger(shard.folder(data))
        for one, looked in _pictures(shard, data, ledger):
            found.append(one)
            seen[one.source.sha256] = looked
            if isinstance(looked, Looked):
                crops |= {face.face_id: ledger.crop(face.face_id) for face in looked.faces}
        # What all shares have in common stands in each; as often as in one of them.
        rejects |= Counter(Reject.from_row(row) for row in _lines(shard.folder(data) / _REJECTS))
    scan = Scan(
        found=tuple(sorted(found, key=lambda one: one.source.path)),
        rejects=tuple(rejects.elements()),
    )
    return Shares(config=config_from(first[1]["settings"]), scan=scan, seen=seen, crops=crops)


def discard_shards(data: Path) -> None:
    """Take all shares away; the marks go first, lest a cut leave what looks complete."""
    for mark in (data / SHARDS_NAME).glob(f"*/{_DONE}"):
        mark.unlink()
    shutil.rmtree(data / SHARDS_NAME, ignore_errors=True)


def forget_in_shards(data: Path, sources: Iterable[str]) -> None:
    """Let go of these pictures, by their hash; shares that had one are complete no longer.

    Raises:
        OSError: a file cannot be removed.
    """
    names = set(sources)
    for folder in (data / SHARDS_NAME).glob("*-of-*"):
        ledger = Ledger(folder)
        if sum(ledger.forget(sha256) for sha256 in names):
            (folder / _DONE).unlink(missing_ok=True)


def _settle(memory: Memory, seen: Iterable[Looked | Reject]) -> None:
    """Bring what is known from an earlier data set into the share, which then stands alone."""
    for looked in seen:
        if not isinstance(looked, Looked):
            continue
        for face in looked.faces:
            crop, ours = memory.crop(face.face_id), memory.ledger.crop(face.face_id)
            if face.image_sha256 and crop != ours:
                ours.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(crop, ours)
        if memory.ledger.read(looked.sha256) != looked:
            memory.ledger.write(looked)


def _all_shards(data: Path) -> list[Shard]:
    """The shards that ought to be there, by what is."""
    names = [folder.name for folder in (data / SHARDS_NAME).iterdir() if folder.is_dir()]
    counts = sorted({name.partition("-of-")[2] for name in names})
    if len(counts) != 1 or not counts[0].isdigit():
        raise UsageError(
            f"{data / SHARDS_NAME} holds shards of several builds ({', '.join(sorted(names))}): delete those not meant"
        )
    return [Shard(index=index, count=int(counts[0])) for index in range(int(counts[0]))]


def _mark(shard: Shard, data: Path) -> dict[str, Any] | None:
    try:
        mark: dict[str, Any] = json.loads((shard.folder(data) / _DONE).read_bytes())
        return mark if {"tool_version", "listing", "settings"} <= set(mark) else None
    except (OSError, ValueError):
        return None


def _check_one_build(data: Path, first: tuple[Shard, dict[str, Any]], other: tuple[Shard, dict[str, Any]]) -> None:
    (one, ours), (another, theirs) = first, other
    what = f"the shards {one} and {another} in {data} were built"
    if ours["tool_version"] != theirs["tool_version"]:
        raise UsageError(f"{what} by different versions of drfhq: build one of them again")
    if ours["settings"] != theirs["settings"]:
        how = differing(config_from(ours["settings"]), config_from(theirs["settings"]))
        raise UsageError(f"{what} with different settings ({how}): build one of them again")
    if ours["listing"] != theirs["listing"]:
        raise UsageError(f"{what} of different pictures or words: --raw changed in between; build the older one again")


def _pictures(shard: Shard, data: Path, ledger: Ledger) -> Iterator[tuple[Found, Looked | Reject]]:
    """Each picture with what was seen in it; its file is not needed any more.

    Raises:
        DrfhqError: an entry or a crop is missing.
    """
    for row in _lines(shard.folder(data) / _PICTURES):
        source = _source(row["source"])
        looked = Reject.from_row(row["trouble"]) if row["trouble"] else ledger.read(source.sha256)
        if looked is None or (isinstance(looked, Looked) and not _has_crops(looked, ledger)):
            raise DrfhqError(f"the shard {shard} in {data} is damaged: delete {ledger.folder} and build it again")
        yield Found(source=source, file=Path(source.path)), looked


def _has_crops(looked: Looked, ledger: Ledger) -> bool:
    return all(ledger.crop(face.face_id).is_file() for face in looked.faces if face.image_sha256)


def _source(row: Mapping[str, Any]) -> SourceImage:
    """Inverse of ``asdict``."""
    faces = (
        GivenFace(landmarks=tuple(face["landmarks"]), box=tuple(face["box"]) if face["box"] else None)
        for face in row["faces"]
    )
    return SourceImage(
        path=row["path"],
        paths=tuple(row["paths"]),
        sha256=row["sha256"],
        size_bytes=row["size_bytes"],
        provenance=Provenance(**picked(row["provenance"], row["provenance"])),
        declared=Declared(**row["declared"]),
        faces=tuple(faces),
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    write_file(path, "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode())


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    write_file(path, (json.dumps(document, indent=2) + "\n").encode())
