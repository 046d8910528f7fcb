"""Faces over time: who is who from frame to frame, and what shakes made steady without lagging behind.

Values are smoothed by a Gaussian over frames, the same forwards and backwards, so that nothing is late; where a face
is, by curves of the fourth degree under it, so that a face which speeds up or turns back is followed too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from drfhq_tools.geometry import FloatArray
from drfhq_tools.records import Detection, Pixels

LONGEST_GAP: Final = 8
"""Frames a face may be missed for and still be the same."""
_MOTION: Final = 4
"""Degree of the polynomials that landmarks are smoothed by: a mean would slip off a face that turns back."""
_NEAR: Final = 0.4
"""How far a face moves between frames at most, and how much its crop's side changes, in shares of that side."""
CUT: Final = 0.12
"""Mean absolute difference of a face's crops in 0..1 from which on another shot begins."""


@dataclass(slots=True)
class Track:
    """One face through frames: ``seen`` maps a frame's number to where it is there."""

    seen: dict[int, Detection] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return max(self.seen)

    @property
    def size_px(self) -> float:
        """Mean side of the face's crop."""
        return float(np.mean([face.quad.side_px for face in self.seen.values()]))


def follow(frames: Sequence[Sequence[Detection]]) -> list[Track]:
    """The faces of consecutive frames as tracks, gaps bridged by straight lines, the largest face first."""
    tracks: list[Track] = []
    for number, faces in enumerate(frames):
        open_tracks = [track for track in tracks if number - track.last <= LONGEST_GAP]
        pairs = sorted(
            (distance, i, j)
            for i, track in enumerate(open_tracks)
            for j, face in enumerate(faces)
            if (distance := _apart(track.seen[track.last], face)) <= _NEAR * (number - track.last)
        )
        taken_tracks, taken_faces = set[int](), set[int]()
        for _, i, j in pairs:
            if i not in taken_tracks and j not in taken_faces:
                taken_tracks.add(i)
                taken_faces.add(j)
                _bridge(open_tracks[i], number, faces[j])
        tracks += [Track({number: face}) for j, face in enumerate(faces) if j not in taken_faces]
    return sorted(tracks, key=lambda track: -track.size_px)


def steadied(track: Track, deviation: float) -> Track:
    """The track with its landmarks smoothed over ``deviation`` frames."""
    numbers = sorted(track.seen)
    points = smooth(np.stack([track.seen[number].landmarks for number in numbers]), deviation, _MOTION)
    return Track(
        {number: replace(track.seen[number], landmarks=at) for number, at in zip(numbers, points, strict=True)}
    )


def smooth(values: FloatArray, deviation: float, degree: int = 0) -> FloatArray:
    """(T, …) smoothed along T by polynomials of ``degree`` fitted around each frame, weighted by a Gaussian of
    ``deviation`` frames (Cleveland 1979); degree 0 is the weighted mean, deviation 0 leaves values as they are."""
    if deviation <= 0 or len(values) < 2:
        return values
    frame = np.arange(len(values))
    rows = [_fit_at(frame - now, deviation, min(degree, len(values) - 1)) for now in frame]
    return np.asarray(np.tensordot(np.stack(rows), values, axes=1))


def _fit_at(offsets: npt.NDArray[np.int_], deviation: float, degree: int) -> FloatArray:
    """(T,): what each frame, ``offsets`` away, counts in the fitted value here; they sum to 1."""
    scaled = offsets / deviation
    root = np.exp(-0.25 * scaled**2)
    powers = root[:, None] * scaled[:, None] ** np.arange(degree + 1)
    return np.asarray(np.linalg.pinv(powers)[0] * root)


def shots(crops: Sequence[npt.NDArray[np.float32]]) -> list[range]:
    """Runs of a face's thumbnails, (S, S, 3) in [0, 1] each, between which the picture cuts."""
    cuts = [t for t in range(1, len(crops)) if float(np.abs(crops[t] - crops[t - 1]).mean()) > CUT]
    ends = [0, *cuts, len(crops)]
    return [range(start, stop) for start, stop in pairwise(ends) if stop > start]


def flicker(before: tuple[Pixels, Pixels], after: tuple[Pixels, Pixels]) -> float | None:
    """By how much more the output changes from one frame to the next than the input does, in levels of 0..255.

    Each is (last frame, this frame), (H, W, 3) uint8; the mean absolute difference is taken where a face was put into
    either. None where none was.
    """
    changed = (before[0] != after[0]).any(axis=2) | (before[1] != after[1]).any(axis=2)
    if not changed.any():
        return None
    moved, was = (
        float(np.abs(pair[1][changed].astype(np.int16) - pair[0][changed]).mean()) for pair in (after, before)
    )
    return moved - was


def _apart(a: Detection, b: Detection) -> float:
    """How far two faces differ in place and size, in shares of the crop's side."""
    side = max(a.quad.side_px, b.quad.side_px)
    moved = float(np.hypot(*(a.quad.centre - b.quad.centre))) / side
    return max(moved, abs(a.quad.side_px - b.quad.side_px) / side)


def _bridge(track: Track, number: int, face: Detection) -> None:
    """Add a frame to a track, and those between by interpolation."""
    last = track.last
    start = track.seen[last]
    for missed in range(last + 1, number):
        share = (missed - last) / (number - last)
        between = start.landmarks + (face.landmarks - start.landmarks) * share
        track.seen[missed] = replace(start, landmarks=between)
    track.seen[number] = face
