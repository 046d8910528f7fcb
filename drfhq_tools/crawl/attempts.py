"""One attempt's end: the row of ``provenance.parquet``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from drfhq_tools.crawl.outcomes import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

FILE_NAME: Final = "provenance.parquet"
_INTEGERS: Final = frozenset({"status", "tries", "bytes", "run"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What became of one address, found on one page, in one crawl; ``docs/crawl.md`` explains the columns."""

    kind: Literal["page", "image"]
    url: str
    page_url: str | None = None
    final_url: str | None = None
    outcome: Outcome
    message: str | None = None
    status: int | None = None
    tries: int = 0
    bytes: int | None = None
    sha256: str | None = None
    path: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    title: str | None = None
    author: str | None = None
    license: str | None = None
    license_url: str | None = None
    licence_evidence: str | None = None
    tags: tuple[str, ...] = ()
    content_rating: str | None = None
    rights_basis: str
    robots_decision: str | None = None
    optout_signal: str | None = None
    retrieved_at: str
    crawler: str
    run: int
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_row(self) -> dict[str, object]:
        """The columns by name, as plain values; ``metadata`` as JSON text, null where there is none."""
        row: dict[str, object] = {f.name: getattr(self, f.name) for f in fields(self)}
        metadata = json.dumps(dict(self.metadata), ensure_ascii=False, sort_keys=True) if self.metadata else None
        return row | {"outcome": self.outcome.value, "tags": list(self.tags), "metadata": metadata}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_row`; columns unknown to this version are passed over.

        Raises:
            KeyError, TypeError, ValueError: it is no such row.
        """
        values = {f.name: row[f.name] for f in fields(cls)}
        metadata = json.loads(row["metadata"]) if row["metadata"] else {}
        return cls(**values | {"outcome": Outcome(row["outcome"]), "tags": tuple(row["tags"]), "metadata": metadata})


def schema() -> pa.Schema:
    """The columns of ``provenance.parquet``."""
    import pyarrow as pa  # noqa: PLC0415  help needs no pyarrow

    def kind(name: str) -> pa.DataType:
        if name in _INTEGERS:
            return pa.int64()
        return pa.list_(pa.string()) if name == "tags" else pa.string()

    return pa.schema([(f.name, kind(f.name)) for f in fields(Attempt)])
