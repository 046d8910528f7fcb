"""One HTML page on a data set: who is in it, how sure that is, what was left out, how good it is, whence it comes.

:mod:`~drfhq_tools.report.facts` gathers it from the tables, :mod:`~drfhq_tools.report.thumbnails` cuts the pictures,
:mod:`~drfhq_tools.report.page` writes it down. The same data set, under the same name, gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drfhq_tools.atomic import write_file
from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.report.facts import gather
from drfhq_tools.report.page import render
from drfhq_tools.report.thumbnails import crop_thumbnails, raw_thumbnails

__all__ = ["REPORT_NAME", "Written", "write_report"]

REPORT_NAME: Final = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where the page lies, its size, and how many pictures could not be shown: crops that are missing or damaged, and
    raw pictures that are missing or changed."""

    path: Path
    size_bytes: int
    missing_crops: int
    missing_raw: int


def write_report(data: Path, *, out: Path | None = None, raw: Path | None = None) -> Written:
    """Write the page on the data set in ``data`` to ``out``, by default :data:`REPORT_NAME` in ``data``.

    What was left out is shown by pictures where ``raw`` is the folder the data set was built from.

    Raises:
        ManifestError: a table or build.json is missing, damaged or of another version.
        UsageError: ``raw`` is no folder.
        DrfhqError: ``out`` cannot be written.
    """
    if raw is not None and not raw.is_dir():
        raise UsageError(f"--raw {raw} is no folder: give the one that {data} was built from")
    facts = gather(data)
    crops = crop_thumbnails(facts.shown_faces, data)
    cut = None if raw is None else raw_thumbnails(facts.shown_rejects, raw, facts.built.config.max_pixels)
    page = render(facts, crops, cut).encode()
    path = data / REPORT_NAME if out is None else out
    try:
        write_file(path, page)
    except OSError as error:
        raise DrfhqError(f"cannot write {path}: {error.strerror or error}; give another --out") from error
    return Written(
        path=path, size_bytes=len(page), missing_crops=crops.missing, missing_raw=0 if cut is None else cut.missing
    )
