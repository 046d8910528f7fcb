"""A folder of pictures with their rows beside: what ``datasets.load_dataset("imagefolder", data_dir=...)`` opens.

``train/``, ``validation/`` and ``test/`` hold the crops under the numbers they have in the data set, and
``metadata.parquet`` with the manifest's columns; its ``file_name`` names the crop, relative to it. Parquet and not
JSON lines, so that a column without a value in one split is of the same type there as in the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from drfhq_tools.atomic import link_or_copy
from drfhq_tools.export.chosen import HUB_SPLITS, Chosen, Progress, choose, silent
from drfhq_tools.export.files import Asked, Exported, ExportedFile, described, put_in_place, staged, standing

METADATA_NAME: Final = "metadata.parquet"


def export_imagefolder(data: Path, out: Path, *, split: str | None = None, progress: Progress = silent) -> Exported:
    """Write the data set in ``data`` to the folder ``out``, one split of it or all; crops are hard links where the disk
    knows them, else copies.

    Raises:
        UsageError: ``out`` holds something else, or there are no such faces.
        DrfhqError: a crop is damaged, or the disk is full.
        ManifestError: there is no data set of this version in ``data``.
    """
    chosen = choose(data, split)
    asked: Asked = {"format": "imagefolder", "manifest_sha256": chosen.digest, "split": split}
    files = standing(out, asked)
    fresh = files is None
    if files is None:
        with staged(out) as staging:
            files = tuple(_write(chosen, staging, progress))
            put_in_place(staging, out, asked, files)
    return Exported(out=out, faces=chosen.table.num_rows, mature=chosen.mature, files=files, fresh=fresh)


def _write(chosen: Chosen, staging: Path, progress: Progress) -> Iterator[ExportedFile]:
    done = 0
    for split, folder in HUB_SPLITS.items():
        part = chosen.of_split(split)
        if not part.table.num_rows:
            continue
        names = [str(path).removeprefix("images/") for path in part.column("image_path")]
        for name, sha256, crop in zip(names, part.column("image_sha256"), part.crops(), strict=True):
            target = staging / folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(chosen.data / "images" / name, target)
            done += len(crop)
            progress(done, chosen.size_bytes)
            yield ExportedFile(path=f"{folder}/{name}", size_bytes=len(crop), sha256=str(sha256))
        table = part.table.add_column(0, pa.field("file_name", pa.string()), pa.array(names))
        pq.write_table(table, staging / folder / METADATA_NAME, compression="zstd")
        yield described(staging / folder / METADATA_NAME, staging)
