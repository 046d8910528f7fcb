"""Networks on disk: safetensors whose metadata carries the spec, and other tools' layouts, read and written.

Nothing here ever runs what a file names.
"""

from transfer.checkpoints.encoder import load_encoder, save_encoder
from transfer.checkpoints.foreign import LayoutName, Opened, open_checkpoint, write_checkpoint
from transfer.checkpoints.native import Checkpoint, load_checkpoint, save_checkpoint

__all__ = [
    "Checkpoint",
    "LayoutName",
    "Opened",
    "load_checkpoint",
    "load_encoder",
    "open_checkpoint",
    "save_checkpoint",
    "save_encoder",
    "write_checkpoint",
]
