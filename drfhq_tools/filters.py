"""Which faces stay: pure rules, each a measure held against a threshold. Every verdict is returned, passed or not."""

from __future__ import annotations

from typing import Final

from drfhq_tools.config import BuildConfig
from drfhq_tools.records import FaceMeasures, Reject, RejectReason, Verdict

_REASONS: Final = {
    "min_native_ratio": RejectReason.TOO_SMALL,
    "max_pad_fraction": RejectReason.TOO_MUCH_PADDING,
}
_MESSAGES: Final = {
    "min_native_ratio": "the face's square is {value:.2f} of the output size, the least is {threshold:g}",
    "max_pad_fraction": "{value:.2f} of the crop lies outside the picture, the most is {threshold:g}",
}


def judge(measures: FaceMeasures, config: BuildConfig) -> tuple[Verdict, ...]:
    """One verdict a rule, in a fixed order."""
    ratio = measures.native_side_px / config.size
    padding = measures.pad_fraction
    return (
        _verdict("min_native_ratio", ratio, config.min_native_ratio, ratio >= config.min_native_ratio),
        _verdict("max_pad_fraction", padding, config.max_pad_fraction, padding <= config.max_pad_fraction),
    )


def reject_for(
    verdicts: tuple[Verdict, ...], source_path: str, face_index: int, measures: FaceMeasures
) -> Reject | None:
    """The reject of a face that failed a rule, naming the first it failed; None for a face that stays."""
    failed = next((verdict for verdict in verdicts if not verdict.keep), None)
    if failed is None:
        return None
    return Reject(
        source_path=source_path,
        face_index=face_index,
        reason=_REASONS[failed.rule],
        message=_MESSAGES[failed.rule].format(value=failed.value, threshold=failed.threshold),
        rule=failed.rule,
        value=failed.value,
        threshold=failed.threshold,
        measures=measures,
    )


def _verdict(rule: str, value: float, threshold: float, keep: bool) -> Verdict:
    return Verdict(rule=rule, value=value, threshold=threshold, keep=keep)
