"""Which faces stay: a table of rules, each a stored measure held against a setting. No pixels are needed.

A rule ``max_X`` or ``min_X`` bounds the size of the measure X; for angles both ways. Every verdict is returned, passed
or not. What was not measured fails no rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from drfhq_tools.config import BuildConfig
from drfhq_tools.records import FaceMeasures, Reject, RejectReason, Verdict


class Rule(NamedTuple):
    """``name`` is the setting that holds the threshold; ``message`` is what a reject says, both filled in."""

    name: str
    reason: RejectReason
    message: str


RULES: Final = (
    Rule(
        "min_native_ratio",
        RejectReason.TOO_SMALL,
        "the face's square is {value:.2f} of the output size, the least is {threshold:g}",
    ),
    Rule("min_inter_eye_px", RejectReason.TOO_SMALL, "the eyes are {value:.0f} px apart, the least is {threshold:g}"),
    Rule(
        "max_pad_fraction",
        RejectReason.TOO_MUCH_PADDING,
        "{value:.2f} of the crop lies outside the picture, the most is {threshold:g}",
    ),
    Rule("max_yaw_deg", RejectReason.TURNED_AWAY, "turned by {value:.0f}°, the most is {threshold:g}°"),
    Rule("max_pitch_deg", RejectReason.TURNED_AWAY, "nodded by {value:.0f}°, the most is {threshold:g}°"),
    Rule("max_roll_deg", RejectReason.TURNED_AWAY, "tilted by {value:.0f}°, the most is {threshold:g}°"),
    Rule(
        "max_quad_repeatability",
        RejectReason.UNSURE_LANDMARKS,
        "found again, the crop moves by {value:.3f} of its side, the most is {threshold:g}",
    ),
    Rule("min_eyes_open", RejectReason.EYES_CLOSED, "an eye is open by {value:.3f}, the least is {threshold:g}"),
    Rule("min_mouth_closed", RejectReason.MOUTH_OPEN, "the mouth is closed to {value:.2f}, the least is {threshold:g}"),
    Rule("min_sharpness", RejectReason.BLURRED, "a sharpness of {value:.1f}, the least is {threshold:g}"),
    Rule(
        "min_under_exposure_prevention",
        RejectReason.BADLY_EXPOSED,
        "{value:.2f} of the face is not nearly black, the least is {threshold:g}",
    ),
    Rule(
        "min_over_exposure_prevention",
        RejectReason.BADLY_EXPOSED,
        "{value:.2f} of the face is not nearly white, the least is {threshold:g}",
    ),
    Rule("min_dynamic_range", RejectReason.BADLY_EXPOSED, "a range of {value:.1f} bits, the least is {threshold:g}"),
    Rule(
        "min_illumination_uniformity",
        RejectReason.BADLY_EXPOSED,
        "the cheeks' light agrees to {value:.2f}, the least is {threshold:g}",
    ),
    Rule(
        "max_compression_artifacts",
        RejectReason.COMPRESSED,
        "blocks of a strength of {value:.2f}, the most is {threshold:g}",
    ),
    Rule(
        "max_worse_eye_occlusion",
        RejectReason.EYES_COVERED,
        "an eye is covered with a probability of {value:.2f}, the most is {threshold:g}",
    ),
    Rule(
        "max_better_eye_occlusion",
        RejectReason.EYES_COVERED,
        "both eyes are covered with a probability of {value:.2f} or more, the most is {threshold:g}",
    ),
)
_BY_NAME: Final = {rule.name: rule for rule in RULES}


def judge(measures: FaceMeasures, config: BuildConfig) -> tuple[Verdict, ...]:
    """One verdict a rule, in the order of :data:`RULES`."""
    return tuple(_verdict(rule.name, measures, config) for rule in RULES)


def reject_for(
    verdicts: tuple[Verdict, ...], source_path: str, face_index: int, measures: FaceMeasures
) -> Reject | None:
    """The reject of a face that failed a rule, naming the first it failed; None for a face that stays."""
    failed = next((verdict for verdict in verdicts if not verdict.keep), None)
    if failed is None:
        return None
    rule = _BY_NAME[failed.rule]
    return Reject(
        source_path=source_path,
        face_index=face_index,
        reason=rule.reason,
        message=rule.message.format(value=failed.value, threshold=failed.threshold),
        rule=failed.rule,
        value=failed.value,
        threshold=failed.threshold,
        measures=measures,
    )


def _verdict(rule: str, measures: FaceMeasures, config: BuildConfig) -> Verdict:
    threshold = float(getattr(config, rule))
    bound, measure = rule.split("_", 1)
    derived = _DERIVED.get(measure)
    value = derived(measures, config) if derived else _size(getattr(measures, measure))
    keep = value is None or (value >= threshold if bound == "min" else value <= threshold)
    return Verdict(rule=rule, value=value, threshold=threshold, keep=keep)


def _size(value: float | None) -> float | None:
    return None if value is None else abs(value)


def _eyes(measures: FaceMeasures, *, worse: bool) -> float | None:
    eyes = (measures.left_eye_occlusion, measures.right_eye_occlusion)
    known = [eye for eye in eyes if eye is not None]
    return (max(known) if worse else min(known)) if len(known) == len(eyes) else None


_DERIVED: Final[dict[str, Callable[[FaceMeasures, BuildConfig], float | None]]] = {
    "native_ratio": lambda measures, config: measures.native_side_px / config.size,
    "worse_eye_occlusion": lambda measures, _: _eyes(measures, worse=True),
    "better_eye_occlusion": lambda measures, _: _eyes(measures, worse=False),
}
"""Values of the rules that no one column holds."""
