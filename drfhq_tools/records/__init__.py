"""The types that cross module borders: frozen, typed, no I/O."""

from drfhq_tools.records.found import Candidate, Detection, FaceMeasures, FoundFace, Pixels
from drfhq_tools.records.labels import LabelScores, LabelStatus
from drfhq_tools.records.reject import Reject, RejectReason, Verdict
from drfhq_tools.records.row import FaceRecord
from drfhq_tools.records.source import MAX_AGE_YEARS, Declared, GivenFace, Provenance, SourceImage

__all__ = [
    "MAX_AGE_YEARS",
    "Candidate",
    "Declared",
    "Detection",
    "FaceMeasures",
    "FaceRecord",
    "FoundFace",
    "GivenFace",
    "LabelScores",
    "LabelStatus",
    "Pixels",
    "Provenance",
    "Reject",
    "RejectReason",
    "SourceImage",
    "Verdict",
]
