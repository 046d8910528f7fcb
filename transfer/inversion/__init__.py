"""Portrait → latent: find the ws whose image in a given generator is the portrait. One file an inverter.

An inverter is anything that is called as ``invert(generator, targets)`` and returns an :class:`Inversion`.
"""

from transfer.inversion.base import Inversion, Inverter
from transfer.inversion.optimise import OptimiseInverter

__all__ = ["Inversion", "Inverter", "OptimiseInverter"]
