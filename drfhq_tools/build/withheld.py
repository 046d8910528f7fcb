"""What a build leaves unopened of the pictures it found: those taken out for good, and those rated mature.

All of it is known from a picture's hash and from what lies beside it, so none of these is decoded. The one thing that
is not, an age that a network guessed or a reviewer named, is asked of each face by :func:`mature_minor`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from drfhq_tools.labels.vocabularies import age_group_class
from drfhq_tools.manifest.tombstones import Tombstones
from drfhq_tools.ratings import is_mature, is_minor
from drfhq_tools.records import Reject, RejectReason, SourceImage
from drfhq_tools.sources.base import Found, Scan

KEEP_MATURE_RULE: Final = "keep_mature"
"""The setting that a reject of a mature picture names."""


def withhold(scan: Scan, tombstones: Tombstones, *, keep_mature: bool) -> Scan:
    """The scan without the pictures that are not to be opened, each a reject at every path it lies at."""
    found: list[Found] = []
    rejects = list(scan.rejects)
    for one in scan.found:
        reject = _removed(one.source, tombstones) or _mature(one.source, keep_mature)
        if reject is None:
            found.append(one)
        else:
            rejects += reject.at_each(one.source.paths)
    return Scan(found=tuple(found), rejects=tuple(rejects))


def mature_minor(path: str, face_index: int, rating: str | None, minor: bool | None) -> Reject | None:
    """The reject of a face that may be a minor's in a picture that is rated mature; None of any other."""
    if not (minor and is_mature(rating)):
        return None
    message = f"the picture is rated {rating!r} and the face may be a minor's"
    return Reject(source_path=path, reason=RejectReason.MATURE, message=message, face_index=face_index)


def _removed(source: SourceImage, tombstones: Tombstones) -> Reject | None:
    origin = source.provenance
    stone = tombstones.find(sha256=source.sha256, urls=[origin.source_url], author=origin.author)
    if stone is None:
        return None
    message = f"taken out for good: {stone.reason}" if stone.reason else "taken out for good"
    return Reject.of_picture(source, RejectReason.REMOVED, message)


def _mature(source: SourceImage, keep_mature: bool) -> Reject | None:
    declared = source.declared
    if not is_mature(source.provenance.content_rating):
        return None
    if is_minor(declared.age_years, age_group_class(declared.age_group)):
        return _left_out(source, "the picture is rated {!r} and shows a minor, as declared")
    return None if keep_mature else replace(_left_out(source, "the picture is rated {!r}"), rule=KEEP_MATURE_RULE)


def _left_out(source: SourceImage, message: str) -> Reject:
    return Reject.of_picture(source, RejectReason.MATURE, message.format(source.provenance.content_rating))
