"""A sequence of frames translated as one: faces are followed, their places and latents smoothed over time.

Three walks over the files, so that memory holds one frame at a time: find the faces; invert each where its smoothed
landmarks say, optimisation starting from the frame before; decode the smoothed latents and compose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drfhq_tools.errors import DecodeError
from drfhq_tools.records import Detection, Pixels
from transfer.errors import ConfigError
from transfer.inversion import Inversion, Inverter
from transfer.inversion.optimise import OptimiseInverter, RefineInverter, decoded
from transfer.inversion.pivotal import PivotalInverter
from transfer.networks.generator import Generator
from transfer.render2real import Inverted, RenderedToReal, Scene
from transfer.scenes.control import SMOOTH_FRAMES, Control
from transfer.scenes.samples import Picture, read
from transfer.scenes.sequence import Track, flicker, follow, shots, smooth, steadied

_THUMBNAIL_PX: Final = 16
_WARM_SHARE: Final = 0.25
"""Of an optimisation's steps, what the frame after needs."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame's result: a scene, or why there is none; ``tracks`` numbers its faces over the sequence."""

    path: Path
    scene: Scene | None
    tracks: tuple[int, ...] = ()
    trouble: str = ""


@dataclass(slots=True)
class Steadiness:
    """Mean flicker so far (:func:`transfer.scenes.sequence.flicker`), of what is written and of the same latents and
    landmarks before smoothing, frame by frame."""

    smoothed: list[float] = field(default_factory=list)
    frame_by_frame: list[float] = field(default_factory=list)

    def to_dict(self) -> dict[str, float | None]:
        """Plain JSON values."""
        means = ((name, getattr(self, name)) for name in ("smoothed", "frame_by_frame"))
        return {f"flicker_{name}": round(float(np.mean(each)), 3) if each else None for name, each in means}


@dataclass(slots=True)
class _Face:
    """A track on its way: as found, as smoothed, and frame by frame latents and a thumbnail."""

    found: Track
    steady: Track
    ws: dict[int, Tensor] = field(default_factory=dict)
    thumbnails: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)


def translate_frames(
    renderer: RenderedToReal,
    paths: Sequence[Path],
    control: Control,
    *,
    faces: Sequence[int] | None = None,
    smooth_frames: float = SMOOTH_FRAMES,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[Frame, Steadiness]]:
    """Translate frames in order; with each, the steadiness up to it.

    ``faces`` are numbers over the whole sequence, 0 the largest. A frame without a face comes back as it is, so that
    none is missing.

    Raises:
        ConfigError: the inverter gives each frame generator weights of its own, or the landmarks' scheme is another.
    """
    if isinstance(renderer.inverter, PivotalInverter):
        raise ConfigError("pivotal tuning would give each frame a generator of its own: choose another --inverter")
    found, troubles = _found(renderer, paths, say)
    tracks = [track for i, track in enumerate(follow(found)) if faces is None or i in faces]
    followed = [_Face(track, steadied(track, smooth_frames)) for track in tracks]
    for number, path in enumerate(paths):
        if number not in troubles:
            _invert(renderer, read(path), number, followed)
            say(f"{path.name}: inverted, {number + 1} of {len(paths)}")
    raw = [dict(face.ws) for face in followed]
    for face in followed:
        _smooth_latents(face, smooth_frames)
    steadiness = Steadiness()
    last: tuple[Pixels, Pixels, Pixels] | None = None
    for number, path in enumerate(paths):
        if number in troubles:
            last = None
            yield Frame(path, None, trouble=troubles[number]), steadiness
            continue
        picture = read(path)
        here = [i for i, face in enumerate(followed) if number in face.ws]
        smoothed = [(followed[i].steady.seen[number], followed[i].ws[number]) for i in here]
        rough = [(followed[i].found.seen[number], raw[i][number]) for i in here]
        scene = _decoded(renderer, picture, smoothed, control)
        now = (picture.pixels, scene.composite, _decoded(renderer, picture, rough, control).composite)
        _note(steadiness, last, now)
        last = now
        yield Frame(path, scene, tuple(here)), steadiness


def _found(
    renderer: RenderedToReal, paths: Sequence[Path], say: Callable[[str], None]
) -> tuple[list[list[Detection]], dict[int, str]]:
    """The faces of each frame, and by number the frames that cannot be read."""
    found: list[list[Detection]] = []
    troubles: dict[int, str] = {}
    for number, path in enumerate(paths):
        faces: Sequence[Detection] = ()
        try:
            faces = renderer.aligned_alike(renderer.detector.detect(read(path).pixels))
        except DecodeError as error:
            troubles[number] = str(error)
        found.append([face for face in faces if face.quad.side_px >= renderer.least_px])
        say(f"{path.name}: {len(faces)} faces")
    return found, troubles


def _invert(renderer: RenderedToReal, picture: Picture, number: int, faces: Sequence[_Face]) -> None:
    for face in faces:
        if number not in face.steady.seen:
            continue
        before = face.ws.get(number - 1)
        inverter = renderer.inverter if before is None else _warm(renderer, before)
        inverted = renderer.invert_found(picture, [face.steady.seen[number]], [0], inverter)
        face.ws[number] = inverted.ws
        small = cv2.resize(inverted.crops[0], (_THUMBNAIL_PX,) * 2, interpolation=cv2.INTER_AREA)
        face.thumbnails[number] = np.asarray(small, dtype=np.float32) / np.float32(255)


def _warm(renderer: RenderedToReal, before: Tensor) -> Inverter:
    """An optimising inverter that starts from the frame before, with fewer steps; others as they are."""
    given = renderer.inverter
    if isinstance(given, OptimiseInverter):
        steps = round(_WARM_SHARE * (given.settings.w_steps + given.settings.wplus_steps))
        settings = replace(given.settings, wplus_steps=max(1, steps))
        return RefineInverter(_Known(before), settings, given.network, given.starts(renderer.tuned).space)
    if isinstance(given, RefineInverter):
        return RefineInverter(_Known(before), given.settings, given.network, given.space(renderer.tuned))
    return given


def _smooth_latents(face: _Face, deviation: float) -> None:
    """Smooth a face's latents over its frames, not across cuts."""
    numbers = sorted(face.ws)
    for shot in shots([face.thumbnails[number] for number in numbers]):
        part = [numbers[t] for t in shot]
        values = smooth(torch.stack([face.ws[number] for number in part]).double().cpu().numpy(), deviation)
        for number, value in zip(part, values, strict=True):
            face.ws[number] = torch.from_numpy(value).to(face.ws[number])


