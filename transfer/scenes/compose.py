"""Faces into a picture: who stands in front of whom, what each mask covers, and the paste into its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from drfhq_tools.align import face_mask, paste_into
from drfhq_tools.geometry import Quad, points_in_crop
from drfhq_tools.records import Detection
from transfer.scenes.colour import FloatPixels
from transfer.scenes.control import Control
from transfer.scenes.detail import carried
from transfer.scenes.light import match_colour, match_light
from transfer.scenes.samples import Picture, SampleArray
from transfer.scenes.seam import meet

MASK_PX: Final = 512
"""Side of the mask a face is pasted back through, whatever the generator's size."""


@dataclass(frozen=True)
class Patch:
    """A face to paste: ``face`` (R, R, 3) float32 sRGB in [0, 1], aligned by ``quad``; ``mask`` (M, M) in [0, 1]."""

    face: FloatPixels
    mask: FloatPixels
    quad: Quad


@dataclass(frozen=True)
class Looks:
    """One face's crops, each (R, R, 3) float32 sRGB in [0, 1]: the picture's, what the tuned generator makes of its
    latent, what comes of it under a control, and what the realistic generator alone would make of it."""

    scene: FloatPixels
    recreated: FloatPixels
    face: FloatPixels
    real: FloatPixels


def front_to_back(detections: Sequence[Detection]) -> list[Detection]:
    """The largest face first, which stands for the nearest; of equal ones the one at the left."""
    return sorted(detections, key=lambda face: (-face.quad.side_px, face.box_xyxy[:2]))


def mask_of(face: Detection, in_front: Sequence[Detection], size: int = MASK_PX) -> FloatPixels:
    """(size, size) in the face's crop: chin to hairline, less what faces before it cover."""
    quad = face.quad
    mask = face_mask(points_in_crop(face.landmarks, quad, size), size)
    for other in in_front:
        mask = mask * (1 - face_mask(points_in_crop(other.landmarks, quad, size), size))
    return mask


def patch(looks: Looks, face: Detection, mask: FloatPixels, control: Control) -> Patch:
    """What is pasted of a face, and where, under ``control``; ``mask`` as :func:`mask_of` gives it."""
    size = len(looks.scene)
    small = _resized(mask, size)
    if control.carry_detail:
        stays = carried(looks.scene, looks.recreated, points_in_crop(face.landmarks, face.quad, size), small)
        mask = mask * (1 - _resized(stays, len(mask)))
        small = small * (1 - stays)
    made = looks.face
    if control.match_light:
        made = match_light(made, looks.scene, small)
    if control.colour is not None:
        made = match_colour(made, looks.recreated, looks.real, control.colour, small)
    if control.seam == "gradient":
        made = meet(made, looks.scene, small)
    return Patch(made, mask, face.quad)


def compose(picture: Picture, patches: Sequence[Patch]) -> SampleArray:
    """The picture's samples with ``patches`` pasted in order; samples under no mask are the picture's, to the bit."""
    samples = picture.samples.copy()
    top = np.iinfo(samples.dtype).max
    colours = picture.upright(samples)[..., : 3 if samples.shape[2] > 2 else 1]
    for one in patches:
        own = one.face if picture.convert is None else picture.convert(one.face)
        paste_into(colours, own * np.float32(top), one.quad, one.mask)
    return samples


def shown(picture: Picture, patches: Sequence[Patch]) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """(H, W, 3) uint8, upright sRGB: the same as a screen shows it."""
    pixels = picture.pixels.copy()
    for one in patches:
        paste_into(pixels, one.face * np.float32(255), one.quad, one.mask)
    return pixels


def _resized(mask: FloatPixels, size: int) -> FloatPixels:
    if len(mask) == size:
        return mask
    interpolation = cv2.INTER_AREA if size < len(mask) else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask, (size, size), interpolation=interpolation), dtype=np.float32)
