"""Rules: each verdict keeps its value; the first failure names the reject."""

import pytest

from drfhq_tools.config import BuildConfig
from drfhq_tools.filters import judge, reject_for
from drfhq_tools.records import FaceMeasures, RejectReason


def measures(side: float, padding: float) -> FaceMeasures:
    return FaceMeasures(
        native_side_px=side,
        inter_eye_px=40.0,
        pad_fraction=padding,
        yaw_deg=1.0,
        pitch_deg=2.0,
        roll_deg=3.0,
        sharpness=4.0,
        brightness=0.5,
        contrast=0.2,
    )


CONFIG = BuildConfig(size=256, min_native_ratio=0.5, max_pad_fraction=0.25)


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
    found = measures(side, padding)
    verdicts = judge(found, CONFIG)
    assert [(v.rule, v.value) for v in verdicts] == [("min_native_ratio", side / 256), ("max_pad_fraction", padding)]
    reject = reject_for(verdicts, "a.png", 2, found)
    assert (reject.reason if reject else None) == expected
    if reject:
        row = reject.to_row()
        assert (row["source_path"], row["face_index"], row["sharpness"]) == ("a.png", 2, 4.0)
        assert row["rule"] in {"min_native_ratio", "max_pad_fraction"}
        assert not reject.reason.failed_input
