"""The contract between the builder and whoever reads its data: schema v1, writer and reader of the Parquet tables."""

from drfhq_tools.manifest.reader import Manifest, open_manifest
from drfhq_tools.manifest.schema import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Manifest", "open_manifest"]
