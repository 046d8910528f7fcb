"""Which training runs saw which pictures: past manifests' face lists against the folders of runs.

A run's folder holds ``run.json``, an object with ``data_digest``, the hash of the manifest it learned from, and
``split``, the one it took or ``all``. It may keep the pixels it learned from in ``portraits.npy``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from drfhq_tools.errors import UsageError
from drfhq_tools.manifest.history import face_lists

RUN_NAME: Final = "run.json"
CACHE_NAME: Final = "portraits.npy"
_ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBy:
    """A run that saw faces, by face_id; ``cache`` is the file in which it keeps their pixels, None where it is gone."""

    run: str
    data_digest: str
    faces: tuple[str, ...]
    cache: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The runs that saw some of the pictures asked for. ``sources`` are those of them the data set ever had;
    ``unread`` are run folders that could not be read, ``other`` counts runs of other data sets, or of states of this
    one that were not recorded."""

    sources: frozenset[str]
    runs: tuple[SeenBy, ...] = ()
    unread: tuple[str, ...] = ()
    other: int = 0


def exposure(data: Path, sources: Iterable[str], folders: Iterable[Path]) -> Exposure:
    """Who, of the runs anywhere under ``folders``, saw the pictures of these hashes in the data set ``data``.

    Raises:
        UsageError: one of ``folders`` is none.
        ManifestError: a list of faces is damaged.
    """
    faces, known, ever = _faces_by_state(data, sources)
    runs: list[SeenBy] = []
    unread: list[str] = []
    other = 0
    for folder in _run_folders(folders):
        try:
            state = _state(folder)
        except (OSError, ValueError):
            unread.append(str(folder))
            continue
        if state is None:
            continue
        other += state[0] not in known
        if state in faces:
            cache = folder / CACHE_NAME
            kept = str(cache) if cache.exists() else None
            runs.append(SeenBy(run=str(folder), data_digest=state[0], faces=tuple(sorted(faces[state])), cache=kept))
    return Exposure(sources=frozenset(ever), runs=tuple(runs), unread=tuple(unread), other=other)


def _faces_by_state(data: Path, sources: Iterable[str]) -> tuple[dict[tuple[str, str], list[str]], set[str], set[str]]:
    """The pictures' faces by manifest and split, all manifests known, and which pictures any of them has."""
    wanted = pa.array(sorted(sources), pa.string())
    faces: dict[tuple[str, str], list[str]] = {}
    known, ever = set[str](), set[str]()
    for digest, table in face_lists(data):
        known.add(digest)
        for row in table.filter(pc.is_in(table["source_sha256"], value_set=wanted)).to_pylist():
            ever.add(row["source_sha256"])
            for split in (row["split"], _ALL):
                faces.setdefault((digest, split), []).append(row["face_id"])
    return faces, known, ever


def _run_folders(folders: Iterable[Path]) -> Iterator[Path]:
    for top in folders:
        if not top.is_dir():
            raise UsageError(f"--runs {top} is no folder; name the folder that holds your training runs")
        for where, inner, files in os.walk(top):
            inner.sort()
            if RUN_NAME in files:
                yield Path(where)


def _state(folder: Path) -> tuple[str, str] | None:
    """The manifest's hash and the split a run learned from; a run that names none took all. None where it is no run."""
    about = json.loads((folder / RUN_NAME).read_text(encoding="utf-8"))
    if not isinstance(about, dict) or not isinstance(about.get("data_digest"), str):
        return None
    split = about.get("split")
    return about["data_digest"], split if isinstance(split, str) else _ALL
