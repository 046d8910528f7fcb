"""Errors a user may meet. Each says what went wrong, where and what to do, and carries its process exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some inputs failed. Trouble with one picture or one face is data
(a reject row), never an exception that leaves the build.
"""


class DrfhqError(Exception):
    """Base of all errors raised on purpose; ``str(error)`` is a message for the user."""

    exit_code = 1


class UsageError(DrfhqError):
    """The request contradicts itself or names something that does not exist."""

    exit_code = 2


class DecodeError(DrfhqError):
    """A file is not a picture we can read. ``reason`` is a word of the closed reject list."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SidecarError(DrfhqError):
    """A label or provenance file cannot be understood."""


class ManifestError(DrfhqError):
    """A manifest is missing, incomplete or breaks its schema."""


class ModelFileError(DrfhqError):
    """Network weights are missing or are not what their name says."""


class MissingExtraError(DrfhqError):
    """An optional dependency is not installed; the message names the extra to install."""

    exit_code = 2
