"""What a data set was built with, ``build.json``, and where the crop of each number lies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drfhq_tools.config import BuildConfig, config_from
from drfhq_tools.errors import ManifestError, UsageError

BUILD_NAME: Final = "build.json"
IMAGES_PER_FOLDER: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What ``build.json`` says a data set was built with, and of how many pictures."""

    config: BuildConfig
    pictures: int
    tool_version: str


def read_build(data: Path) -> Built:
    """Read ``build.json``.

    Raises:
        ManifestError: it is missing or damaged, or this version would cut other crops with the same settings.
    """
    path = data / BUILD_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        built = Built(
            config=config_from(document["settings"]),
            pictures=int(document["counts"]["pictures"]),
            tool_version=str(document["tool_version"]),
        )
        digest = document["pixels_digest"]
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        raise ManifestError(f"cannot read {path} ({error}): build the data set anew") from error
    if digest != built.config.pixels_digest:
        raise ManifestError(f"{data} was built by a version that cuts other crops: build it anew")
    return built


def image_path(number: int) -> str:
    """FFHQ's layout: a folder is named by its first number."""
    return f"images/{number - number % IMAGES_PER_FOLDER:05d}/{number:05d}.png"
