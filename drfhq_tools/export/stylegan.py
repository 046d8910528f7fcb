"""The zip that NVIDIA's StyleGAN2-ADA and StyleGAN3 train on.

Entries are stored, not compressed: ``00000/img00000000.png``, a thousand a folder, and ``dataset.json`` with
``{"labels": [[name, class], …]}`` or null for ``labels``. Their readers take that key alone; what the numbers mean
stands beside it, in ``attribute`` and ``classes``. Classes are numbered as the vocabulary orders them; ``unknown`` is a
class of its own, the last, so that no face gets a label nobody gave it and none is lost. The archive's dates are fixed,
and its comment says of which data set it is.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Final

from drfhq_tools.atomic import disk_trouble_told, replacing
from drfhq_tools.errors import UsageError
from drfhq_tools.export.chosen import Chosen, Progress, choose, silent
from drfhq_tools.export.files import Asked, Exported, described
from drfhq_tools.records.labels import VOCABULARY

LABEL_NAMES: Final = tuple(VOCABULARY)
UNKNOWN: Final = "unknown"
_PER_FOLDER: Final = 1000
_REVISION: Final = 1


def export_stylegan(
    data: Path, out: Path, *, label: str | None = None, split: str | None = None, progress: Progress = silent
) -> Exported:
    """Write the data set in ``data`` to the zip ``out``, one split of it or all, with an attribute for labels or none.

    Raises:
        UsageError: the crops' side is no power of two, ``out`` is not named like a zip or is something else, there is
            no such attribute, or there are no such faces.
        DrfhqError: a crop is damaged, or the disk is full.
        ManifestError: there is no data set of this version in ``data``.
    """
    if out.suffix != ".zip":
        raise UsageError(f"{out} must end in .zip: by that the trainers know what it is")
    if label is not None and label not in LABEL_NAMES:
        raise UsageError(f"there is no attribute {label!r}; known are {', '.join(LABEL_NAMES)}")
    chosen = choose(data, split)
    _check_size(chosen)
    asked: Asked = {
        "drfhq_export": "stylegan",
        "revision": _REVISION,
        "manifest_sha256": chosen.digest,
        "label": label,
        "split": split,
    }
    comment = json.dumps(asked).encode()
    fresh = not _stands(out, comment)
    if fresh:
        with disk_trouble_told(out), replacing(out) as temporary:
            _write(chosen, temporary, label, comment, progress)
    files = (described(out, out.parent),)
    return Exported(out=out, faces=chosen.table.num_rows, mature=chosen.mature, files=files, fresh=fresh)


def classes_of(label: str, *, with_unknown: bool) -> list[str]:
    """The classes of an attribute in the order of their numbers."""
    return [*VOCABULARY[label], *([UNKNOWN] if with_unknown else [])]


def _check_size(chosen: Chosen) -> None:
    size = int(str(chosen.column("size_px")[0]))
    if size & (size - 1):
        below = 1 << (size.bit_length() - 1)
        raise UsageError(
            f"the crops are {size} pixels wide; StyleGAN takes powers of two alone: build with --size {below} or"
            f" {2 * below}, or export another format"
        )


def _stands(out: Path, comment: bytes) -> bool:
    """Whether ``out`` is the export that is asked for, whole."""
    if not out.exists():
        return False
    try:
        with zipfile.ZipFile(out) as archive:
            if b"drfhq_export" not in archive.comment:
                raise UsageError(f"{out} is no export: choose another --out, or take it away")
            return archive.comment == comment and archive.testzip() is None
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{out} is no zip ({error}): choose another --out, or take it away") from error


def _write(chosen: Chosen, path: Path, label: str | None, comment: bytes, progress: Progress) -> None:
    done = 0
    names = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, crop in enumerate(chosen.crops()):
            names.append(f"{number // _PER_FOLDER:05d}/img{number:08d}.png")
            archive.writestr(_entry(names[-1]), crop)
            done += len(crop)
            progress(done, chosen.size_bytes)
        document = json.dumps(_labels(chosen, names, label))
        archive.writestr(_entry("dataset.json"), document.encode())
        archive.comment = comment


def _labels(chosen: Chosen, names: list[str], label: str | None) -> dict[str, object]:
    if label is None:
        return {"labels": None}
    words = [str(word or UNKNOWN) for word in chosen.column(label)]
    classes = classes_of(label, with_unknown=UNKNOWN in words)
    numbers = [classes.index(word) for word in words]
    return {"labels": list(zip(names, numbers, strict=True)), "attribute": label, "classes": classes}


def _entry(name: str) -> zipfile.ZipInfo:
    """The same on every system and day."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    return entry
