"""By what right a data set may be published: licences and rights basis by count, and what stands in the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drfhq_tools.errors import DrfhqError
from drfhq_tools.manifest.reader import read_columns
from drfhq_tools.ratings import is_mature

_EXAMPLES: Final = 3
_NONE: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """``licenses`` and ``rights_bases`` count faces by the words declared, ``none`` where there are none;
    ``unlicensed`` counts those with neither."""

    licenses: dict[str, int]
    rights_bases: dict[str, int]
    unlicensed: int


def checked_rights(data: Path, *, allow_unlicensed: bool) -> Rights:
    """What the manifest of ``data`` says of its rights.

    Raises:
        DrfhqError: a face is of a picture rated mature, or has neither licence nor rights basis and that was not
            allowed.
        ManifestError: there is no data set of this version.
    """
    table = read_columns(data, ["source_path", "license", "rights_basis", "content_rating"])
    paths: list[str] = table["source_path"].to_pylist()
    licenses, bases = (
        [(word or "").strip() or _NONE for word in table[name].to_pylist()] for name in ("license", "rights_basis")
    )
    mature = [path for path, word in zip(paths, table["content_rating"].to_pylist(), strict=True) if is_mature(word)]
    if mature:
        raise DrfhqError(
            f"{_said(mature, len(paths))} of pictures rated mature, which are never pushed: take them out with"
            f" `drfhq filter {data} --set keep_mature=false`"
        )
    bare = [path for path, *words in zip(paths, licenses, bases, strict=True) if words == [_NONE, _NONE]]
    if bare and not allow_unlicensed:
        raise DrfhqError(
            f"{_said(bare, len(paths))} of pictures with neither license nor rights_basis: declare them in labels.csv"
            " and build again, or give --allow-unlicensed if you may publish them nonetheless"
        )
    return Rights(licenses=_counted(licenses), rights_bases=_counted(bases), unlicensed=len(bare))


def _said(paths: Sequence[str], total: int) -> str:
    """How many, and some of them."""
    named = list(dict.fromkeys(paths))
    more = ", …" if len(named) > _EXAMPLES else ""
    return f"{len(paths)} of {total} faces ({', '.join(named[:_EXAMPLES])}{more}) are"


def _counted(words: Sequence[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))
