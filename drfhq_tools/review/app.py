"""The page's server, on Starlette: files of the page, faces by their face_id, decisions as JSON.

    GET  /api/faces                    all faces, in columns, and what is settled
    GET  /api/changes?since&generation what was settled since a version
    GET  /api/face/ID                  all of one face
    GET  /thumbnail/ID, /image/ID      its crop
    POST /api/decide                   {"tab", "faces": [ID], "verdict"?, "labels"?, "unset"?}
    POST /api/undo                     {"tab"}

What comes in is checked here; who may come in, by :mod:`drfhq_tools.local_page`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from drfhq_tools.errors import DecodeError, UsageError
from drfhq_tools.local_page import PageFiles, json_object, nothing
from drfhq_tools.manifest.reviews import VERDICTS, Review
from drfhq_tools.records.labels import VOCABULARY
from drfhq_tools.review.session import Change, Outcome, Session
from drfhq_tools.review.thumbnails import Thumbnails

MAX_BODY_BYTES: Final = 8 * 1024 * 1024  # 200,000 faces at once
_MOST_FACES: Final = 200_000
_LONGEST_TAB: Final = 64


class Decision(NamedTuple):
    """A request to settle something, checked."""

    tab: str
    faces: tuple[str, ...]
    change: Change


class ReviewPage:
    """The answers; it trusts whoever reaches it."""

    def __init__(self, session: Session, thumbnails: Thumbnails) -> None:
        self.session = session
        self.thumbnails = thumbnails
        self._hands = asyncio.Semaphore(os.cpu_count() or 1)
        self._files = PageFiles("drfhq_tools.review")

    def application(self) -> Starlette:
        """All of it, by address."""
        return Starlette(
            routes=[
                Route("/", self._files.answer),
                Route("/api/faces", self.faces),
                Route("/api/changes", self.changes),
                Route("/api/face/{face_id}", self.face),
                Route("/api/decide", self.decide, methods=["POST"]),
                Route("/api/undo", self.undo, methods=["POST"]),
                Route("/image/{face_id}", self.image),
                Route("/thumbnail/{face_id}", self.thumbnail),
                Route("/{name}", self._files.answer),
            ]
        )

    def faces(self, _: Request) -> Response:
        """All faces, and what is settled of them."""
        trouble = self.session.look()
        return JSONResponse(self.session.shelf.all_faces() | self._news(self.session.settled, trouble))

    def changes(self, request: Request) -> Response:
        """What was settled since a version, and whether the data set is another now."""
        since = _number(request.query_params.get("since", ""))
        trouble = self.session.look()
        return JSONResponse(self._news(lambda: self.session.changed_since(since), trouble))

    def face(self, request: Request) -> Response:
        """One face: its row, all labels, who settled what is settled."""
        face_id = request.path_params["face_id"]
        body = self.session.shelf.one_face(face_id)
        if body is None:
            return nothing("this face has left the data set")
        review = self.session.reviews.get(face_id)
        return JSONResponse(body | {"review": review and {"by": review.reviewer, "at": review.reviewed_at}})

    def image(self, request: Request) -> Response:
        """The crop as it lies in the data set."""
        path = self.session.shelf.picture(request.path_params["face_id"])
        return nothing("no such picture") if path is None else FileResponse(path, media_type="image/png")

    async def thumbnail(self, request: Request) -> Response:
        """A small copy of the crop; not made where the page has scrolled on meanwhile."""
        face_id, shelf = request.path_params["face_id"], self.session.shelf
        path = shelf.picture(face_id)
        if path is None:
            return nothing("no such picture")
        async with self._hands:
            if await request.is_disconnected():
                return nothing("nobody waits for it")
            try:
                jpeg = await run_in_threadpool(self.thumbnails.of, shelf.picture_sha256(face_id), path)
            except DecodeError as error:
                return nothing(str(error))
        return Response(jpeg, media_type="image/jpeg")

    async def decide(self, request: Request) -> Response:
        """Settle something of some faces."""
        try:
            tab, faces, change = parse_decision(await request.body())
        except UsageError as error:
            return PlainTextResponse(str(error), status_code=400)
        return self._told(tab, await run_in_threadpool(self.session.decide, tab, faces, change))

    async def undo(self, request: Request) -> Response:
        """Take back a tab's last step."""
        try:
            tab = _tab(json_object(await request.body()))
        except UsageError as error:
            return PlainTextResponse(str(error), status_code=400)
        return self._told(tab, await run_in_threadpool(self.session.undo, tab))

    def _news(self, reviews: Callable[[], Sequence[Review]], trouble: str | None) -> dict[str, object]:
        version = self.session.version  # read first: what is settled meanwhile is then told twice rather than never
        return {
            "version": version,
            "generation": self.session.generation,
            "reviewer": self.session.reviewer,
            "reviews": _plain(reviews()),
            "trouble": trouble,
        }

    def _told(self, tab: str, outcome: Outcome) -> Response:
        body = {
            "reviews": _plain(outcome.reviews),
            "gone": outcome.gone,
            "others": outcome.others,
            "trouble": outcome.trouble,
            "steps": self.session.steps_of(tab),
        }
        return JSONResponse(body, status_code=507 if outcome.trouble else 200)


def parse_decision(body: bytes) -> Decision:
    """What the page sends to ``/api/decide``.

    Raises:
        UsageError: it is something else.
    """
    given = json_object(body)
    faces = given.get("faces")
    if not isinstance(faces, list) or not 0 < len(faces) <= _MOST_FACES:
        raise UsageError(f"faces must be a list of 1 to {_MOST_FACES}")
    if not all(isinstance(face_id, str) for face_id in faces):
        raise UsageError("faces must be a list of face_id")
    verdict = given.get("verdict")
    if verdict is not None and verdict not in VERDICTS:
        raise UsageError(f"verdict must be one of {', '.join(VERDICTS)}, or null")
    change = Change(
        judged="verdict" in given, verdict=verdict, labels=_labels(given), unset=frozenset(_attributes(given))
    )
    if not (change.judged or change.labels or change.unset):
        raise UsageError("nothing to settle: give verdict, labels or unset")
    return Decision(_tab(given), tuple(faces), change)


def _tab(given: Mapping[str, object]) -> str:
    tab = given.get("tab")
    if not isinstance(tab, str) or not 0 < len(tab) <= _LONGEST_TAB:
        raise UsageError("tab must name the tab")
    return tab


def _labels(given: Mapping[str, object]) -> dict[str, str | None]:
    labels = given.get("labels", {})
    if not isinstance(labels, dict):
        raise UsageError("labels must be an object")
    for attribute, value in labels.items():
        if attribute not in VOCABULARY or (value is not None and value not in VOCABULARY[attribute]):
            raise UsageError(f"{attribute} cannot be {value!r}"[:200])
    return labels


def _attributes(given: Mapping[str, object]) -> list[str]:
    names = given.get("unset", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name in VOCABULARY for name in names):
        raise UsageError(f"unset must be a list of {', '.join(VOCABULARY)}")
    return names


def _plain(reviews: Sequence[Review]) -> list[list[object]]:
    return [[review.face_id, review.verdict, dict(review.labels)] for review in reviews]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 16 else 0
