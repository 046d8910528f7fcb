"""Hypothesis strategies of the manifest's types."""

from dataclasses import fields

from hypothesis import strategies as st

from drfhq_tools.labels.base import AGE_GROUPS, GENDERS, RACES
from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.records import FaceMeasures, FaceRecord, Reject, RejectReason

words = st.text(st.characters(codec="utf-8"), max_size=12)
maybe = st.none() | words
numbers = st.floats(allow_nan=False, allow_infinity=False)
statuses = st.sampled_from(["declared", "predicted", "reviewed", "unknown"])


def _numbers(count: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.lists(numbers, min_size=count, max_size=count).map(tuple)


_BY_TYPE = {
    "str": words,
    "int": st.integers(0, 2**40),
    "float": numbers,
    "str | None": maybe,
    "float | None": st.none() | numbers,
    "LabelStatus": statuses,
    "tuple[str, ...]": st.lists(words, min_size=1, max_size=3).map(tuple),
    "tuple[float, ...]": _numbers(8),
}

records = st.builds(
    FaceRecord,
    **{field.name: _BY_TYPE[str(field.type)] for field in fields(FaceRecord)}
    | {
        "landmarks": _numbers(6),
        "schema_version": st.just(SCHEMA_VERSION),
        "size_px": st.just(64),
        "landmark_scheme": st.just("ibug68"),
        "gender": st.none() | st.sampled_from(GENDERS),
        "age_group": st.none() | st.sampled_from(AGE_GROUPS),
        "race": st.none() | st.sampled_from(RACES),
    },
)

rejects = st.builds(
    Reject,
    source_path=words,
    reason=st.sampled_from(list(RejectReason)),
    message=words,
    face_index=st.none() | st.integers(0, 100),
    rule=maybe,
    value=st.none() | numbers,
    threshold=st.none() | numbers,
    measures=st.none() | st.builds(FaceMeasures, **{field.name: numbers for field in fields(FaceMeasures)}),
)
