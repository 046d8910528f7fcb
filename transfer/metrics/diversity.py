"""How different are the people of a set from one another? A generator that makes everyone alike keeps nobody.

Both figures are to be read beside those of the set that went in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

FloatArray = npt.NDArray[np.float64]


def pairwise_distance(embeddings: FloatArray) -> float:
    """Mean Euclidean distance over all pairs of (N, D), N at least 2; in an identity network, how unlike the people
    are."""
    return float(pdist(embeddings).mean())


def spread(features: FloatArray) -> float:
    """Root mean square distance of (N, D), N at least 2, from their mean, N − 1 in the denominator: how unlike the
    pictures are, people, light and pose together."""
    return float(np.sqrt(features.var(axis=0, ddof=1).sum()))
