"""Find weights on disk and check that they are what their name says. Nothing here uses the network."""

from __future__ import annotations

import functools
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from drfhq_tools.errors import ModelFileError
from drfhq_tools.hashing import sha256_file
from drfhq_tools.models.registry import REGISTRY, Download, ModelEntry, Package, Registry, entry_of

Status = Literal["present", "missing", "damaged", "in package"]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Weights ready to load, with the hex sha256 of the file: what a record of their use must name."""

    name: str
    path: Path
    sha256: str


def resolve(
    name: str,
    *,
    override: Path | None = None,
    models_dir: Path | None = None,
    registry: Registry = REGISTRY,
) -> ModelFile:
    """The file of the weights called ``name``; never downloads.

    ``override`` is a file of the user's own: taken whatever it holds, its hash telling what it was. Else the file is
    looked for in the installed package or in :func:`models_folder`, and must hold what the registry says.

    Raises:
        UsageError: the registry has no such name.
        ModelFileError: the file is missing, damaged or not readable; the message says how to get it.
    """
    entry = entry_of(name, registry)
    if override is not None:
        if not override.is_file():
            raise ModelFileError(f"{override} is no file; it was to be the weights {name!r}")
        return ModelFile(name, override, _sha256(override))
    path = place_of(entry, models_dir)
    if not path.is_file():
        raise ModelFileError(_how_to_get(entry, path))
    digest = _sha256(path)
    if entry.content is not None and digest != entry.content.sha256:
        raise ModelFileError(
            f"{path} is damaged or another version: its sha256 is {digest}, not {entry.content.sha256}; {_again(entry)}"
        )
    return ModelFile(name, path, digest)


def status_of(entry: ModelEntry, models_dir: Path | None = None) -> Status:
    """How it stands with an entry's file, its content checked.

    Raises:
        ModelFileError: the file is there and cannot be read.
    """
    try:
        path = place_of(entry, models_dir)
    except ModelFileError:
        return "missing"
    if not path.is_file():
        return "missing"
    if entry.content is not None and _sha256(path) != entry.content.sha256:
        return "damaged"
    return "in package" if isinstance(entry.origin, Package) else "present"


def models_folder(models_dir: Path | None = None) -> Path:
    """Where downloaded weights lie: ``models_dir``, else $DRFHQ_MODELS, else the user's cache; it need not exist."""
    if models_dir is not None:
        return models_dir
    named = os.environ.get("DRFHQ_MODELS")
    return (
        Path(named).expanduser() if named else platformdirs.user_cache_path("drfhq-tools", appauthor=False) / "models"
    )


def place_of(entry: ModelEntry, models_dir: Path | None = None) -> Path:
    """Where the entry's file belongs, there or not.

    Raises:
        ModelFileError: the package it is part of, or its file there, is missing.
    """
    if isinstance(entry.origin, Package):
        return package_file(entry.file_name, entry.origin.name)
    return models_folder(models_dir) / entry.file_name


def package_file(file_name: str, package: str = "face_recognition_models") -> Path:
    """Path of ``models/file_name`` in an installed package, content unchecked.

    The package is not imported: face_recognition_models asks for pkg_resources, which current setuptools lacks.

    Raises:
        ModelFileError: the package or the file is missing.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise ModelFileError(f"{file_name} is missing; install it with: pip install {package}")
    path = Path(folders[0]) / "models" / file_name
    if not path.is_file():
        raise ModelFileError(f"{path} is missing; reinstall it with: pip install --force-reinstall {package}")
    return path


def _how_to_get(entry: ModelEntry, path: Path) -> str:
    if isinstance(entry.origin, Download):
        return f"the weights {entry.name!r} are not at {path}; get them with: drfhq models fetch {entry.name}"
    return f"the weights {entry.name!r} are not at {path}; they have no address: put the file there. {entry.caution}"


def _again(entry: ModelEntry) -> str:
    if isinstance(entry.origin, Package):
        return f"reinstall it with: pip install --force-reinstall {entry.origin.name}"
    return f"get it anew with: drfhq models fetch {entry.name}"


def _sha256(path: Path) -> str:
    """Hashed once a process, for as long as size and time stand still.

    Raises:
        ModelFileError: it cannot be read.
    """
    try:
        stat = path.stat()
        return _sha256_once(path.absolute(), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}") from error


@functools.lru_cache(maxsize=64)
def _sha256_once(path: Path, size_bytes: int, mtime_ns: int) -> str:  # noqa: ARG001  the key is what may change
    return sha256_file(path)
