"""Who is in a data set, and how right the labelers are about it, from its tables alone."""

from drfhq_tools.stats.agreement import Agreement, Calibration, GroupAccuracy, Interval
from drfhq_tools.stats.classes import ATTRIBUTES, UNKNOWN, VOCABULARIES, Vocabulary
from drfhq_tools.stats.counts import CROSSED, CellCount, Stats, count, read_stats
from drfhq_tools.stats.measures import evenness, jensen_shannon, min_max_ratio, total_variation
from drfhq_tools.stats.predictions import read_agreements
from drfhq_tools.stats.target import UNIFORM, Target, read_target

__all__ = [
    "ATTRIBUTES",
    "CROSSED",
    "UNIFORM",
    "UNKNOWN",
    "VOCABULARIES",
    "Agreement",
    "Calibration",
    "CellCount",
    "GroupAccuracy",
    "Interval",
    "Stats",
    "Target",
    "Vocabulary",
    "count",
    "evenness",
    "jensen_shannon",
    "min_max_ratio",
    "read_agreements",
    "read_stats",
    "read_target",
    "total_variation",
]
