"""The page's server, on Starlette.

    GET  /api/state/TAB                 what the tab's page shows; asked for every while, it says that the tab is there
    POST /api/picture/TAB?name=NAME     a picture's bytes, as application/octet-stream
    POST /api/make/TAB                  {"faces": [0, …], "strength": 0 … 1, "match_light": …, "carry_detail": …}
    POST /api/stop/TAB, /api/leave/TAB  {}
    GET  /before/TAB/ID, /after/TAB/ID, /download/TAB/ID

Who may come in is checked by :mod:`drfhq_tools.local_page`, and how large a body may be; what comes in, here.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from drfhq_tools.errors import DrfhqError, UsageError
from drfhq_tools.local_page import PageFiles, json_object, nothing
from transfer.scenes.control import Control
from transfer.serve.studio import BusyError, Result, Studio

UPLOAD: Final = "application/octet-stream"
_LONGEST_TAB: Final = 64
_MOST_FACES: Final = 200


class ServePage:
    """The answers; it trusts whoever reaches it."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._files = PageFiles("transfer.serve")

    def application(self) -> Starlette:
        """All of it, by address."""
        return Starlette(
            routes=[
                Route("/", self._files.answer),
                Route("/api/state/{tab}", self.state),
                Route("/api/picture/{tab}", self.picture, methods=["POST"]),
                Route("/api/make/{tab}", self.make, methods=["POST"]),
                Route("/api/stop/{tab}", self.stop, methods=["POST"]),
                Route("/api/leave/{tab}", self.leave, methods=["POST"]),
                Route("/before/{tab}/{number:int}", self.before),
                Route("/after/{tab}/{number:int}", self.after),
                Route("/download/{tab}/{number:int}", self.download),
                Route("/{name}", self._files.answer),
            ]
        )

    def state(self, request: Request) -> Response:
        """What the tab's page shows."""
        return JSONResponse(self.studio.state(_tab(request)) | {"limits": self._limits()})

    async def picture(self, request: Request) -> Response:
        """Take a picture."""
        data = await request.body()
        try:
            self.studio.take(_tab(request), request.query_params.get("name", ""), data)
        except BusyError as error:
            return PlainTextResponse(str(error), status_code=503)
        return self.state(request)

    async def make(self, request: Request) -> Response:
        """Ask for faces."""
        try:
            faces, control = parse_wish(await request.body())
            await run_in_threadpool(self.studio.make, _tab(request), faces, control)
        except DrfhqError as error:
            return PlainTextResponse(str(error), status_code=400)
        return self.state(request)

    def stop(self, request: Request) -> Response:
        """Give up what the tab waits for."""
        self.studio.stop(_tab(request))
        return self.state(request)

    def leave(self, request: Request) -> Response:
        """Forget the tab."""
        self.studio.leave(_tab(request))
        return Response(status_code=204)

    def before(self, request: Request) -> Response:
        """The tab's picture."""
        png = self.studio.before(_tab(request), request.path_params["number"])
        return nothing("no such picture") if png is None else Response(png, media_type="image/png")

    def after(self, request: Request) -> Response:
        """The tab's result, to be shown."""
        found = self._found(request)
        return nothing("no such result") if found is None else Response(found[0].view, media_type="image/png")

    def download(self, request: Request) -> Response:
        """The tab's result, whole."""
        found = self._found(request)
        if found is None:
            return nothing("no such result")
        name = quote(f"{found[1]}-real.png")
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(found[0].whole, media_type="image/png", headers=headers)

    def _found(self, request: Request) -> tuple[Result, str] | None:
        return self.studio.result(_tab(request), request.path_params["number"])

    def _limits(self) -> dict[str, float]:
        limits = self.studio.limits
        return {"megabytes": limits.upload_bytes / 1e6, "megapixels": limits.pixels / 1e6}


def parse_wish(body: bytes) -> tuple[list[int], Control]:
    """What the page sends to ``/api/make``.

    Raises:
        UsageError: it is something else.
        ConfigError: a strength that is none.
    """
    given = json_object(body)
    faces, strength = given.get("faces"), given.get("strength", 1.0)
    if not isinstance(faces, list) or len(faces) > _MOST_FACES or not all(type(face) is int for face in faces):
        raise UsageError("faces must be a list of numbers")
    if not isinstance(strength, int | float) or isinstance(strength, bool):
        raise UsageError("strength must be a number")
    light, detail = given.get("match_light", True), given.get("carry_detail", True)
    if not isinstance(light, bool) or not isinstance(detail, bool):
        raise UsageError("match_light and carry_detail must be true or false")
    return faces, Control(strength=float(strength), match_light=light, carry_detail=detail)


def _tab(request: Request) -> str:
    return str(request.path_params["tab"])[:_LONGEST_TAB]
