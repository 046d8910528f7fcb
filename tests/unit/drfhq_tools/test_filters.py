"""Rules: each verdict keeps its value; the first failure names the reject; thresholds act one way."""

from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drfhq_tools.config import BuildConfig, config_from
from drfhq_tools.filters import RULES, judge, reject_for
from drfhq_tools.records import FaceMeasures, RejectReason

GOOD = FaceMeasures(
    quad_repeatability=0.003,
    native_side_px=300.0,
    inter_eye_px=40.0,
    pad_fraction=0.0,
    yaw_deg=-10.0,
    pitch_deg=2.0,
    roll_deg=3.0,
    sharpness=4.0,
    brightness=0.5,
    contrast=0.2,
    under_exposure_prevention=0.9,
    over_exposure_prevention=0.95,
    dynamic_range=6.0,
    illumination_uniformity=0.4,
    compression_artifacts=0.1,
    eyes_open=0.08,
    mouth_closed=0.97,
    left_eye_occlusion=0.3,
    right_eye_occlusion=0.2,
)
CONFIG = BuildConfig(size=256, min_native_ratio=0.5, max_pad_fraction=0.25)
UNKNOWN = {field.name: None for field in fields(FaceMeasures) if field.type == "float | None"}


@pytest.mark.parametrize(
    ("side", "padding", "expected"),
    [
        (128.0, 0.25, None),
        (127.9, 0.0, RejectReason.TOO_SMALL),
        (300.0, 0.2501, RejectReason.TOO_MUCH_PADDING),
        (10.0, 0.9, RejectReason.TOO_SMALL),
    ],
)
def test_thresholds_themselves_pass(side: float, padding: float, expected: RejectReason | None) -> None:
    measures = replace(GOOD, native_side_px=side, pad_fraction=padding)
    verdicts = judge(measures, CONFIG)
    values = {verdict.rule: verdict.value for verdict in verdicts}
    assert (values["min_native_ratio"], values["max_pad_fraction"]) == (side / 256, padding)
    reject = reject_for(verdicts, "a.png", 2, measures)
    assert (reject.reason if reject else None) == expected
    if reject:
        row = reject.to_row()
        assert (row["source_path"], row["face_index"], row["sharpness"]) == ("a.png", 2, 4.0)
        assert row["rule"] in {"min_native_ratio", "max_pad_fraction"}
        assert not reject.reason.failed_input


TIGHT = {
    "min_native_ratio": (2.0, RejectReason.TOO_SMALL),
    "min_inter_eye_px": (41.0, RejectReason.TOO_SMALL),
    "max_pad_fraction": (0.0, RejectReason.TOO_MUCH_PADDING),
    "max_yaw_deg": (9.0, RejectReason.TURNED_AWAY),
    "max_pitch_deg": (1.0, RejectReason.TURNED_AWAY),
    "max_roll_deg": (2.0, RejectReason.TURNED_AWAY),
    "max_quad_repeatability": (0.002, RejectReason.UNSURE_LANDMARKS),
    "min_eyes_open": (0.1, RejectReason.EYES_CLOSED),
    "min_mouth_closed": (0.99, RejectReason.MOUTH_OPEN),
    "min_sharpness": (5.0, RejectReason.BLURRED),
    "min_under_exposure_prevention": (0.95, RejectReason.BADLY_EXPOSED),
    "min_over_exposure_prevention": (0.99, RejectReason.BADLY_EXPOSED),
    "min_dynamic_range": (7.0, RejectReason.BADLY_EXPOSED),
    "min_illumination_uniformity": (0.5, RejectReason.BADLY_EXPOSED),
    "max_compression_artifacts": (0.05, RejectReason.COMPRESSED),
    "max_worse_eye_occlusion": (0.25, RejectReason.EYES_COVERED),
    "max_better_eye_occlusion": (0.1, RejectReason.EYES_COVERED),
}


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_each_rule_alone_rejects_for_its_reason(rule: str) -> None:
    threshold, reason = TIGHT[rule]
    measures = replace(GOOD, pad_fraction=0.1)
    assert all(verdict.keep for verdict in judge(measures, CONFIG))
    verdicts = judge(measures, replace(CONFIG, **{rule: threshold}))  # type: ignore[arg-type]
    assert [verdict.rule for verdict in verdicts if not verdict.keep] == [rule]
    reject = reject_for(verdicts, "a.png", 0, measures)
    assert reject
    assert (reject.reason, reject.rule, reject.threshold) == (reason, rule, threshold)
    assert "{" not in reject.message
    assert f"{threshold:g}" in reject.message


def test_every_bound_in_the_settings_is_a_rule() -> None:
    bounds = {field.name for field in fields(BuildConfig) if field.name.startswith(("min_", "max_"))}
    assert bounds - {"max_megapixels", "min_label_probability"} == {rule.name for rule in RULES}
    derived = {"native_ratio", "worse_eye_occlusion", "better_eye_occlusion"}
    measured = {field.name for field in fields(FaceMeasures)} | derived
    assert {rule.name[4:] for rule in RULES} <= measured


def test_what_was_not_measured_fails_no_rule() -> None:
    known = {f"min_{name}" for name in set(asdict(GOOD)) - set(UNKNOWN)} | {"min_native_ratio", "max_pad_fraction"}
    tight = {rule: threshold for rule, (threshold, _) in TIGHT.items() if rule not in known}
    verdicts = judge(replace(GOOD, **UNKNOWN), config_from({"size": 256, **tight}))  # type: ignore[arg-type]
    assert all(verdict.keep for verdict in verdicts)
    assert {verdict.rule for verdict in verdicts if verdict.value is None} == set(tight)


def _measures() -> st.SearchStrategy[FaceMeasures]:
    size = st.floats(0, 1)
    values = {name: st.none() | size if name in UNKNOWN else size for name in asdict(GOOD)}
    angles = {name: st.none() | st.floats(-180, 180) for name in ("yaw_deg", "pitch_deg", "roll_deg")}
    sides = {"native_side_px": st.floats(0, 512), "inter_eye_px": st.none() | st.floats(0, 100)}
    return st.builds(FaceMeasures, **(values | angles | sides))


@given(
    measures=_measures(), rule=st.sampled_from([rule.name for rule in RULES]), low=st.floats(0, 1), up=st.floats(0, 1)
)
def test_a_looser_threshold_keeps_what_a_tighter_one_keeps(
    measures: FaceMeasures, rule: str, low: float, up: float
) -> None:
    tight, loose = sorted((low, up), reverse=rule.startswith("min"))

    def keeps(threshold: float) -> bool:
        config = replace(CONFIG, **{rule: threshold})  # type: ignore[arg-type]
        return next(verdict.keep for verdict in judge(measures, config) if verdict.rule == rule)

    assert keeps(tight) <= keeps(loose)


@given(measures=_measures())
def test_presets_nest(measures: FaceMeasures) -> None:
    def keeps(settings: dict[str, object]) -> bool:
        return all(verdict.keep for verdict in judge(measures, config_from({"size": 256} | settings)))

    assert keeps({"preset": "lenient"})
    assert keeps({"preset": "strict"}) <= keeps({})
