"""A built data set in the layouts that others read: Parquet for the Hub, a folder of pictures, StyleGAN's zip.

The same data set and settings give the same bytes, with one version of pyarrow. An export appears whole or not at all,
and of crops that are what the manifest says. Pictures rated mature are in a data set only where its owner asked for
them (``keep_mature``), and then in its exports too; how many is told. Nothing here publishes.
"""

from drfhq_tools.export.chosen import HUB_SPLITS, Progress
from drfhq_tools.export.files import Exported, ExportedFile
from drfhq_tools.export.imagefolder import export_imagefolder
from drfhq_tools.export.parquet import export_parquet, features
from drfhq_tools.export.stylegan import LABEL_NAMES, classes_of, export_stylegan

__all__ = [
    "HUB_SPLITS",
    "LABEL_NAMES",
    "Exported",
    "ExportedFile",
    "Progress",
    "classes_of",
    "export_imagefolder",
    "export_parquet",
    "export_stylegan",
    "features",
]
