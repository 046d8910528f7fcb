"""Where the faces come from, by what right they are kept, and how they are dealt to the splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

from drfhq_tools.records import FaceRecord
from drfhq_tools.report.picks import person

SPLITS: Final = ("train", "val", "test")
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Words and how many faces have each, the most frequent first; ``without`` have none."""

    counts: tuple[tuple[str, int], ...]
    without: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence as declared, and where its text is."""

    name: str
    url: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split: its faces, the pictures they are cut from, and people as far as known."""

    name: str
    faces: int
    pictures: int
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """``no_ground`` counts faces with neither licence nor rights basis. ``retrieved`` is the first and the last time,
    as declared."""

    licences: tuple[Licence, ...]
    rights: Tally
    authors: Tally
    hosts: Tally
    ratings: Tally
    detectors: Tally
    figures: Tally
    vendors: Tally
    products: Tally
    no_licence: int
    no_ground: int
    maybe_minors: int
    retrieved: tuple[str, str] | None


def origins(faces: Sequence[FaceRecord]) -> Origins:
    """What the rows say of where they come from."""
    licences = Counter((face.license, face.license_url) for face in faces if face.license)
    times = sorted(face.retrieved_at for face in faces if face.retrieved_at)
    return Origins(
        licences=tuple(Licence(name=name or "", url=url, count=count) for (name, url), count in _ranked(licences)),
        rights=_tally(face.rights_basis for face in faces),
        authors=_tally(face.author for face in faces),
        hosts=_tally(host_of(face.source_url or face.page_url) for face in faces),
        ratings=_tally(face.content_rating for face in faces),
        detectors=_tally(face.detector for face in faces),
        figures=_tally(face.figure_generation for face in faces),
        vendors=_tally_of_several(face.vendors for face in faces),
        products=_tally_of_several(face.products for face in faces),
        no_licence=sum(not face.license for face in faces),
        no_ground=sum(not face.license and not face.rights_basis for face in faces),
        maybe_minors=sum(face.minor is True for face in faces),
        retrieved=(times[0], times[-1]) if times else None,
    )


def splits(faces: Iterable[FaceRecord]) -> tuple[Split, ...]:
    """Every split in its usual order, those nobody is in included."""
    dealt: dict[str, list[FaceRecord]] = {name: [] for name in SPLITS}
    for face in faces:
        dealt.setdefault(face.split, []).append(face)
    return tuple(
        Split(
            name=name,
            faces=len(those),
            pictures=len({face.source_sha256 for face in those}),
            people=len({person(face) for face in those}),
        )
        for name, those in dealt.items()
    )


def host_of(url: str | None) -> str | None:
    """The host an address of the web names; None of anything else."""
    web = web_address(url)
    return urlsplit(web).hostname if web else None


def web_address(url: str | None) -> str | None:
    """``url`` where it is an http or https address that may be linked, else None."""
    try:
        parts = urlsplit(url or "")
        return url if parts.scheme in {"http", "https"} and parts.hostname else None
    except ValueError:  # such as an unfinished IPv6 host
        return None


def _tally(words: Iterable[str | None]) -> Tally:
    counts = Counter(words)
    without = counts.pop(None, 0) + counts.pop("", 0)
    return Tally(counts=tuple((str(word), count) for word, count in _ranked(counts)), without=without)


def _tally_of_several(lists: Iterable[Sequence[str] | None]) -> Tally:
    """A face counts once for each of its words."""
    found = [set(words or ()) for words in lists]
    counts = Counter(word for words in found for word in words)
    return Tally(counts=tuple(_ranked(counts)), without=sum(not words for words in found))


def _ranked(counts: Counter[_Key]) -> list[tuple[_Key, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
