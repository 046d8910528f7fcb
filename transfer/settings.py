"""Settings of a training run from a TOML file and from texts NAME=VALUE, checked by name and kind."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import MappingProxyType
from typing import Final

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


def read_toml(path: Path) -> dict[str, object]:
    """The settings in a TOML file, at its top level or under ``[train]``.

    Raises:
        ConfigError: no such file, or no TOML.
    """
    try:
        document: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error
    table = document.get("train", document)
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: train must be a table, [train]")
    return dict(table)


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
        near = difflib.get_close_matches(name, DEFAULTS, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(DEFAULTS)}"
        raise ConfigError(f"there is no training setting {name!r}; {hint}")
    return DEFAULTS[name]


def _mistaken(name: str, value: object, wanted: type) -> ConfigError:
    return ConfigError(f"{name} is {value!r}, must be {_KINDS[wanted]}")
