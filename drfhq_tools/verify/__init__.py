"""Whether a data set is what it says: tables against their schema, against each other and against the files.

Rows are read a batch at a time. A glance takes each crop's first and last bytes; a deep look reads, decodes and hashes
every one, and groups copies anew. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from drfhq_tools.build.assemble import STAGING_NAME
from drfhq_tools.errors import ManifestError, UsageError
from drfhq_tools.manifest.reader import LABELS_NAME, MANIFEST_NAME, REJECTS_NAME
from drfhq_tools.manifest.reviews import FILE_NAME as REVIEWS_NAME
from drfhq_tools.manifest.reviews import read_reviews
from drfhq_tools.manifest.schema import LABEL_COLUMNS, MANIFEST_COLUMNS, REJECT_COLUMNS, Column
from drfhq_tools.manifest.tombstones import FILE_NAME, Tombstones, read_tombstones
from drfhq_tools.records import FaceRecord
from drfhq_tools.verify.faces import Settled, problems
from drfhq_tools.verify.findings import CHECKS, Finding, Report
from drfhq_tools.verify.pictures import glance, strays, study
from drfhq_tools.verify.tables import check_tables, rows
from drfhq_tools.verify.whole import Said, Whole, read_said

__all__ = ["CHECKS", "Finding", "Report", "verify"]

Progress = Callable[[str, int, int], None]


def verify(data: Path, *, deep: bool = False, progress: Progress = lambda *_: None) -> Report:
    """Check the data set in ``data``. ``progress`` is called with ``verify``, faces checked, faces there are.

    Raises:
        ManifestError: there is no manifest in ``data``.
    """
    if not (data / MANIFEST_NAME).is_file():
        raise ManifestError(f"no {MANIFEST_NAME} in {data}: not a finished data set; run `drfhq build`")
    report = Report(deep=deep)
    if (data / STAGING_NAME).exists():
        report.add("commit", STAGING_NAME, "a run was cut, or is at work")
    readable = check_tables(data, report)
    said = read_said(data, report)
    if MANIFEST_NAME not in readable:
        return report  # there is nothing to hold the rest against
    whole = Whole(report=report, keep_looks=deep, reviewed=_reviewed(data, report))
    _check_faces(data, whole, said, progress)
    for path in strays(data / "images", report.faces):
        report.add("images", path, "no row names it")
    if LABELS_NAME in readable:
        for row in rows(data / LABELS_NAME, _names(LABEL_COLUMNS)):
            whole.label(row)
    if REJECTS_NAME in readable:
        for row in rows(data / REJECTS_NAME, _names(REJECT_COLUMNS)):
            whole.reject(row)
    whole.finish(said, labels=LABELS_NAME in readable, rejects=REJECTS_NAME in readable)
    return report


def _check_faces(data: Path, whole: Whole, said: Said, progress: Progress) -> None:
    report, stones = whole.report, _tombstones(data, whole.report)
    total = said.counts.get("faces", 0)
    settled = Settled.of(said.config) if said.config else None
    for number, row in enumerate(rows(data / MANIFEST_NAME, _names(MANIFEST_COLUMNS))):
        face = FaceRecord.from_row(row)
        for check, what in problems(face, settled, stones):
            report.add(check, face.face_id, what)
        whole.face(number, face)
        path = data / face.image_path
        wrong = glance(path, face.size_px) if path.is_relative_to(data / "images") else "is not in images/"
        if wrong:
            report.add("images", face.image_path, wrong)
        elif report.deep:
            for what in study(path, face):
                report.add("pixels", face.image_path, what)
        report.faces += 1
        progress("verify", report.faces, max(report.faces, total if isinstance(total, int) else 0))


def _tombstones(data: Path, report: Report) -> Tombstones:
    try:
        return read_tombstones(data / FILE_NAME)
    except UsageError as error:
        report.add("removed", FILE_NAME, str(error))
        return Tombstones()


def _reviewed(data: Path, report: Report) -> frozenset[str] | None:
    """The faces people decided of; a published data set leaves out who they were."""
    try:
        return frozenset(read_reviews(data)) if (data / REVIEWS_NAME).exists() else None
    except ManifestError as error:
        report.add("labels", REVIEWS_NAME, str(error))
        return None


def _names(columns: tuple[Column, ...]) -> list[str]:
    return [column.name for column in columns]
