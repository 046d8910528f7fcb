"""Balance: the target is met where cells and cap allow it, and whatever binds, weights are what they claim."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drfhq_tools.balance import Balance, BalanceConfig, balance, cap_weights
from drfhq_tools.errors import UsageError
from drfhq_tools.stats import Target

faces = st.tuples(
    st.sampled_from([None, "female", "male"]),
    st.sampled_from([None, "White", "Black"]),
    st.none() | st.sampled_from("abcdefgh"),
    st.sampled_from("xyz"),
)
proportions = st.fixed_dictionaries({"female": st.integers(0, 5), "male": st.integers(0, 5)}).filter(
    lambda table: any(table.values())
)
targets = st.just(Target()) | proportions.map(lambda table: Target(name="t", proportions={"gender": table}))
everyone = st.lists(faces, min_size=1, max_size=30)


def columns(rows: list[tuple[str | None, ...]]) -> dict[str, list[str | None]]:
    table: dict[str, list[str | None]] = {
        "face_id": [f"f{n}" for n in range(len(rows))],
        "gender": [row[0] for row in rows],
        "race": [row[1] for row in rows],
        "subject_id": [row[2] for row in rows],
        "duplicate_group": [row[3] for row in rows],
        "split": ["train"] * len(rows),
    }
    empty = ("age_group", "race_vocabulary", *(f"{name}_declared" for name in ("gender", "age_group", "race")))
    statuses = {f"{name}_status": ["declared"] * len(rows) for name in ("gender", "age_group", "race")}
    return table | {name: [None] * len(rows) for name in empty} | statuses


def balanced(rows: list[tuple[str | None, ...]], config: BalanceConfig) -> Balance:
    """Of what can be balanced."""
    try:
        return balance(columns(rows), config, "digest")
    except UsageError:
        assume(False)
        raise


@settings(max_examples=150, deadline=None, derandomize=True)
@given(everyone, targets)
def test_the_target_is_met_over_the_cells_that_have_faces(rows: list[tuple[str | None, ...]], target: Target) -> None:
    result = balanced(rows, BalanceConfig(by=("race", "gender"), target=target, max_weight=1000.0))
    reachable = sum(cell.target for cell in result.cells if cell.faces)
    for cell in result.cells:
        assert cell.reached == pytest.approx(cell.target / reachable if cell.faces else 0, abs=1e-9)
    weights = np.array([face.weight for face in result.weights.faces])
    assert weights[weights > 0].mean() == pytest.approx(1)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(everyone, targets, st.floats(1, 3), st.booleans())
def test_whatever_binds(rows: list[tuple[str | None, ...]], target: Target, largest: float, subset: bool) -> None:
    config = BalanceConfig(by=("race", "gender"), target=target, max_weight=largest, subset=subset)
    result = balanced(rows, config)
    weights = np.array([face.weight for face in result.weights.faces])
    wanted = {", ".join(cell.cell) for cell in result.cells if cell.target}
    assert weights.max() <= largest * (1 + 1e-9)
    assert all(face.cell in wanted or face.weight == 0 for face in result.weights.faces)
    assert 0 < result.effective_people <= result.effective_faces * (1 + 1e-9) <= len(rows) * (1 + 1e-9)
    if subset:
        assert set(weights) <= {0, 1}
    else:
        assert all((face.weight > 0) == (face.cell in wanted) for face in result.weights.faces)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(everyone)
def test_an_even_subset_has_equal_cells(rows: list[tuple[str | None, ...]]) -> None:
    result = balanced(rows, BalanceConfig(by=("race", "gender"), subset=True))
    present = [cell for cell in result.cells if cell.faces]
    assert len({round(cell.reached, 9) for cell in present}) == 1
    assert min(cell.faces for cell in present) == sum(face.weight for face in result.weights.faces) / len(present)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(everyone, targets)
def test_with_what_is_missing_the_target_is_met_by_counts(rows: list[tuple[str | None, ...]], target: Target) -> None:
    result = balanced(rows, BalanceConfig(by=("gender",), target=target))
    kept = [cell for cell in result.cells if cell.target]
    total = sum(cell.faces + cell.missing for cell in kept)
    for cell in kept:
        assert abs(cell.faces + cell.missing - cell.target * total) <= len(kept)
    assert min(cell.missing for cell in kept) == 0


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40), st.floats(1, 10))
def test_capped_weights_keep_their_mean_and_order(weights: list[float], largest: float) -> None:
    before = np.array(weights)
    after = cap_weights(before, largest)
    assert after.mean() == pytest.approx(1)
    assert after.max() <= largest * (1 + 1e-9)
    assert (np.diff(after[np.argsort(before)]) >= -1e-9).all()
