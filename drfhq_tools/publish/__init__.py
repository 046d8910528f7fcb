"""Publish a built data set on the Hugging Face Hub, and record what was published. Needs the extra ``hub``."""

from drfhq_tools.publish.push import CARD_NAME, Plan, PushCutError, Request, Sent, planned, send
from drfhq_tools.publish.releases import Release, read_releases
from drfhq_tools.publish.repository import HubError

__all__ = [
    "CARD_NAME",
    "HubError",
    "Plan",
    "PushCutError",
    "Release",
    "Request",
    "Sent",
    "planned",
    "read_releases",
    "send",
]
