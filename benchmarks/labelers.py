"""How right the labelers are, on renders and on photo-like faces, as tables in Markdown for docs/labels.md.

    python benchmarks/labelers.py --renders ../shared/renders --photos ../shared/photos/cc0

Both sets are built anew, at 256², asking every labeler whose weights are here, and held to what is declared of them by
``drfhq stats --confusion``. The photos' gender is declared, their age is the one asked for in the prompt each was made
by, which is no measurement of the age a viewer sees.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from drfhq_tools.errors import ModelFileError
from drfhq_tools.labels import LABELERS, labeler_weights
from drfhq_tools.records.labels import VOCABULARY

ROOT = Path(__file__).parents[1]
GROUPINGS = ("gender", "age_group", "race as declared")
Json = Mapping[str, Any]


def prompted(photos: Path, raw: Path) -> None:
    """Fill ``raw`` with the photos and a labels.csv that declares gender, and age by the prompt."""
    labels = json.loads((photos / "labels.json").read_text(encoding="utf-8"))
    with (raw / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "gender", "age_years"])
        for name, said in labels.items():
            (raw / name).symlink_to((photos / name).resolve())
            age = re.search(r"(\d+)-year-old", said["generation"]["prompt"])
            table.writerow([name, said["gender"], age[1] if age else ""])


def confusion(raw: Path, data: Path) -> list[Json]:
    """What ``drfhq stats --confusion`` says of a set built of ``raw``."""
    asked = [word for name in available() for word in ("--labeler", name)]
    race = ["--predict-race"] if "fairface" in asked else []
    build = ["drfhq", "build", "--raw", raw, "--out", data, "--size", 256, *asked, *race]
    done = subprocess.run([str(word) for word in build], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):  # 3: some pictures could not be read
        sys.exit(done.stderr)
    told = subprocess.run(
        ["drfhq", "stats", str(data), "--confusion", "--json"], capture_output=True, text=True, check=True
    )
    return list(json.loads(told.stdout)["confusion"])


def available() -> list[str]:
    """The labelers whose weights are here."""

    def has(name: str) -> bool:
        try:
            return labeler_weights(name).path.is_file()
        except ModelFileError:
            return False

    return [name for name in LABELERS if has(name)]


def table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table in Markdown."""
    yield f"| {' | '.join(header)} |"
    yield "|---" + "|---:" * (len(header) - 1) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def matrix(one: Json) -> Iterator[str]:
    """What was declared, down, and what was said of it, across."""
    said = {name for row in one["matrix"].values() for name, count in row.items() if count}
    columns = [name for name in (*VOCABULARY[one["attribute"]], "abstained") if name in said]
    rows = [[truth, *(str(row.get(name, 0)) for name in columns)] for truth, row in one["matrix"].items()]
    yield from table(["declared", *columns], rows)


def accuracies(ones: list[Json]) -> Iterator[str]:
    """By group, a column a labeler: share right, Wilson's 95 % interval over people, people, faces it abstained of."""
    names: dict[tuple[str, str], None] = {("all", ""): None}
    for one in ones:
        for grouping in GROUPINGS:
            names |= {(grouping, name): None for name in one["groups"].get(grouping, {}) if name != "unknown"}
    rows = []
    for grouping, name in names:
        row = [f"{grouping}: {name}" if name else "**all**"]
        for one in ones:
            found = one["groups"].get(grouping, {}).get(name) if name else one["overall"]
            row.append(cell(found) if found else "")
        rows.append(row)
    yield from table(["", *(one["labeler"] for one in ones)], rows)


def cell(found: Json) -> str:
    """``83 % (74 to 90), 86, 4``."""
    if found["accuracy"] is None:
        return f"abstained of all {found['faces']}"
    low, high = found["wilson_95"]
    return f"{found['accuracy']:.0%} ({low:.0%} to {high:.0%}), {found['people']}, {found['abstained']}"


def calibrations(ones: list[Json]) -> Iterator[str]:
    """Mean confidence against accuracy of each labeler."""
    rows = []
    for one in ones:
        found = one["calibration"]
        rows.append(
            [one["labeler"], *(f"{found[name]:.3f}" for name in ("confidence", "accuracy", "expected_error", "brier"))]
        )
    yield from table(["", "mean confidence", "right", "calibration error", "Brier score"], rows)


def report(title: str, ones: list[Json]) -> Iterator[str]:
    """All tables of one set."""
    yield f"### {title}\n"
    for attribute in VOCABULARY:
        chosen = [one for one in ones if one["attribute"] == attribute]
        if not chosen:
            continue
        yield f"**{attribute}**: right (95 %), people, faces abstained of\n"
        yield from accuracies(chosen)
        yield ""
        yield from calibrations(chosen)
        yield ""
        for one in chosen:
            yield f"{one['labeler']}, {attribute}:\n"
            yield from matrix(one)
            yield ""


def main() -> None:
    """Build, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=Path, required=True, help="a raw folder with labels.csv")
    parser.add_argument("--photos", type=Path, required=True, help="a folder with labels.json: gender and prompt")
    arguments = parser.parse_args()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    print(f"Commit {commit}.\n")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "photos"
        raw.mkdir()
        prompted(arguments.photos, raw)
        for title, source in (("Renders", arguments.renders), ("Photo-like faces", raw)):
            print("\n".join(report(title, confusion(source, Path(folder) / f"{title.split()[0]}-data"))))


if __name__ == "__main__":
    main()
