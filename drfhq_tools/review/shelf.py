"""What the page shows of a data set: every face in a few words and numbers at once, all of one face when asked.

Only pictures that the manifest names and that lie in the data set's folder ``images`` are ever opened: a manifest may
come from anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from drfhq_tools.manifest.reader import MANIFEST_NAME, read_columns, read_labels, read_rejects
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS
from drfhq_tools.ratings import is_mature
from drfhq_tools.records import LabelScores, RejectReason
from drfhq_tools.records.labels import VOCABULARY

Mark = tuple[int, int, int]
_UNSEEN: Final = frozenset({"landmarks", "identity_embedding"})  # long, and nothing to look at
_READ: Final = tuple(column for column in MANIFEST_COLUMNS if column.name not in _UNSEEN)
_TEXTS: Final = ("face_id", "source_path", "author", "title", "subject_id", "split")
_STATUSES: Final = ("unknown", "predicted", "declared", "reviewed")
_FIGURES: Final = 4
LEFT_OUT: Final = "left out"
MEASURES: Final = tuple(
    column for column in _READ if column.type == pa.float64() and not column.name.endswith("_probability")
)
"""The columns to sort by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A data set as it was at ``mark``: its faces in image order, then those that reviews took out, whose ``split`` is
    :data:`LEFT_OUT`, so that a verdict can be taken back after it was applied."""

    data: Path
    mark: Mark
    table: pa.Table
    numbers: Mapping[str, int]
    labels: Mapping[str, Sequence[LabelScores]]

    def __contains__(self, face_id: str) -> bool:
        return face_id in self.numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def picture(self, face_id: str) -> Path | None:
        """The file of a face's crop; None where there is no such face or its path leads out of the images."""
        if face_id not in self:
            return None
        images = (self.data / "images").resolve()
        path = (self.data / str(self._value("image_path", face_id) or "")).resolve()
        return path if path.is_relative_to(images) and path.is_file() else None

    def picture_sha256(self, face_id: str) -> str:
        """Of a face's crop, by the manifest."""
        return str(self._value("image_sha256", face_id))

    def all_faces(self) -> dict[str, object]:
        """What there is to filter and sort by, as plain values, column by column: classes and statuses as numbers into
        ``vocabulary`` and ``statuses`` (-1: unknown), measures to four figures."""
        columns = {name: self.table[name].to_pylist() for name in _TEXTS}
        return {
            "name": self.data.resolve().name,
            "vocabulary": VOCABULARY,
            "statuses": _STATUSES,
            "left_out": LEFT_OUT,
            "measures": [{"name": column.name, "meaning": column.meaning} for column in MEASURES],
            "faces": {
                **columns,
                "mature": [int(is_mature(rating)) for rating in self.table["content_rating"].to_pylist()],
                **{name: self._codes(name, classes) for name, classes in VOCABULARY.items()},
                **{f"{name}_status": self._codes(f"{name}_status", _STATUSES) for name in VOCABULARY},
                **{f"{name}_probability": self._rounded(f"{name}_probability") for name in VOCABULARY},
                **{column.name: self._rounded(column.name) for column in MEASURES},
            },
        }

    def one_face(self, face_id: str) -> dict[str, object] | None:
        """Its row, and all labels of it; None where there is no such face."""
        if face_id not in self:
            return None
        row: dict[str, object] = self.table.slice(self.numbers[face_id], 1).to_pylist()[0]
        return {"row": row, "labels": [asdict(scores) for scores in self.labels.get(face_id, ())]}

    def _value(self, column: str, face_id: str) -> object:
        value: object = self.table[column][self.numbers[face_id]].as_py()
        return value

    def _codes(self, column: str, words: Sequence[str]) -> list[int]:
        codes: dict[str | None, int] = {word: code for code, word in enumerate(words)}
        return [codes.get(word, -1) for word in self.table[column].to_pylist()]

    def _rounded(self, column: str) -> list[float | None]:
        return [None if value is None else float(f"{value:.{_FIGURES}g}") for value in self.table[column].to_pylist()]


def open_shelf(data: Path) -> Shelf:
    """The data set in ``data``.

    Raises:
        ManifestError: no whole data set of this version there.
    """
    mark = mark_of(data) or (0, 0, 0)  # first: a data set that is replaced meanwhile is then seen to be another
    table = read_columns(data, [column.name for column in _READ]).select([column.name for column in _READ])
    table = pa.concat_tables([table, _left_out(data, table.schema)])
    numbers = {face_id: number for number, face_id in enumerate(table["face_id"].to_pylist())}
    return Shelf(data=data, mark=mark, table=table, numbers=numbers, labels=read_labels(data))


def _left_out(data: Path, schema: pa.Schema) -> pa.Table:
    """Rows of the faces that an earlier review took out: no crop is left, and what their table lacks is null."""
    rows = {}
    for reject in read_rejects(data):
        if reject.reason is RejectReason.REVIEWED and reject.candidate is not None:
            unknown = {f"{name}_status": "unknown" for name in VOCABULARY}
            row = {**reject.to_row(), **unknown, "face_id": reject.candidate.face_id, "split": LEFT_OUT}
            rows[reject.candidate.face_id] = {name: row.get(name) for name in schema.names}
    return pa.Table.from_pylist(list(rows.values()), schema=schema)


def mark_of(data: Path) -> Mark | None:
    """What tells one state of a data set from the next, without reading it; None while there is none."""
    try:
        stat = (data / MANIFEST_NAME).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
