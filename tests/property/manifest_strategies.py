"""Hypothesis strategies of the manifest's types."""

from dataclasses import fields, replace

from hypothesis import strategies as st

from drfhq_tools.manifest.schema import SCHEMA_VERSION
from drfhq_tools.records import FaceRecord, Reject, RejectReason
from drfhq_tools.records.labels import AGE_GROUPS, GENDERS, RACES

words = st.text(st.characters(codec="utf-8"), max_size=12)
maybe = st.none() | words
numbers = st.floats(allow_nan=False, allow_infinity=False)
statuses = st.sampled_from(["declared", "predicted", "reviewed", "unknown"])


def _numbers(count: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.lists(numbers, min_size=count, max_size=count).map(tuple)


def _hex(digits: int) -> st.SearchStrategy[str]:
    return st.text("0123456789abcdef", min_size=digits, max_size=digits)


_BY_TYPE = {
    "str": words,
    "int": st.integers(0, 2**40),
    "float": numbers,
    "str | None": maybe,
    "float | None": st.none() | numbers,
    "bool | None": st.none() | st.booleans(),
    "LabelStatus": statuses,
    "tuple[str, ...]": st.lists(words, min_size=1, max_size=3).map(tuple),
    "tuple[str, ...] | None": st.none() | st.lists(words, max_size=3).map(tuple),
    "tuple[float, ...]": _numbers(8),
    "tuple[float, ...] | None": st.none()
    | st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=8).map(tuple),
}

records = st.builds(
    FaceRecord,
    **{field.name: _BY_TYPE[str(field.type)] for field in fields(FaceRecord)}
    | {
        "landmarks": _numbers(6),
        "schema_version": st.just(SCHEMA_VERSION),
        "size_px": st.just(64),
        "phash": _hex(16),
        "phash_fine": _hex(64),
        "landmark_scheme": st.just("ibug68"),
        "gender": st.none() | st.sampled_from(GENDERS),
        "age_group": st.none() | st.sampled_from(AGE_GROUPS),
        "race": st.none() | st.sampled_from(RACES),
    },
)

_whole_file: dict[str, object] = {"face_index": None, "found": None, "measures": None}
_of_a_face = records.map(lambda face: {"source_sha256": None} | {name: getattr(face, name) for name in _whole_file})

rejects = st.builds(
    lambda row, face: replace(row, **face),
    st.builds(
        Reject,
        source_path=words,
        reason=st.sampled_from(list(RejectReason)),
        message=words,
        rule=maybe,
        value=st.none() | numbers,
        threshold=st.none() | numbers,
        source_sha256=maybe,
        **{name: st.none() for name in _whole_file},
    ),
    st.just(_whole_file) | _of_a_face,
)