def _decoded(
    renderer: RenderedToReal, picture: Picture, faces: Sequence[tuple[Detection, Tensor]], control: Control
) -> Scene:
    if not faces:
        return Scene(picture, (), ())
    everyone = [face for face, _ in faces]
    parts = [renderer.invert_found(picture, everyone, [i], _Known(ws)) for i, (_, ws) in enumerate(faces)]
    return renderer.decode(_joined(parts), control)


def _joined(parts: Sequence[Inverted]) -> Inverted:
    """One picture's faces, inverted one by one, together."""
    return replace(
        parts[0],
        indices=tuple(index for part in parts for index in part.indices),
        crops=np.concatenate([part.crops for part in parts]),
        ws=torch.cat([part.ws for part in parts]),
        images=torch.cat([part.images for part in parts]),
        offsets=tuple(offset for part in parts for offset in part.offsets),
    )


def _note(
    steadiness: Steadiness, last: tuple[Pixels, Pixels, Pixels] | None, now: tuple[Pixels, Pixels, Pixels]
) -> None:
    if last is None or last[0].shape != now[0].shape:
        return
    for figures, which in ((steadiness.smoothed, 1), (steadiness.frame_by_frame, 2)):
        value = flicker((last[0], now[0]), (last[which], now[which]))
        if value is not None:
            figures.append(value)


class _Known:
    """An inverter that was told the latent, (1, num_ws, w_dim)."""

    def __init__(self, ws: Tensor) -> None:
        self.ws = ws

    def __call__(self, generator: Generator, targets: Tensor) -> Inversion:  # noqa: ARG002  they are known
        return decoded(generator, self.ws, (), ())
