"""The schema as documents: JSON for programs that don't read Arrow, tables for people.

``python -m drfhq_tools.manifest.document manifests`` writes both anew; a golden test holds them to the schema.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from drfhq_tools.manifest.schema import (
    LABEL_COLUMNS,
    MANIFEST_COLUMNS,
    REASONS,
    REJECT_COLUMNS,
    SCHEMA_VERSION,
    Column,
)


def as_json() -> str:
    """The schema as a JSON document for programs that don't read Arrow."""
    tables = {"manifest": MANIFEST_COLUMNS, "labels": LABEL_COLUMNS, "rejects": REJECT_COLUMNS}
    document = {
        "schema_version": SCHEMA_VERSION,
        "tables": {
            f"{name}.parquet": [c._replace(type=str(c.type))._asdict() for c in columns]
            for name, columns in tables.items()
        },
        "reject_reasons": {
            reason.value: {"meaning": meaning, "failed_input": reason.failed_input}
            for reason, meaning in REASONS.items()
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_markdown(columns: tuple[Column, ...]) -> str:
    """A table of the columns for people."""
    lines = ["| column | type | null | meaning |", "|---|---|---|---|"]
    lines += [f"| {c.name} | {c.type} | {'yes' if c.nullable else ''} | {c.meaning} |" for c in columns]
    return "\n".join(lines)


def reasons_as_markdown() -> str:
    """A table of the reject reasons for people."""
    lines = ["| reason | exit 3 | meaning |", "|---|---|---|"]
    lines += [f"| {reason} | {'yes' if reason.failed_input else ''} | {text} |" for reason, text in REASONS.items()]
    return "\n".join(lines)


def fill(text: str) -> str:
    """``text`` with what stands between each ``<!-- NAME -->`` and ``<!-- end -->`` made anew."""
    tables = {
        "manifest": as_markdown(MANIFEST_COLUMNS),
        "labels": as_markdown(LABEL_COLUMNS),
        "rejects": as_markdown(REJECT_COLUMNS),
        "reasons": reasons_as_markdown(),
    }
    for name, table in tables.items():
        opening = f"<!-- {name} -->\n"
        before, rest = text.split(opening, 1)
        text = f"{before}{opening}{table}\n<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    return text


def write_documents(folder: Path) -> None:
    """Write ``schema/drfhq-v1.json`` and fill the tables of ``README.md`` in ``folder``."""
    readme = folder / "README.md"
    (folder / "schema" / f"drfhq-v{SCHEMA_VERSION}.json").write_text(as_json(), encoding="utf-8", newline="\n")
    readme.write_text(fill(readme.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_documents(Path(sys.argv[1]))
