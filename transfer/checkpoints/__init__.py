"""Networks on disk: safetensors whose metadata carries the spec. Nothing here ever runs what a file names."""

from transfer.checkpoints.native import Checkpoint, load_checkpoint, save_checkpoint

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]
