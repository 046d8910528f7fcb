"""Weights: where they come from, under which licence, and whether the file at hand is the one meant.

``registry`` lists them, ``store`` finds and checks files and never uses the network, ``download`` fetches. A build
calls :func:`resolve`, which downloads nothing; ``drfhq models fetch`` calls :func:`fetch`.
"""

from drfhq_tools.models.download import Patience, fetch
from drfhq_tools.models.registry import REGISTRY, Content, Download, ModelEntry, Package, Registry, entry_of
from drfhq_tools.models.store import ModelFile, Status, models_folder, package_file, resolve, status_of

__all__ = [
    "REGISTRY",
    "Content",
    "Download",
    "ModelEntry",
    "ModelFile",
    "Package",
    "Patience",
    "Registry",
    "Status",
    "entry_of",
    "fetch",
    "models_folder",
    "package_file",
    "resolve",
    "status_of",
]
