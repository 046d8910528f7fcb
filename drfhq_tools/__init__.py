"""Build FFHQ-style data sets of rendered faces: sources → detect → align → filters → labels → images and manifest.

For programs: :func:`open_dataset` reads what was built. It is imported when it is first asked for, so that
``drfhq --help`` loads neither torch nor pyarrow; all else is imported from the module that knows it
(``drfhq_tools.align``, ``drfhq_tools.manifest`` …).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from drfhq_tools.dataset import Dataset, open_dataset

__version__ = "0.1.0"
__all__ = ["Dataset", "__version__", "open_dataset"]

_LATER: Final = {"Dataset": "drfhq_tools.dataset", "open_dataset": "drfhq_tools.dataset"}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
