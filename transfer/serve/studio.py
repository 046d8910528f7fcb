"""What the page's tabs have before them: each a picture, its faces, their latents and the last result.

Nothing is written but to the folder for results, where there is one. A tab that says good-bye, or is not heard of for
:data:`PATIENCE_S`, is forgotten with all it had, and what it waited for is given up.
"""

from __future__ import annotations

import io
import re
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Final

import cv2
import numpy as np
from PIL import Image

from drfhq_tools.errors import DrfhqError
from drfhq_tools.imageio import LENIENT, encode_png
from drfhq_tools.records import Detection
from transfer.errors import NoFaceError
from transfer.render2real import Inverted, Pixels, RenderedToReal, Scene
from transfer.results import write_scene
from transfer.scenes.control import Control
from transfer.scenes.samples import Picture, decode
from transfer.serve.line import Clock, Line, Task

PATIENCE_S: Final = 90.0
"""A hidden tab's timers fire once a minute."""
VIEW_PX: Final = 2048
"""Longest side of a picture as the page shows it; downloads are whole."""
_LONGEST_NAME: Final = 80


class BusyError(DrfhqError):
    """More tabs hold a picture than the page was started for."""


class TooLargeError(DrfhqError):
    """A picture of more pixels than the page was started for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the page takes: bytes and pixels of a picture, pictures held at once, seconds of work on one task."""

    upload_bytes: int = 40_000_000
    pixels: int = 50_000_000
    pictures: int = 8
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Result:
    """A translated picture: PNG bytes to show and to download, and the figures of each face."""

    number: int
    view: bytes
    whole: bytes
    faces: tuple[dict[str, float], ...]
    seconds: float


@dataclass(slots=True)
class Desk:
    """What one tab has before it. ``number`` names the picture."""

    seen: float
    name: str = ""
    number: int = 0
    picture: Picture | None = None
    view: bytes = b""
    faces: tuple[Detection, ...] = ()
    inverted: Inverted | None = None
    result: Result | None = None
    trouble: str | None = None
    kind: str = ""

    @property
    def occupied(self) -> bool:
        """Whether a picture lies here, or will once it has been looked at."""
        return self.picture is not None or self.trouble is None


