"""Portrait → latent: find the ws whose image in a given generator is the portrait. One file an inverter.

An inverter is anything that is called as ``invert(generator, targets)`` and returns an :class:`Inversion`.
"""

from transfer.inversion.base import Inversion, Inverter
from transfer.inversion.encoder import EncoderInverter
from transfer.inversion.make import INVERTERS, make_inverter
from transfer.inversion.optimise import OptimiseInverter, OptimiseSettings, RefineInverter
from transfer.inversion.pivotal import PivotalInverter, PivotalSettings, carried

__all__ = [
    "INVERTERS",
    "EncoderInverter",
    "Inversion",
    "Inverter",
    "OptimiseInverter",
    "OptimiseSettings",
    "PivotalInverter",
    "PivotalSettings",
    "RefineInverter",
    "carried",
    "make_inverter",
]
