"""Errors a user may meet in training and inference; exit codes as in :mod:`drfhq_tools.errors`."""

from drfhq_tools.errors import DrfhqError


class TransferError(DrfhqError):
    """Base of this package's errors; ``str(error)`` is a message for the user."""


class ConfigError(TransferError):
    """Settings that contradict each other or the files they are used with."""

    exit_code = 2


class CheckpointError(TransferError):
    """A checkpoint is missing, damaged, or of another shape than asked for."""


class NonFiniteLossError(TransferError):
    """A loss term became NaN or infinite; the message names the term."""


class StorageError(TransferError):
    """The disk is full, or a folder not ours to write."""


class StoppedError(TransferError):
    """A run gave way to a request to stop, after saving itself."""

    exit_code = 130


class NoFaceError(TransferError):
    """A picture holds no face that can be aligned."""


class FaceTooSmallError(NoFaceError):
    """A picture's faces are too small for the generator."""


class OutOfMemoryError(TransferError):
    """Memory did not suffice; the message names what to set lower."""
