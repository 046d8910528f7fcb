"""A rendered portrait in, the same person as if photographed out, and back into the full picture.

picture → detect → quad → align (the code that built the training set)
        → invert in the tuned, rendered generator → decode with the source, realistic generator → paste back
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from drfhq_tools.align import align, face_mask, paste_back
from drfhq_tools.detect import make_detector
from drfhq_tools.geometry import Quad, points_in_crop
from drfhq_tools.records import Detection
from transfer.checkpoints import load_checkpoint
from transfer.data import to_pixels, to_tensor
from transfer.device import placed
from transfer.errors import ConfigError, NoFaceError
from transfer.inversion import Inverter, OptimiseInverter
from transfer.inversion.optimise import OptimiseSettings
from transfer.metrics.identity import identity_distance, identity_similarity
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet, load_resnet
from transfer.run_folder import RunFolder

Pixels = npt.NDArray[np.uint8]
BATCH = 8
"""Faces inverted at once."""
MASK_PX = 512
"""Side of the mask a face is pasted back through, whatever the generator's size."""


@dataclass(frozen=True)
class Translation:
    """One face's way through: crops (R, R, 3) uint8, and how well it kept who it is.

    ``identity_distance`` is Euclidean between input and output crop in dlib's ResNet; ``identity_similarity`` is 1 for
    the same picture and 0 for strangers; ``reconstruction`` is the root mean square error, in 0..1, of the tuned
    generator's image of the latent against the input crop.
    """

    quad: Quad
    input: Pixels
    rendered: Pixels
    real: Pixels
    identity_distance: float
    identity_similarity: float
    reconstruction: float
    seconds: float

    @property
    def magnification(self) -> float:
        """How many picture pixels one pixel of the generator has to fill."""
        return self.quad.side_px / len(self.real)


@dataclass(frozen=True)
class Scene:
    """A translated picture: ``composite`` (H, W, 3) uint8 with every face pasted back."""

    composite: Pixels
    faces: tuple[Translation, ...]


class RenderedToReal:
    """The two generators of a run and what stands around them; build with :meth:`from_run`.

    ``landmark_scheme`` is what the run's training pictures were aligned by; portraits must be aligned by the same.
    """

    def __init__(
        self, tuned: Generator, source: Generator, identity: IdentityNet, inverter: Inverter, landmark_scheme: str
    ) -> None:
        if tuned.spec != source.spec:
            raise ConfigError("tuned and source generator differ in shape: they share no latent space")
        self.landmark_scheme = landmark_scheme
        self.tuned = tuned.eval().requires_grad_(False)
        self.source = source.eval().requires_grad_(False)
        self.identity = identity
        self.inverter = inverter
        self.detector = make_detector()
        self.device = next(tuned.parameters()).device

    @classmethod
    def from_run(cls, run: Path, device: torch.device, settings: OptimiseSettings | None = None) -> RenderedToReal:
        """Load a fine-tuning run's two generators.

        Raises:
            CheckpointError: the folder holds no run, or none that has saved a generator yet.
            ConfigError: it is a pretraining run.
        """
        folder = RunFolder(run)
        about = folder.read_about()
        if about.get("kind") != "finetune":
            raise ConfigError(f"{run} is a {about.get('kind')} run with one generator; apply needs a fine-tuning run")
        tuned, source = (placed(load_checkpoint(path).generator, device) for path in (folder.g_ema, folder.source))
        identity = load_resnet().to(device)
        inverter = OptimiseInverter(settings, identity.embed)
        return cls(tuned, source, identity, inverter, str(about["landmark_scheme"]))

    def translate(self, pixels: Pixels) -> Scene:
        """Translate every face of an upright RGB picture (H, W, 3) uint8.

        Raises:
            NoFaceError: none was found.
            ConfigError: the detector's landmarks are of another scheme than the training pictures'.
        """
        detections = self.detector.detect(pixels)
        if not detections:
            raise NoFaceError("no face was found: is one at least some 80 pixels wide and turned less than to profile?")
        quads = [self._quad(detection) for detection in detections]
        faces = [
            face for start in range(0, len(quads), BATCH) for face in self._faces(pixels, quads[start : start + BATCH])
        ]
        composite = pixels
        for detection, face in sorted(zip(detections, faces, strict=True), key=lambda pair: pair[1].quad.side_px):
            mask = face_mask(points_in_crop(detection.landmarks, face.quad, MASK_PX), MASK_PX)
            composite = paste_back(composite, face.real, face.quad, mask)
        return Scene(composite, tuple(faces))

    def _quad(self, detection: Detection) -> Quad:
        if detection.scheme != self.landmark_scheme:
            raise ConfigError(
                f"the run was trained on faces aligned by {self.landmark_scheme!r} landmarks, detector "
                f"{detection.detector!r} gives {detection.scheme!r}: crops would differ; use the data set's detector"
            )
        return detection.quad

    def _faces(self, pixels: Pixels, quads: list[Quad]) -> list[Translation]:
        began = time.perf_counter()
        crops = np.stack([align(pixels, quad, self.tuned.spec.resolution).pixels for quad in quads])
        targets = to_tensor(crops).to(self.device)
        inversion = self.inverter(self.tuned, targets)
        with torch.no_grad():
            real = self.source.synthesis(inversion.ws)
            distances = identity_distance(self.identity.embed(real), self.identity.embed(targets))
        similarities = identity_similarity(distances, self.identity.stranger_distance).tolist()
        errors = (inversion.images.clamp(-1, 1) - targets).square().mean(dim=(1, 2, 3)).sqrt() / 2.0
        seconds = (time.perf_counter() - began) / len(quads)
        return [
            Translation(quad, crop, rendered, realistic, distance, similarity, error, seconds)
            for quad, crop, rendered, realistic, distance, similarity, error in zip(
                *(quads, crops, to_pixels(inversion.images), to_pixels(real)),
                *(distances.tolist(), similarities, errors.tolist()),
                strict=True,
            )
        ]
