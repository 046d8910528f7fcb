"""What lies in a data set's folder, the contract with whoever reads it: tables of schema v1, and what keeps them."""

from drfhq_tools.manifest.reader import Manifest, open_manifest
from drfhq_tools.manifest.schema import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Manifest", "open_manifest"]
