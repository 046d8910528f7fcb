"""The tables' rows as answers beside the truth: what each labeler predicted of faces whose class was declared."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from drfhq_tools.errors import UsageError
from drfhq_tools.manifest.reader import read_columns, read_labels
from drfhq_tools.records import LabelScores
from drfhq_tools.records.labels import VOCABULARY
from drfhq_tools.stats.agreement import ABSTAINED, Agreement, Answer, accuracy, by_group, calibration, confusion
from drfhq_tools.stats.classes import ATTRIBUTES, COLUMNS, UNKNOWN, Columns, declared_words, people

RACE_WORD: Final = "race as declared"
GENDER_AND_RACE_WORD: Final = "gender and race as declared"
GROUPINGS: Final = (*ATTRIBUTES, RACE_WORD, GENDER_AND_RACE_WORD)
"""What accuracy is told by: the declared classes, and the race in its own words, of which FairFace lacks some."""

_Said = Mapping[str, Iterable[LabelScores]]


def read_agreements(data_dir: Path, labeler: str | None = None) -> list[Agreement]:
    """Each labeler, or the one of this name, on each attribute it predicted of a face whose class was declared.

    Raises:
        ManifestError: it is no finished data set.
        UsageError: nobody predicted anything of faces of declared class, or not the labeler named.
    """
    columns: Columns = read_columns(data_dir, COLUMNS).to_pydict()
    agreements = compare(columns, read_labels(data_dir))
    if not agreements:
        raise UsageError(
            f"{data_dir}: no labeler predicted the class of a face whose class is declared, so there is nothing to "
            "compare: build with a labeler that predicts, from pictures with declared labels"
        )
    chosen = [agreement for agreement in agreements if labeler in (None, agreement.labeler)]
    if not chosen:
        names = dict.fromkeys(agreement.labeler for agreement in agreements)
        raise UsageError(f"{data_dir}: no predictions of a labeler {labeler!r}; there are {', '.join(names)}")
    return chosen


def compare(columns: Columns, labels: _Said) -> list[Agreement]:
    """Agreements of the manifest's :data:`~drfhq_tools.stats.classes.COLUMNS` and of all labels by face_id, sorted by
    labeler, then in the vocabulary's order."""
    truths = {
        (face, said.attribute): said.value
        for face, rows in labels.items()
        for said in rows
        if said.status == "declared" and said.value
    }
    groups = _groups(columns, truths)
    answers: defaultdict[tuple[str, str], list[Answer]] = defaultdict(list)
    weights: dict[tuple[str, str], str | None] = {}
    for face, person in zip(columns["face_id"], people(columns), strict=True):
        for said in labels.get(str(face), ()):
            truth = truths.get((str(face), said.attribute))
            if truth is None or not _is_prediction(said):
                continue
            key = (said.labeler, said.attribute)
            weights.setdefault(key, said.weights_sha256)
            answers[key].append(
                Answer(
                    person=person,
                    truth=truth,
                    said=said.value,
                    probabilities=dict(zip(said.classes, said.probabilities, strict=True)),
                    groups=groups[str(face)],
                )
            )
    keys = sorted(answers, key=lambda key: (key[0], ATTRIBUTES.index(key[1])))
    return [_agreement(*key, weights[key], answers[key]) for key in keys]


def _is_prediction(said: LabelScores) -> bool:
    """Predicted, or looked at and too unsure to say."""
    return said.status == "predicted" or (said.status == "unknown" and bool(said.classes))


def _groups(columns: Columns, truths: Mapping[tuple[str, str], str]) -> dict[str, dict[str, str]]:
    """By face_id, its group in each of :data:`GROUPINGS`."""
    groups = {}
    for face, word in zip(columns["face_id"], declared_words(columns, "race"), strict=True):
        own = {attribute: truths.get((str(face), attribute), UNKNOWN) for attribute in ATTRIBUTES}
        race = word or UNKNOWN
        groups[str(face)] = own | {RACE_WORD: race, GENDER_AND_RACE_WORD: f"{own['gender']}, {race}"}
    return groups


def _agreement(labeler: str, attribute: str, weights_sha256: str | None, answers: list[Answer]) -> Agreement:
    matrix = confusion(answers)
    said = Counter(name for row in matrix.values() for name in row)
    columns = _order(attribute, {*matrix, *said} - {ABSTAINED})
    return Agreement(
        labeler=labeler,
        attribute=attribute,
        weights_sha256=weights_sha256,
        matrix={
            truth: {name: matrix[truth].get(name, 0) for name in [*columns, ABSTAINED]}
            for truth in _order(attribute, matrix)
        },
        overall=accuracy(answers),
        groups={
            grouping: {name: found[name] for name in _order(grouping, found)}
            for grouping in GROUPINGS
            for found in [by_group(answers, grouping)]
        },
        calibration=calibration(answers),
    )


def _order(grouping: str, names: Iterable[str]) -> list[str]:
    """In the vocabulary's order, words sorted, unknown last."""
    known = VOCABULARY.get(grouping, ())
    places = {name: place for place, name in enumerate(known)}
    return sorted(names, key=lambda name: (name == UNKNOWN, places.get(name, len(known)), name))
