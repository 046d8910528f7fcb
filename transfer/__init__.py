"""Fine-tune StyleGAN2 on a manifest of rendered faces with identity kept, and decode renders as realistic portraits.

For programs: :class:`RenderedToReal` and what it takes and gives. They are imported when they are first asked for, so
that ``import transfer`` and ``transfer --help`` load no torch.

Images in this package are NCHW float in [-1, 1], RGB, FFHQ-aligned squares; the one place that converts to and from
the HWC uint8 of :mod:`drfhq_tools` is :mod:`transfer.data`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from transfer.render2real import RenderedToReal, Scene, Translation
    from transfer.scenes.control import Control

__version__ = "0.1.0"
__all__ = ["Control", "RenderedToReal", "Scene", "Translation", "__version__"]

_LATER: Final = {
    "Control": "transfer.scenes.control",
    **dict.fromkeys(("RenderedToReal", "Scene", "Translation"), "transfer.render2real"),
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
