"""What was measured of the faces: how the values lie, and the faces at their worse end.

A measure is a column of the manifest, or a pair of columns seen as one; which end is the worse is said here. Where a
rule of the build bounds it, its threshold is given in the measure's own unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from drfhq_tools.config import BuildConfig
from drfhq_tools.manifest.schema import MANIFEST_COLUMNS
from drfhq_tools.records import FaceMeasures, FaceRecord

BINS: Final = 32
_MEANINGS: Final = {column.name: column.meaning for column in MANIFEST_COLUMNS}


class Measure(NamedTuple):
    """``name`` is a column, or of our own; ``worse`` is its bad end, ``far`` from 0 to either side."""

    name: str
    title: str
    worse: Literal["low", "high", "far"]
    digits: int
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of equal bins from ``low`` to ``high``, of faces kept and left out; values beyond fall in the last bin."""

    low: float
    high: float
    kept: tuple[int, ...]
    left_out: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measure of all faces.

    ``quartiles`` are the least, the quarters' bounds and the greatest of the faces kept; ``limits`` the thresholds in
    force that lie within the histogram; ``constant`` says that all faces, left out ones too, have one value; ``worst``
    are faces with their values.
    """

    measure: Measure
    meaning: str
    histogram: Histogram
    quartiles: tuple[float, float, float, float, float]
    limits: tuple[float, ...]
    constant: bool
    worst: tuple[tuple[FaceRecord, float], ...]


POSE_AND_FRAMING: Final = (
    Measure("yaw_deg", "Turn", "far", 0, "°"),
    Measure("pitch_deg", "Nod", "far", 0, "°"),
    Measure("roll_deg", "Tilt", "far", 0, "°"),
    Measure("native_side_px", "Native size", "low", 0, " px"),
    Measure("pad_fraction", "Padding", "high", 2),
    Measure("quad_repeatability", "Repeatability of the crop", "high", 4),
)
QUALITY: Final = (
    Measure("sharpness", "Sharpness", "low", 1),
    Measure("under_exposure_prevention", "Not too dark", "low", 2),
    Measure("over_exposure_prevention", "Not too bright", "low", 2),
    Measure("dynamic_range", "Dynamic range", "low", 1, " bits"),
    Measure("illumination_uniformity", "Even light", "low", 2),
    Measure("compression_artifacts", "Compression", "high", 2),
    Measure("eyes_open", "Eyes open", "low", 3),
    Measure("mouth_closed", "Mouth closed", "low", 2),
    Measure("eye_occlusion", "Covered eyes", "high", 2),
)
_OWN_MEANINGS: Final = {"eye_occlusion": "probability that something covers an eye, of the eye more likely covered"}


def histogram(
    kept: Sequence[float], left_out: Sequence[float], *, low: float, high: float, bins: int = BINS
) -> Histogram:
    """Finite values in equal bins; ``low`` < ``high``."""
    counts = (np.histogram(np.clip(values, low, high), bins, (low, high))[0].tolist() for values in (kept, left_out))
    inside, outside = (tuple(int(count) for count in each) for each in counts)
    return Histogram(low=low, high=high, kept=inside, left_out=outside)


def round_range(low: float, high: float) -> tuple[float, float]:
    """The bounds moved outwards to a step of 1, 2 or 5 times a power of ten, a tenth of the range or less."""
    span = high - low or abs(high) or 1.0
    step: float = 10.0 ** math.floor(math.log10(span / 10))
    step *= max(factor for factor in (1, 2, 5) if factor * step <= span / 10 * (1 + 1e-9))
    start, stop = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return (start, stop) if start < stop else (start, start + step)


def measured(
    measure: Measure, faces: Sequence[FaceRecord], rejected: Iterable[FaceMeasures], config: BuildConfig, most: int
) -> Measured | None:
    """One measure and the ``most`` faces that are worst by it; None where no face kept has it."""
    value = _value_of(measure.name)
    having = [(face, found) for face in faces if (found := value(face)) is not None and math.isfinite(found)]
    if not having:
        return None
    kept = [number for _, number in having]
    left_out = [found for one in rejected if (found := value(one)) is not None and math.isfinite(found)]
    low, high = round_range(min(kept + left_out), max(kept + left_out))
    if measure.worse == "far":
        low, high = -max(-low, high), max(-low, high)
    quartiles = np.percentile(kept, (0, 25, 50, 75, 100)).tolist()
    return Measured(
        measure=measure,
        meaning=_OWN_MEANINGS.get(measure.name) or _MEANINGS[measure.name],
        histogram=histogram(kept, left_out, low=low, high=high),
        quartiles=(quartiles[0], quartiles[1], quartiles[2], quartiles[3], quartiles[4]),
        limits=tuple(limit for limit in _limits(measure.name, config) if low < limit < high),
        constant=len({*kept, *left_out}) == 1,
        worst=_worst(measure, having, most),
    )


def _worst(
    measure: Measure, having: Sequence[tuple[FaceRecord, float]], most: int
) -> tuple[tuple[FaceRecord, float], ...]:
    """Each copy of a picture once; faces as good as the best are none of the worst."""
    badness: Callable[[float], float] = {"low": lambda v: -v, "high": lambda v: v, "far": abs}[measure.worse]
    best = min(badness(number) for _, number in having)
    worst: dict[str, tuple[FaceRecord, float]] = {}
    for face, number in sorted(having, key=lambda one: (-badness(one[1]), one[0].face_id)):
        if badness(number) == best or len(worst) == most:
            break
        worst.setdefault(face.duplicate_group, (face, number))
    return tuple(worst.values())


def _value_of(name: str) -> Callable[[FaceRecord | FaceMeasures], float | None]:
    return _eye_occlusion if name == "eye_occlusion" else lambda face: getattr(face, name)


def _eye_occlusion(face: FaceRecord | FaceMeasures) -> float | None:
    eyes = [eye for eye in (face.left_eye_occlusion, face.right_eye_occlusion) if eye is not None]
    return max(eyes, default=None)


def _limits(name: str, config: BuildConfig) -> tuple[float, ...]:
    if name == "native_side_px":
        return (config.min_native_ratio * config.size,)
    if name == "eye_occlusion":
        return (config.max_worse_eye_occlusion,)
    limit = next((getattr(config, f"{b}_{name}") for b in ("min", "max") if hasattr(config, f"{b}_{name}")), None)
    if limit is None:
        return ()
    return (-limit, limit) if name.endswith("_deg") else (limit,)
