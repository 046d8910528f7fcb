"""The settings of a build: one frozen dataclass, checked where it is made, and its digests.

A setting is here if and only if it can change the data set. How the work is done (workers, paths) is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from drfhq_tools.errors import UsageError
from drfhq_tools.hashing import settings_digest
from drfhq_tools.toml_file import which_there_are

PIXELS_REVISION: Final = 2
"""Raised whenever decoding, detection or alignment begins to give other pixels for the same settings."""

MIN_SIZE_PX: Final = 32
MAX_SIZE_PX: Final = 4096
DEALING: Final = ("val_fraction", "test_fraction", "split_seed")
"""The settings that decide the splits."""

_PIXEL_SETTINGS: Final = ("size", "detector", "detector_weights")
DETECTOR_NAMES: Final = ("dlib", "dlib-cnn", "yunet", "precomputed")
"""What :mod:`drfhq_tools.detect` has; named here too, so that help needs no detector loaded."""

LABELER_NAMES: Final = ("dlib-gender", "faceapi", "fairface")
"""What :mod:`drfhq_tools.labels` has; named here for the same reason."""

_LABEL_SETTINGS: Final = ("labelers", "labeler_weights", "predict_race", "min_label_probability")
"""Those that decide nothing where no labeler is asked."""

DUPLICATE_POLICIES: Final = ("keep-all", "keep-best")

_PRESET: Final = "preset"
PRESETS: Final[Mapping[str, Mapping[str, float]]] = {
    # Or-El et al. 2020 on FFHQ-Aging, as far as it can be measured here; docs/quality.md says what is missing.
    "strict": {
        "max_pitch_deg": 30.0,
        "max_yaw_deg": 40.0,
        "max_worse_eye_occlusion": 0.9,
        "max_better_eye_occlusion": 0.5,
    },
    "lenient": {"min_native_ratio": 0.0, "max_pad_fraction": 1.0},
}
"""Settings under a name; those given beside it override them."""

_KINDS: Final = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_TRUTH: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What a data set is made with."""

    size: int = 1024
    """Width and height of the crops in pixels, 32 to 4096."""

    detector: str = "dlib"
    """The face detector, by name."""

    detector_weights: str = ""
    """sha256 of the model file of a detector that brings none, filled in by the build; one given here must match."""

    min_native_ratio: float = 0.5
    """Least side of the face's quad in the source picture, as a share of ``size``; 0 keeps every face."""

    max_pad_fraction: float = 0.25
    """Largest share of the crop that may lie outside the picture, 0 to 1; 1 keeps every face."""

    min_inter_eye_px: float = 0.0
    """Least distance of the eyes in the source picture, in pixels; 0 keeps every face."""

    max_yaw_deg: float = 180.0
    """Furthest the head may be turned to either side; 180 keeps every face."""

    max_pitch_deg: float = 180.0
    """Furthest it may be nodded, up or down; 180 keeps every face."""

    max_roll_deg: float = 180.0
    """Furthest it may be tilted to either side; 180 keeps every face."""

    max_quad_repeatability: float = 1.0
    """Furthest the crop may move, as a share of its side, when the face is found again; 1 keeps every face."""

    min_eyes_open: float = 0.0
    """Least opening of the lids over the distance from eyes to chin, 0 to 1, of both eyes; 0 keeps every face."""

    min_mouth_closed: float = 0.0
    """Least closure of the lips, 0 to 1; 0 keeps every face."""

    min_sharpness: float = 0.0
    """Least sharpness, in grey levels; 0 keeps every face."""

    min_under_exposure_prevention: float = 0.0
    """Least share of the face that is not nearly black; 0 keeps every face."""

    min_over_exposure_prevention: float = 0.0
    """Least share of the face that is not nearly white; 0 keeps every face."""

    min_dynamic_range: float = 0.0
    """Least entropy of the face's grey levels in bits, 0 to 8; 0 keeps every face."""

    min_illumination_uniformity: float = 0.0
    """Least agreement of the light on both cheeks, 0 to 1; 0 keeps every face."""

    max_compression_artifacts: float = 1.0
    """Strongest 8×8 blocks in the source picture, 0 to 1; 1 keeps every face."""

    max_worse_eye_occlusion: float = 1.0
    """Surest that the eye more likely covered may be so, 0 to 1; 1 keeps every face."""

    max_better_eye_occlusion: float = 1.0
    """Surest that the other eye may be so, and with it both; 1 keeps every face."""

    max_megapixels: float = 200.0
    """Pictures of more pixels than this, by their header, are not decoded: they would fill the memory."""

    near_radius: int = 4
    """Most bits of 64 in which the perceptual hashes of copies of one picture differ, 0 to 8; 0 knows exact copies."""

    duplicates: str = "keep-all"
    """Of copies of one picture keep all, or ``keep-best``: the largest in its source, then the sharpest."""

    identity_distance: float = 0.0
    """Furthest apart two faces of one person lie by dlib's network, such as 0.42 for renders; 0 does not ask it."""

    labelers: str = ""
    """Networks that say how a face is perceived, by name and separated by commas: the first that is sure enough counts.
    What is declared or reviewed goes before. None is asked by default."""

    labeler_weights: str = ""
    """sha256 of each labeler's weights, separated by commas in the order of ``labelers``; filled in by the build, and
    those given here must match."""

    predict_race: bool = False
    """Whether labelers are asked for race too; else what they say of it is not even stored."""

    min_label_probability: float = 0.6
    """Least probability of a labeler's class, 0 to 1; below it the label is unknown, and its vector stays. 0.6 is what
    Or-El et al. 2020 ask of FFHQ-Aging's ages, of its genders 0.66."""

    keep_mature: bool = False
    """Whether pictures rated mature are kept; their faces that may be a minor's never are."""

    val_fraction: float = 0.05
    """Share of the people and pictures that go to the split ``val``."""

    test_fraction: float = 0.05
    """Share of the people and pictures that go to the split ``test``."""

    split_seed: int = 0
    """Another number deals the splits anew."""

    def __post_init__(self) -> None:
        """Raises UsageError for a value out of range or settings that contradict each other."""
        ranges: dict[str, tuple[float, float]] = {
            "size": (MIN_SIZE_PX, MAX_SIZE_PX),
            "min_native_ratio": (0, 100),
            "max_pad_fraction": (0, 1),
            "min_inter_eye_px": (0, 100_000),
            "max_yaw_deg": (0, 180),
            "max_pitch_deg": (0, 180),
            "max_roll_deg": (0, 180),
            "max_quad_repeatability": (0, 1),
            "min_eyes_open": (0, 1),
            "min_mouth_closed": (0, 1),
            "min_sharpness": (0, 1000),
            "min_under_exposure_prevention": (0, 1),
            "min_over_exposure_prevention": (0, 1),
            "min_dynamic_range": (0, 8),
            "min_illumination_uniformity": (0, 1),
            "max_compression_artifacts": (0, 1),
            "max_worse_eye_occlusion": (0, 1),
            "max_better_eye_occlusion": (0, 1),
            "max_megapixels": (0.001, 100_000),
            "near_radius": (0, 8),
            "identity_distance": (0, 2),
            "min_label_probability": (0, 1),
            "val_fraction": (0, 1),
            "test_fraction": (0, 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}, must be from {low:g} to {high:g}")
        if self.duplicates not in DUPLICATE_POLICIES:
            raise UsageError(f"duplicates is {self.duplicates!r}, must be {' or '.join(DUPLICATE_POLICIES)}")
        self._check_labelers()
        if self.val_fraction + self.test_fraction >= 1:
            held_out = f"val_fraction {self.val_fraction:g} and test_fraction {self.test_fraction:g}"
            raise UsageError(f"{held_out} leave nothing to train on: their sum must be below 1")

    def _check_labelers(self) -> None:
        names, weights = _listed(self.labelers), _listed(self.labeler_weights)
        for name in names:
            if name not in LABELER_NAMES:
                raise UsageError(f"there is no labeler {name!r}; known are {', '.join(LABELER_NAMES)}")
        if len(set(names)) < len(names):
            raise UsageError(f"labelers is {self.labelers!r}, must name each once")
        if weights and len(weights) != len(names):
            raise UsageError(f"labeler_weights has {len(weights)} hashes, must have one for each of labelers, or none")
        if self.predict_race and not names:
            raise UsageError("predict_race asks the labelers for race, but labelers names none")

    def deals_like(self, other: BuildConfig) -> bool:
        """Whether both deal faces to the splits alike, so that those of the one may be kept under the other."""
        return all(getattr(self, name) == getattr(other, name) for name in DEALING)

    @property
    def labeler_hashes(self) -> dict[str, str]:
        """sha256 of the weights by labeler, in the order they count; empty texts where not known yet."""
        names = _listed(self.labelers)
        return dict(zip(names, _listed(self.labeler_weights) or [""] * len(names), strict=True))

    @property
    def max_pixels(self) -> int:
        """``max_megapixels`` in pixels."""
        return round(self.max_megapixels * 1_000_000)

    @property
    def pixels_digest(self) -> str:
        """Hash of what decides the pixels of a crop."""
        return settings_digest({"revision": PIXELS_REVISION, **self._settings(pixels=True)})

    @property
    def rules_digest(self) -> str:
        """Hash of what decides which faces stay, in which split, and what is said of them."""
        return settings_digest(self._settings(pixels=False))

    def _settings(self, *, pixels: bool) -> dict[str, object]:
        """Those that decide pixels, or the others; 1 and 1.0 are one value, and an empty text is none."""
        idle = () if self.labelers else _LABEL_SETTINGS
        values = ((name, value) for name, value in asdict(self).items() if value != "" and name not in idle)
        chosen = {name: value for name, value in values if (name in _PIXEL_SETTINGS) == pixels}
        return {name: value if isinstance(value, str) else float(value) for name, value in chosen.items()}


def _listed(text: str) -> list[str]:
    return text.split(",") if text else []


def config_from(settings: Mapping[str, object]) -> BuildConfig:
    """A config from plain values by field name; whole numbers are taken for fractions.

    ``preset`` may name one of :data:`PRESETS`, which all other settings override.

    Raises:
        UsageError: an unknown name, a value of another type, or one :class:`BuildConfig` refuses.
    """
    defaults = asdict(BuildConfig())
    values: dict[str, Any] = {}
    for name, value in expand_preset(settings).items():
        if name not in defaults:
            raise _unknown(name, defaults)
        wanted = type(defaults[name])
        if isinstance(value, bool) != (wanted is bool) or not isinstance(
            value, (int, float) if wanted is float else wanted
        ):
            raise UsageError(f"{name} is {value!r}, must be {_KINDS[wanted]}")
        values[name] = wanted(value)
    return BuildConfig(**values)


def expand_preset(settings: Mapping[str, object]) -> dict[str, object]:
    """The same settings with ``preset``, where given, replaced by what it stands for; the others override it.

    Raises:
        UsageError: there is no such preset.
    """
    name = settings.get(_PRESET)
    if name is not None and (not isinstance(name, str) or name not in PRESETS):
        raise UsageError(f"there is no preset {name!r}; known are {', '.join(PRESETS)}")
    preset = {} if name is None else dict(PRESETS[name])
    return preset | {key: value for key, value in settings.items() if key != _PRESET}


def parse_settings(assignments: Iterable[str]) -> dict[str, object]:
    """Settings by field name from texts NAME=VALUE, the last of a name holding.

    NAME is a field of :class:`BuildConfig`, or a measure that one rule bounds: ``yaw_deg=30`` is ``max_yaw_deg=30``.

    Raises:
        UsageError: no such setting, or a value of another kind.
    """
    defaults = asdict(BuildConfig())
    settings: dict[str, object] = {}
    for assignment in assignments:
        given, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"cannot read {assignment!r}; write NAME=VALUE, such as yaw_deg=30")
        name = next((name for name in (given, f"max_{given}", f"min_{given}") if name in defaults), None)
        if name is None:
            raise _unknown(given, defaults, [name[4:] for name in defaults if name.startswith(("max_", "min_"))])
        wanted = type(defaults[name])
        try:
            settings[name] = _TRUTH[text.lower()] if wanted is bool else wanted(text)
        except (KeyError, ValueError) as error:
            raise UsageError(f"{name} is {text!r}, must be {_KINDS[wanted]}") from error
    return settings


def _unknown(name: str, known: Iterable[str], short: Iterable[str] = ()) -> UsageError:
    return UsageError(f"there is no build setting {name!r}; {which_there_are(name, known, short)}")
