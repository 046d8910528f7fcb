"""A data set's pictures at one resolution, on the disk: where they lie, and the array they are decoded into.

Without torch, so that a process that decodes starts at once and stays small.
"""

from transfer.pictures.cache import Decoded, Request, Skipped, decoded
from transfer.pictures.places import open_data
from transfer.pictures.resize import Pixels, resized

__all__ = ["Decoded", "Pixels", "Request", "Skipped", "decoded", "open_data", "resized"]
