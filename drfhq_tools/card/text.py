"""Facts and what the maker says → the card's Markdown. Words of the tables are escaped: they may be anyone's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from drfhq_tools.card.front import front_matter
from drfhq_tools.card.weights import weights_used
from drfhq_tools.errors import UsageError
from drfhq_tools.manifest.schema import REASONS
from drfhq_tools.report.facts import gather
from drfhq_tools.report.origins import web_address
from drfhq_tools.stats import UNKNOWN

LONGEST_TABLE: Final = 20
_LONGEST_WORD: Final = 120
_SPECIAL: Final = re.compile(r"([\\`*_\[\]|<>~&$]|^[#+-])")
_TOLD_ELSEWHERE: Final = ("detector", "detector_weights", "labelers", "labeler_weights")
_TITLES: Final = {"gender": "Gender", "age_group": "Age group", "race": "Race"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """What no table tells. ``contact`` is whom to ask for a removal: an address of mail or web; ``repo`` the place on
    the Hub, user/name; ``title`` the data set's name, its folder's where it is None; ``about`` Markdown of the maker's
    own, put under the title as it is."""

    contact: str
    repo: str | None = None
    title: str | None = None
    about: str = ""

    def __post_init__(self) -> None:
        """Raises UsageError where there is no way to ask."""
        if not re.search(r"\S@\S|https?://\S", self.contact):
            raise UsageError(
                f"--contact is {self.contact!r}: give the mail or web address where people ask to be taken out"
            )


def card_text(data: Path, maker: Maker) -> str:
    """The card of the data set in ``data``; the same tables and words give the same text.

    Raises:
        ManifestError: a table or build.json is missing, damaged or of another version.
    """
    facts = gather(data)
    title = plain(maker.title or facts.name)
    text = (
        _environment()
        .get_template("card.md.jinja")
        .render(
            facts=facts,
            maker=maker,
            title=title,
            weights=weights_used(facts.built.config),
            settings=[(name, value) for name, value, usual in facts.settings if not (usual or name in _TOLD_ELSEWHERE)],
            people=len({face.subject_id for face in facts.manifest.faces if face.subject_id}),
        )
    )
    return front_matter(facts, maker.title or facts.name) + "\n\n" + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def plain(text: str) -> str:
    """Anyone's words as Markdown that shows them as they are, on one line and of bearable length."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST_WORD else line[: _LONGEST_WORD - 1] + "…"
    return _SPECIAL.sub(r"\\\1", line)


def linked(text: str, url: str | None) -> str:
    """A link where ``url`` is an address of the web, else the words alone."""
    address = web_address(url)
    if address is None or re.search(r"[\s<>()\\]", address):
        return plain(text)
    return f"[{plain(text)}]({address})"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("drfhq_tools.card", package_path=""),
        autoescape=False,  # noqa: S701  Markdown: words go through `plain`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": plain}
    environment.globals |= {
        "linked": linked,
        "TITLES": _TITLES,
        "UNKNOWN": UNKNOWN,
        "REASONS": REASONS,
        "LONGEST": LONGEST_TABLE,
    }
    return environment
