"""The card's front matter: YAML in the words that the Hugging Face Hub knows.

Values are written as JSON, of which YAML is a superset, so no word from a table can end a value early. Licences, size
classes and tasks are of the Hub's closed lists (its document "Dataset Cards").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from drfhq_tools.export import HUB_SPLITS
from drfhq_tools.report.facts import Facts

_CREATIVE_COMMONS: Final = ("by", "by-sa", "by-nc", "by-nc-sa", "by-nc-nd", "by-nd")
_LICENCES: Final = {
    "mit": "mit",
    "apache 2.0": "apache-2.0",
    "cc0": "cc0-1.0",
    "cc0 1.0": "cc0-1.0",
    **{f"cc {kind} {age}": f"cc-{kind}-{age}" for kind in _CREATIVE_COMMONS for age in ("2.0", "3.0", "4.0")},
}
_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_ANNOTATORS: Final = {"declared": "found", "predicted": "machine-generated", "reviewed": "other"}
_TASKS: Final = ("unconditional-image-generation", "image-to-image")
_TAGS: Final = ("faces", "portraits", "rendered", "synthetic", "ffhq-style", "drfhq-style", "stylegan2")


def front_matter(facts: Facts, title: str) -> str:
    """The YAML between two lines ``---``, with both lines."""
    values: dict[str, object] = {
        "pretty_name": title,
        **_licence(facts),
        "task_categories": _TASKS,
        "size_categories": [size_class(len(facts.manifest.faces))],
        "annotations_creators": _annotators(facts),
        "source_datasets": ["original"],
        "tags": _TAGS,
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    return "\n".join(["---", *lines, *_configs(facts), "---"])


def size_class(faces: int) -> str:
    """The Hub's word for a number of rows."""
    return next((word for limit, word in _SIZES if faces < limit), "10M<n<100M")


def hub_licence(name: str) -> str | None:
    """The Hub's word for a licence as people write it (``CC BY-SA 4.0``, ``CC0-1.0``, ``MIT License``), or None."""
    words = " ".join(re.sub(r"licen[cs]e|universal", "", name.casefold().replace("_", " ")).split())
    spaced = re.sub(r"^(cc0|cc|apache)[ -]|[ -](?=\d)", lambda found: found[0].replace("-", " "), words)
    return _LICENCES.get(spaced)


def _licence(facts: Facts) -> dict[str, object]:
    """One word where all faces share it, several where each is known, else ``other``."""
    known = [hub_licence(one.name) for one in facts.origins.licences]
    words = sorted({word for word in known if word})
    if facts.origins.no_licence or None in known or not words:
        return {"license": "other", "license_name": "several, see the table of licences"}
    return {"license": words[0] if len(words) == 1 else words}


def _annotators(facts: Facts) -> list[str]:
    met = {status for one in facts.stats.status.values() for status in one}
    return [word for status, word in _ANNOTATORS.items() if status in met] or ["no-annotation"]


def _configs(facts: Facts) -> Iterable[str]:
    yield "configs:"
    yield "- config_name: default"
    yield "  data_files:"
    for split in facts.splits:
        if split.faces:
            name = HUB_SPLITS.get(split.name, split.name)
            yield f"  - split: {name}"
            yield f'    path: "data/{name}-*"'
