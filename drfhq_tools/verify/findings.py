"""What is found wrong: the closed list of checks, and a report that stays small however much is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Final

CHECKS: Final[dict[str, tuple[str, str]]] = {
    "tables": ("the three tables: there, readable, of this schema, no nulls but where allowed", "build the set anew"),
    "versions": ("one schema version, one crop size, one landmark scheme", "build the set anew with one version"),
    "commit": ("no run was cut, or is at work", "wait for it, or run the command that was cut again"),
    "names": ("each face once, named by its picture's hash and its number; hashes are hashes", "build the set anew"),
    "images": (
        "every crop there, numbered in order, whole, of its size; no other file",
        "bring the file back, or run `drfhq build` again; move strays out of images/",
    ),
    "pixels": ("every crop decodes to the bytes, pixels and looks its row names", "run `drfhq build` again"),
    "vocabulary": ("genders, age groups, races, statuses, splits from their closed lists", "build the set anew"),
    "geometry": ("quads follow from landmarks, sides and padding from quads", "build the set anew"),
    "ranges": ("every number within what it can be", "build the set anew"),
    "rules": ("every face passes the rules of build.json", "run `drfhq filter` on the set"),
    "labels": ("labels.parquet holds what the manifest settles on, of faces that are there", "build the set anew"),
    "splits": ("a person, a picture and its copies share one split", "run `drfhq build` into a new folder"),
    "duplicates": ("copies of one picture are one group", "run `drfhq build` again"),
    "rejects": ("reasons from the closed list, no face both kept and rejected", "build the set anew"),
    "build.json": (
        "its digests are those of its settings and of the rows, its counts those of the tables",
        "build anew",
    ),
    "removed": ("nothing that was taken out for good", "run `drfhq build` again, or `drfhq remove`"),
    "ratings": ("no mature picture that is not wanted, no minor in one", "run `drfhq build` again"),
}
"""By name: what holds where the check passes, and what to do where it does not."""

DEEP_CHECKS: Final = frozenset({"pixels", "duplicates"})
KEPT_PER_CHECK: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: by which check, where (a file, a row, a face), and what."""

    check: str
    where: str
    what: str

    @property
    def advice(self) -> str:
        """What to do about it."""
        return CHECKS[self.check][1]


@dataclass(slots=True, kw_only=True)
class Report:
    """What a data set was found to be. ``counts`` has every finding; ``findings`` the first of each check, at most
    :data:`KEPT_PER_CHECK`."""

    deep: bool
    faces: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, check: str, where: str, what: str) -> None:
        """Note a finding."""
        self.counts[check] += 1
        if self.counts[check] <= KEPT_PER_CHECK:
            self.findings.append(Finding(check=check, where=where, what=what))

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of the checks made."""
        return tuple(name for name in CHECKS if self.deep or name not in DEEP_CHECKS)

    def to_json(self) -> dict[str, object]:
        """Plain values: clean, faces, deep, checks (findings by name), findings (check, where, what, advice)."""
        return {
            "clean": self.clean,
            "faces": self.faces,
            "deep": self.deep,
            "checks": {name: self.counts[name] for name in self.checks},
            "findings": [{**asdict(finding), "advice": finding.advice} for finding in self.findings],
        }
