"""One reviewer at work: what is settled of each face, how to change it and take that back, and what is new since.

The journal is the truth. A decision is known here once its line is on the disk; lines that another process wrote are
taken up, so two may work at once, and the later decision on a face counts. Each tab takes back its own decisions, and
only where nobody has decided anew since.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Final, Literal

from drfhq_tools.errors import DrfhqError
from drfhq_tools.manifest.reviews import FILE_NAME, Review, append_reviews, read_reviews
from drfhq_tools.review.shelf import mark_of, open_shelf

Stamp = tuple[int, int, int]
_STEPS: Final = 1000
_TABS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be settled. ``verdict`` replaces a verdict if ``judged``; ``labels`` are set, None meaning that it
    cannot be told; reviews of the attributes ``unset`` are taken back."""

    judged: bool = False
    verdict: Literal["keep", "reject"] | None = None
    labels: Mapping[str, str | None] = field(default_factory=dict)
    unset: frozenset[str] = frozenset()

    def of(self, before: Review) -> Review:
        """``before``, changed."""
        labels = {name: value for name, value in before.labels.items() if name not in self.unset} | dict(self.labels)
        return replace(before, verdict=self.verdict if self.judged else before.verdict, labels=labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a request: reviews that were settled by it, how many faces are ``gone`` from the data set, how
    many ``others`` have decided anew since and stay, and what went wrong on the way."""

    reviews: tuple[Review, ...] = ()
    gone: int = 0
    others: int = 0
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """What a tab did at once: each face's review before and after."""

    before: Mapping[str, Review]
    after: Mapping[str, Review]


class Session:
    """The state behind all tabs. Thread-safe; ``now`` gives the time, ISO 8601 in UTC."""

    def __init__(self, data: Path, reviewer: str, now: Callable[[], str]) -> None:
        """Raises ManifestError if there is no whole data set in ``data``, or a damaged journal."""
        self.data = data
        self.reviewer = reviewer
        self.shelf = open_shelf(data)
        self.generation = 0
        self.version = 0
        self.decisions = 0
        self.decided: set[str] = set()
        self._now = now
        self._lock = RLock()
        self._steps: OrderedDict[str, deque[_Step]] = OrderedDict()
        self._versions: dict[str, int] = {}  # of each face's review, oldest change first
        self._read_at = self._seen = _stamp(data)
        self.reviews = read_reviews(data)

    def look(self) -> str | None:
        """Take up what others wrote, and a data set that was built anew; what stands in the way of it, if anything."""
        with self._lock:
            try:
                if _stamp(self.data) != self._read_at:
                    self._take_up()
                mark = mark_of(self.data)
                if mark is None:
                    return f"{self.data} is being built anew, or is gone; decisions are still noted"
                if mark != self.shelf.mark:
                    self.shelf = open_shelf(self.data)
                    self.generation += 1
            except DrfhqError as error:
                return str(error)
            return None

    def changed_since(self, version: int) -> list[Review]:
        """Reviews that are newer than ``version``, the last one first."""
        with self._lock:
            changed = []
            for face_id in reversed(self._versions):
                if self._versions[face_id] <= version:
                    break
                changed.append(self._of(face_id))
            return changed

    def settled(self) -> list[Review]:
        """All reviews of faces that are here."""
        with self._lock:
            return [review for face_id, review in self.reviews.items() if face_id in self.shelf]

    def decide(self, tab: str, face_ids: Sequence[str], change: Change) -> Outcome:
        """Settle ``change`` of each face that is there; those it is settled of already are left as they are."""
        with self._lock:
            trouble = self.look_for_others()
            if trouble is not None:
                return Outcome(trouble=trouble)
            here = [face_id for face_id in dict.fromkeys(face_ids) if face_id in self.shelf]
            wanted = {face_id: change.of(self._of(face_id)) for face_id in here}
            step, trouble = self._write(wanted)
            if step.after:
                self._steps.setdefault(tab, deque(maxlen=_STEPS)).append(step)
                self._steps.move_to_end(tab)
                while len(self._steps) > _TABS:
                    self._steps.popitem(last=False)
            return Outcome(reviews=tuple(step.after.values()), gone=len(set(face_ids)) - len(here), trouble=trouble)

    def undo(self, tab: str) -> Outcome:
        """Take back the tab's last step, except where someone has decided anew since."""
        with self._lock:
            trouble = self.look_for_others()
            if trouble is not None or not self._steps.get(tab):
                return Outcome(trouble=trouble)
            step = self._steps[tab].pop()
            wanted = {name: step.before[name] for name, after in step.after.items() if _same(self._of(name), after)}
            done, trouble = self._write(wanted)
            left = {name: step.after[name] for name in wanted if name not in done.after}
            if left:
                self._steps[tab].append(_Step(step.before, left))
            return Outcome(reviews=tuple(done.after.values()), others=len(step.after) - len(wanted), trouble=trouble)

    def steps_of(self, tab: str) -> int:
        """How many steps a tab can take back."""
        with self._lock:
            return len(self._steps.get(tab, ()))

    def look_for_others(self) -> str | None:
        """Take up lines that others wrote since our own last one, lest ours write over them."""
        with self._lock:
            try:
                if _stamp(self.data) != self._seen:
                    self._take_up()
            except DrfhqError as error:
                return str(error)
            return None

    def _of(self, face_id: str) -> Review:
        blank = Review(face_id=face_id, reviewer=self.reviewer, reviewed_at=self._now())
        return self.reviews.get(face_id, blank)

    def _write(self, wanted: Mapping[str, Review]) -> tuple[_Step, str | None]:
        before: dict[str, Review] = {}
        after: dict[str, Review] = {}
        for face_id, settled in wanted.items():
            former = self._of(face_id)
            if not _same(former, settled):
                before[face_id] = former
                after[face_id] = replace(settled, reviewer=self.reviewer, reviewed_at=self._now())
        if not after:
            return _Step({}, {}), None
        try:
            append_reviews(self.data, *after.values())
        except DrfhqError as error:
            return _Step({}, {}), str(error)
        self._note(after.values())
        self._seen = _stamp(self.data)
        self.decisions += len(after)
        self.decided |= after.keys()
        return _Step(before, after), None

    def _note(self, reviews: Iterable[Review]) -> None:
        self.version += 1
        for review in reviews:
            self.reviews[review.face_id] = review
            self._versions.pop(review.face_id, None)
            self._versions[review.face_id] = self.version

    def _take_up(self) -> None:
        stamp = _stamp(self.data)
        read = read_reviews(self.data)
        self._note(review for name, review in read.items() if self.reviews.get(name) != review)
        for name in self.reviews.keys() - read.keys():  # taken out of the journal by a removal
            self._note([Review(face_id=name, reviewer=self.reviewer, reviewed_at=self._now())])
            del self.reviews[name]
        self._read_at = self._seen = stamp


def _same(one: Review, other: Review) -> bool:
    return (one.verdict, dict(one.labels)) == (other.verdict, dict(other.labels))


def _stamp(data: Path) -> Stamp | None:
    try:
        stat = (data / FILE_NAME).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
