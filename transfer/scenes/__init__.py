"""A picture and the faces put into it: its own samples, what is pasted where, in which light, and how it is marked.

Nothing here knows of networks. A picture is read once as its file holds it (:mod:`samples`), a face is made fit for it
(:mod:`light`, :mod:`detail`, :mod:`seam`, :mod:`compose`), and what is written says how it was made (:mod:`mark`).
"""

from transfer.scenes.control import Control

__all__ = ["Control"]
