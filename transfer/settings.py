"""Settings of a training run by name, as a TOML file and texts NAME=VALUE give them, checked by name and kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Final

from drfhq_tools.toml_file import which_there_are
from transfer.config import Schedule, TrainConfig
from transfer.errors import ConfigError

Setting = bool | int | float | str | tuple[str, ...] | tuple[int, ...]

_APART: Final = ("weights", "every", "freeze_mapping", "kimg")
"""Decided by the command and its own options."""
_WHOLE: Final = ("freeze_g",)
"""Lists of whole numbers; other lists are of words."""
_TRUTH: Final = {"true": True, "false": False}
_KINDS: Final = {int: "a whole number", float: "a number", str: "text", bool: "true or false", tuple: "a list"}


def _defaults() -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for kind in (TrainConfig, Schedule):
        found |= {f.name: f.default for f in fields(kind) if f.name not in _APART and f.default is not MISSING}
    return found


DEFAULTS: Final = _defaults()
"""Every setting that a file or NAME=VALUE may give, with its default."""


def configured(
    settings: Mapping[str, object],
    *,
    kimg: float,
    freeze_mapping: bool,
    weights: Mapping[str, float],
    every: Mapping[str, int] = MappingProxyType({}),
) -> tuple[TrainConfig, Schedule]:
    """The config and the schedule that settings by name describe; those not named are at their defaults.

    Raises:
        ConfigError: an unknown name, a value of another kind, or one that the config refuses.
    """
    values = {name: _checked(name, value) for name, value in settings.items()}
    ours = {f.name for f in fields(Schedule)}
    config = {name: value for name, value in values.items() if name not in ours}
    schedule = {name: value for name, value in values.items() if name in ours}
    return (
        TrainConfig(**config, freeze_mapping=freeze_mapping, weights=weights, every=every),  # type: ignore[arg-type]
        Schedule(**schedule, kimg=kimg),  # type: ignore[arg-type]
    )


def parse_settings(assignments: Iterable[str]) -> dict[str, object]:
    """Settings by name from texts NAME=VALUE, lists with commas; the last of a name holds.

    Raises:
        ConfigError: no such setting, or a value of another kind.
    """
    settings: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"cannot read {assignment!r}; write NAME=VALUE, such as path_length=2")
        settings[name] = _read(name, text)
    return settings


def _read(name: str, text: str) -> object:
    default = _default(name)
    try:
        if isinstance(default, tuple):
            words = [word for word in text.split(",") if word]
            return [int(word) for word in words] if name in _WHOLE else words
        return _TRUTH[text.lower()] if isinstance(default, bool) else type(default)(text)
    except (KeyError, ValueError) as error:
        raise _mistaken(name, text, type(default)) from error


def _checked(name: str, value: object) -> Setting:
    """The value as the config holds it; whole numbers are taken for fractions, lists for tuples."""
    wanted = type(_default(name))
    if wanted is tuple and isinstance(value, (list, tuple)):
        kind = int if name in _WHOLE else str
        if all(isinstance(item, kind) for item in value):
            return tuple(value)
    elif wanted is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif type(value) is wanted:
        return value
    raise _mistaken(name, value, wanted)


def _default(name: str) -> Setting:
    if name not in DEFAULTS:
        raise ConfigError(f"there is no training setting {name!r}; {which_there_are(name, DEFAULTS)}")
    return DEFAULTS[name]


def _mistaken(name: str, value: object, wanted: type) -> ConfigError:
    return ConfigError(f"{name} is {value!r}, must be {_KINDS[wanted]}")
