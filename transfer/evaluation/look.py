"""What is measured of a set of faces, and what is kept from one set to another of the same faces.

A :class:`Look` is all numbers, one row a picture, so it can be stored and compared again without the pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drfhq_tools.atomic import replacing
from drfhq_tools.detect import Detector, make_detector
from drfhq_tools.errors import ModelFileError
from drfhq_tools.models import resolve
from transfer.data import to_pixels
from transfer.metrics.colour import skin_colours, skin_difference
from transfer.metrics.features import face_features
from transfer.metrics.landmarks import crop_landmarks, landmark_error
from transfer.networks.identity import DENSENET_STRANGERS, RESNET_STRANGERS, IdentityNet, load_densenet, load_resnet

FloatArray = npt.NDArray[np.float64]
CHUNK = 32
RESNET, DENSENET = "resnet", "densenet"
STRANGERS = {RESNET: RESNET_STRANGERS, DENSENET: DENSENET_STRANGERS}


@dataclass(frozen=True)
class Look:
    """N faces: ``features`` (N, 512) of the ResNet's stages, embeddings ``resnet`` and ``densenet`` (N, 128),
    ``landmarks`` (M, 68, 2) as shares of the side, NaN where no face was found, and ``skin`` (N, 4, 3) in L*a*b*.

    Landmarks are of the first M faces, all or as many as were asked for. ``densenet`` is (N, 0) where the held-out
    network is not at hand.
    """

    features: FloatArray
    resnet: FloatArray
    densenet: FloatArray
    landmarks: FloatArray
    skin: FloatArray

    def __len__(self) -> int:
        return len(self.features)

    @property
    def embeddings(self) -> Mapping[str, FloatArray]:
        """By network, the held-out one first where there is one."""
        held_out = {DENSENET: self.densenet} if self.densenet.shape[1] else {}
        return held_out | {RESNET: self.resnet}

    @property
    def judge(self) -> str:
        """The network that identity is told by: the held-out one where there is one."""
        return next(iter(self.embeddings))

    @property
    def missed(self) -> int:
        """Pictures in which no face was found, of those that one was looked for in."""
        return int(np.isnan(self.landmarks).any(axis=(1, 2)).sum())

    def save(self, path: Path) -> None:
        """Write as .npz."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{f.name: getattr(self, f.name).astype(np.float32) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Look:
        """Read what :meth:`save` wrote; float32 on the disk."""
        with np.load(path) as stored:
            return cls(**{f.name: stored[f.name].astype(np.float64) for f in fields(cls)})


@dataclass(frozen=True)
class Instruments:
    """The networks and the detector that look."""

    resnet: IdentityNet
    densenet: IdentityNet | None
    detector: Detector

    @classmethod
    def load(cls, device: torch.device, densenet: Path | None = None) -> Instruments:
        """``densenet`` is the held-out network's file, or None for the one among the tool's models, if it is there.

        Raises:
            ModelFileError: the file named is missing or holds something else, or the ResNet is missing.
        """
        try:
            held_out = load_densenet(resolve("dlib-densenet", override=densenet).path).to(device)
        except ModelFileError:
            if densenet is not None:
                raise
            held_out = None
        return cls(load_resnet().to(device), held_out, make_detector())

    @torch.no_grad()
    def look(self, parts: Iterable[Tensor], landmarks_of: int | None = None) -> Look:
        """Of images (n, 3, R, R) in [-1, 1] on the networks' device, part by part; landmarks, which take as long as
        all else together, of the first so many, None for all."""
        looks: list[Look] = []
        for chunk in (chunk for part in parts for chunk in torch.split(part, CHUNK)):
            done = sum(len(look) for look in looks)
            looks.append(self._look(chunk, len(chunk) if landmarks_of is None else max(0, landmarks_of - done)))
        return joined(looks)

    def _look(self, images: Tensor, landmarks_of: int) -> Look:
        return Look(
            features=face_features(self.resnet, images),
            resnet=_array(self.resnet.embed(images)),
            densenet=_array(self.densenet.embed(images)) if self.densenet else np.empty((len(images), 0)),
            landmarks=crop_landmarks(to_pixels(images[:landmarks_of]), self.detector),
            skin=skin_colours(images),
        )


def joined(looks: list[Look]) -> Look:
    """One after another."""
    return Look(**{f.name: np.concatenate([getattr(look, f.name) for look in looks]) for f in fields(Look)})


@dataclass(frozen=True)
class Kept:
    """What N faces keep, one value a face: identity ``distance`` and ``similarity`` by network (1 the same picture, 0
    strangers), ``landmark_error`` over the eyes' distance (NaN where either has none), ``skin`` CIEDE2000."""

    distance: Mapping[str, FloatArray]
    similarity: Mapping[str, FloatArray]
    landmark_error: FloatArray
    skin: FloatArray


def kept(before: Look, after: Look) -> Kept:
    """From ``before`` to ``after``, row by row the same face."""
    distance = {
        name: np.asarray(np.linalg.norm(ours - after.embeddings[name], axis=1))
        for name, ours in before.embeddings.items()
    }
    errors = np.full(len(before), np.nan)
    errors[: len(before.landmarks)] = landmark_error(before.landmarks, after.landmarks)
    return Kept(
        distance=distance,
        similarity={name: 1 - values / STRANGERS[name] for name, values in distance.items()},
        landmark_error=errors,
        skin=skin_difference(before.skin, after.skin),
    )


def _array(values: Tensor) -> FloatArray:
    return np.asarray(values.double().cpu().numpy())
