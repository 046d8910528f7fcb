"""The tables of an evaluation, as rows of words: what Markdown and the page both show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transfer.evaluation.figures import Group, Summary
from transfer.metrics.intervals import Estimate

TITLES: Final[Mapping[str, str]] = {
    "identity": "identity",
    "recognised": "recognised",
    "nearer": "nearer than strangers",
    "identity_resnet": "identity (ResNet)",
    "recognised_resnet": "recognised (ResNet)",
    "landmark_error": "landmark error",
    "skin_delta_e": "skin ΔE2000",
    "reconstruction": "reconstruction",
}
SHARES: Final = ("recognised", "nearer", "recognised_resnet")
_ATTRIBUTES: Final = {"gender": "gender", "age_group": "age group", "race": "race"}
NOT_HELD_OUT: Final = "dlib's ResNet, which is **not held out**: the identity term and the inverter use it"


@dataclass(frozen=True)
class Table:
    """A title, a head and rows, all words."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(summary: Summary) -> list[Table]:
    """Everyone and each group; the gaps; realism."""
    names = [name for name in TITLES if name in summary.overall]
    head = ["group", "people", "portraits", *(TITLES[name] for name in names)]
    everyone = Group("everyone", summary.overall)
    found = [Table("Everyone", head, [_row(everyone, names)])]
    for attribute, groups in summary.groups.items():
        rows = [_row(group, names) for group in groups]
        if len(groups) > 1:
            gaps = [summary.worst[attribute][name] for name in names]
            words = (
                f"{_number(name, gap.gap)} {gap.label}" if gap.label else "–"
                for name, gap in zip(names, gaps, strict=True)
            )
            rows.append(["worst group's gap", "", "", *words])
        found.append(Table(f"By {_ATTRIBUTES[attribute]}", head, rows))
    return [*found, *([_realism(summary)] if summary.realism else []), _sets(summary)]


def to_markdown(summary: Summary, about: Mapping[str, object]) -> str:
    """One document of all tables."""
    lines = [f"# {heading(about)}", "", introduction(summary), ""]
    for table in tables(summary):
        lines += [f"## {table.title}", "", markdown_table(table.head, table.rows)]
    return "\n".join(lines).rstrip() + "\n"


def heading(about: Mapping[str, object]) -> str:
    """What was evaluated, in words."""
    return "Portraits inverted straight into the photo generator" if about.get("direct") else "Portraits made realistic"


def introduction(summary: Summary) -> str:
    """What the figures are, in a few sentences."""
    judge = "the held-out DenseNet" if summary.judge == "densenet" else NOT_HELD_OUT
    return (
        f"{summary.portraits} portraits of {summary.people} people. Identity by {judge}: 1 the same picture, 0"
        " strangers. Recognised: closer to its input than two pictures of one person must be. Nearer than strangers:"
        " nearer to its own input than to that of everyone else of the same race and gender. Landmark error in"
        " distances of the eyes. Brackets: 95 % intervals over people. docs/evaluation.md says what the figures can and"
        " cannot tell."
    )


def estimate_words(name: str, value: Estimate) -> str:
    """Mean and interval, shares as percentages."""
    return value.words(lambda number: _number(name, number))


def _row(group: Group, names: Sequence[str]) -> list[str]:
    first = group.figures["identity"]
    words = [estimate_words(name, group.figures[name]) for name in names]
    return [group.label, str(first.people), str(first.count), *words]


def _number(name: str, value: float) -> str:
    if name in SHARES:
        return f"{100 * value:.0f} %"
    return f"{value:.1f}" if name == "skin_delta_e" else f"{value:.3f}"


def _realism(summary: Summary) -> Table:
    found = summary.realism
    assert found is not None
    head = ["", f"kernel distance to photos ({found.count} each)", "told from photos, AUC", "taken for a photo"]
    rows = [
        ["photos", "", "", f"{100 * found.taken_photos:.0f} %"],
        [
            *("inputs", f"{found.kernel_inputs:.4f} ± {found.kernel_inputs_error:.4f}", f"{found.auc_inputs:.3f}"),
            f"{100 * found.taken_inputs:.0f} %",
        ],
        [
            *("outputs", f"{found.kernel_outputs:.4f} ± {found.kernel_outputs_error:.4f}", f"{found.auc_outputs:.3f}"),
            f"{100 * found.taken_outputs:.0f} %",
        ],
    ]
    return Table("Realism", head, rows)


def _sets(summary: Summary) -> Table:
    head = ["", "identity distance between two", "spread of features", "no face found"]
    rows = [
        [name, *(f"{value:.3f}" for value in (summary.diversity[i], summary.spread[i])), str(summary.missed[i])]
        for i, name in enumerate(("inputs", "outputs"))
    ]
    return Table("Diversity", head, rows)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines, each ended."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(word.replace('|', '/') for word in line)} |\n" for line in lines)