@dataclass(eq=False)
class Studio:
    """The desks, and the one worker who serves them with ``renderer``. Every method may be called from any thread."""

    renderer: RenderedToReal
    limits: Limits = field(default_factory=Limits)
    keep: Path | None = None
    clock: Clock = time.monotonic
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        self._desks: dict[str, Desk] = {}
        self._numbers = count(1)
        self._lock = Lock()
        self.line = Line(self.clock, self.limits.seconds, self._present)
        # Every inverter asks the tuned generator for an image at each step: there it can be stopped.
        self.renderer.tuned.synthesis.register_forward_pre_hook(lambda *_: self.line.check())

    def take(self, tab: str, name: str, data: bytes) -> None:
        """A new picture on a tab's desk, in place of what lies there; its faces will be looked for.

        Raises:
            BusyError: there is room for no more pictures.
        """
        self.sweep()
        with self._lock:
            others = (desk for name, desk in self._desks.items() if name != tab)
            if sum(desk.occupied for desk in others) >= self.limits.pictures:
                raise BusyError(f"{self.limits.pictures} pictures are open here already: close another tab first")
            desk = Desk(self.clock(), cleaned(name), next(self._numbers), kind="look")
            self._desks[tab] = desk
        self.line.put(Task(tab, lambda: self._look(desk, data), lambda error: self._fail(desk, error)))

    def make(self, tab: str, faces: Sequence[int], control: Control) -> None:
        """Ask for some of the picture's faces, counted from 0, the largest.

        Raises:
            NoFaceError: no such faces, or no picture.
        """
        desk = self._desk(tab)
        if desk is None or desk.picture is None:
            raise NoFaceError("there is no picture here: drop it again")
        if not faces or not all(0 <= face < len(desk.faces) for face in faces):
            raise NoFaceError("pick at least one face")
        chosen = tuple(sorted(set(faces)))
        desk.kind, desk.trouble = "make", None
        self.line.put(Task(tab, lambda: self._make(desk, chosen, control), lambda error: self._fail(desk, error)))

    def stop(self, tab: str) -> None:
        """Give up what a tab waits for; its picture stays."""
        self.line.drop(tab)

    def leave(self, tab: str) -> None:
        """Forget a tab."""
        self.line.drop(tab)
        with self._lock:
            self._desks.pop(tab, None)

    def state(self, tab: str) -> dict[str, object]:
        """What a tab's page shows, as plain values, and a sign that the tab is there."""
        desk = self._desk(tab)
        if desk is None:
            return {"picture": None, "task": None, "result": None, "trouble": None}
        place, result = self.line.place(tab), desk.result
        return {
            "picture": desk.picture and _about(desk, desk.picture),
            "task": place and {"kind": desk.kind, "before": place[0], "seconds": round(place[1], 1)},
            "result": result and {"id": result.number, "faces": result.faces, "seconds": round(result.seconds, 2)},
            "trouble": desk.trouble,
        }

    def before(self, tab: str, number: int) -> bytes | None:
        """A PNG of a tab's picture, to be shown."""
        desk = self._desk(tab)
        return desk.view if desk and desk.view and desk.number == number else None

    def result(self, tab: str, number: int) -> tuple[Result, str] | None:
        """A tab's result and the name of its picture."""
        desk = self._desk(tab)
        return (desk.result, desk.name) if desk and desk.result and desk.result.number == number else None

    def work(self) -> None:
        """The worker's life, until :meth:`close`."""
        self.line.work(self.sweep)

    def close(self) -> None:
        """End the worker."""
        self.line.close()

    def sweep(self) -> None:
        """Forget who has not been heard of for long."""
        with self._lock:
            gone = [tab for tab, desk in self._desks.items() if self.clock() - desk.seen > PATIENCE_S]
        for tab in gone:
            self.leave(tab)

    def _desk(self, tab: str) -> Desk | None:
        with self._lock:
            desk = self._desks.get(tab)
            if desk is not None:
                desk.seen = self.clock()
            return desk

    def _present(self, tab: str) -> bool:
        desk = self._desks.get(tab)
        return desk is not None and self.clock() - desk.seen <= PATIENCE_S

    def _look(self, desk: Desk, data: bytes) -> None:
        megapixels = self.limits.pixels / 1e6
        if pixel_count(data) > self.limits.pixels:
            raise TooLargeError(
                f"the picture has more than {megapixels:g} megapixels: shrink it, start the page with a larger "
                "--max-megapixels, or use transfer apply"
            )
        picture = decode(data)
        faces = self.renderer.detect(picture)
        desk.view, desk.faces, desk.picture = encode_png(viewed(picture.pixels)), faces, picture

    def _make(self, desk: Desk, faces: tuple[int, ...], control: Control) -> None:
        assert desk.picture is not None
        began = self.clock()
        if desk.inverted is None or desk.inverted.indices != faces:
            desk.inverted = self.renderer.invert(desk.picture, faces)
        scene = self.renderer.decode(desk.inverted, control)
        if self.keep is not None:
            self.say(f"kept {write_scene(scene, free_stem(self.keep, desk.name), control)}")
        figures = tuple(
            {"index": face.index, "identity_similarity": round(face.identity_similarity, 3)} for face in scene.faces
        )
        view, whole = encode_png(viewed(scene.composite)), _file_of(scene)
        desk.result = Result(next(self._numbers), view, whole, figures, self.clock() - began)

    def _fail(self, desk: Desk, error: Exception) -> None:
        if isinstance(error, DrfhqError):
            desk.trouble = str(error)
            return
        desk.trouble = f"it failed ({type(error).__name__}: {str(error)[:200]}); the terminal says more"
        self.say("".join(traceback.format_exception(error)))


def pixel_count(data: bytes) -> int:
    """Pixels of a picture by its header, before any is decoded; 0 where the header says nothing."""
    try:
        with LENIENT, Image.open(io.BytesIO(data)) as image:
            return image.width * image.height
    except Exception:  # a damaged header raises nearly anything; decoding will say what is wrong
        return 0


def cleaned(name: str) -> str:
    """A picture's name as part of a file's: no folders, no suffix, letters, digits, blanks, dots and hyphens."""
    stem = Path(name.replace("\\", "/")).stem
    return re.sub(r"[^\w .()-]", "_", stem).strip(" .")[:_LONGEST_NAME] or "picture"


def free_stem(folder: Path, name: str) -> Path:
    """``folder/name``, or with a number where results of that name lie there already."""
    numbered = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(folder / stem for stem in numbered if not (folder / f"{stem}.png").exists())


def viewed(pixels: Pixels) -> Pixels:
    """(H, W, 3) uint8 with its longest side at most :data:`VIEW_PX`."""
    scale = VIEW_PX / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _file_of(scene: Scene) -> bytes:
    """The scene as ``transfer apply`` would write it, with its mark; no file stays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.png"
        scene.save(path)
        return path.read_bytes()


def _about(desk: Desk, picture: Picture) -> dict[str, object]:
    height, width = picture.pixels.shape[:2]
    boxes = [
        [round(float(x) / side, 4) for x, side in zip(face.box_xyxy, (width, height) * 2, strict=True)]
        for face in desk.faces
    ]
    return {"id": desk.number, "name": desk.name, "width": width, "height": height, "faces": boxes}
