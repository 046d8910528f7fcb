"""The settings of a build: one frozen dataclass, read from TOML and the command line, and its digests.

A setting is here if and only if it can change the data set. How the work is done (workers, paths) is not.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from drfhq_tools.errors import UsageError
from drfhq_tools.hashing import settings_digest

PIXELS_REVISION: Final = 1
"""Raised whenever decoding, detection or alignment begins to give other pixels for the same settings."""

MIN_SIZE_PX: Final = 32
MAX_SIZE_PX: Final = 4096
_PIXEL_SETTINGS: Final = ("size", "detector")
_KINDS: Final = {int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """What a data set is made with."""

    size: int = 1024
    """Width and height of the crops in pixels, 32 to 4096."""

    detector: str = "dlib"
    """The face detector, by name."""

    min_native_ratio: float = 0.5
    """Least side of the face's quad in the source picture, as a share of ``size``; 0 keeps every face."""

    max_pad_fraction: float = 0.25
    """Largest share of the crop that may lie outside the picture, 0 to 1; 1 keeps every face."""

    max_megapixels: float = 200.0
    """Pictures of more pixels than this, by their header, are not decoded: they would fill the memory."""

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
            "max_megapixels": (0.001, 100_000),
            "val_fraction": (0, 1),
            "test_fraction": (0, 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}, must be from {low:g} to {high:g}")
        if self.val_fraction + self.test_fraction >= 1:
            held_out = f"val_fraction {self.val_fraction:g} and test_fraction {self.test_fraction:g}"
            raise UsageError(f"{held_out} leave nothing to train on: their sum must be below 1")

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
        """Hash of what decides which faces stay, and in which split."""
        return settings_digest(self._settings(pixels=False))

    def _settings(self, *, pixels: bool) -> dict[str, object]:
        """Those that decide pixels, or the others; 1 and 1.0 are one value."""
        chosen = {name: value for name, value in asdict(self).items() if (name in _PIXEL_SETTINGS) == pixels}
        return {name: value if isinstance(value, str) else float(value) for name, value in chosen.items()}


def config_from(settings: Mapping[str, object]) -> BuildConfig:
    """A config from plain values by field name; whole numbers are taken for fractions.

    Raises:
        UsageError: an unknown name, a value of another type, or one :class:`BuildConfig` refuses.
    """
    defaults = asdict(BuildConfig())
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(defaults)}"
            raise UsageError(f"there is no build setting {name!r}; {hint}")
        wanted = type(defaults[name])
        if isinstance(value, bool) or not isinstance(value, (int, float) if wanted is float else wanted):
            raise UsageError(f"{name} is {value!r}, must be {_KINDS[wanted]}")
        values[name] = wanted(value)
    return BuildConfig(**values)


def read_toml(path: Path) -> dict[str, object]:
    """The settings in a TOML file, at its top level or under ``[build]``.

    Raises:
        UsageError: no such file, or no TOML.
    """
    try:
        with path.open("rb") as file:
            document: dict[str, object] = tomllib.load(file)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from error
    table = document.get("build", document)
    if not isinstance(table, dict):
        raise UsageError(f"{path}: build must be a table, [build]")
    return dict(table)
