"""A rendered portrait in, the same person as if photographed out, and back into the full picture.

picture → detect → quad → align (the code that built the training set)
        → invert in the tuned, rendered generator → decode with the realistic generator → light, seam → paste back

What is slow, finding and inverting faces, is apart from what a user turns (:class:`~transfer.scenes.Control`): invert
once, then decode as often as wished.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from drfhq_tools.align import align
from drfhq_tools.detect import make_detector
from drfhq_tools.geometry import Quad
from drfhq_tools.hashing import sha256_file
from drfhq_tools.records import Detection
from transfer.blend import interpolated
from transfer.checkpoints import load_checkpoint
from transfer.data import to_pixels, to_tensor
from transfer.device import images_at_once, pick_device, placed
from transfer.errors import CheckpointError, ConfigError, FaceTooSmallError, NoFaceError
from transfer.inversion import Inversion, Inverter
from transfer.inversion.make import make_inverter
from transfer.inversion.pivotal import carried_images, each_alone
from transfer.memory import in_parts
from transfer.metrics.identity import identity_distance, identity_similarity
from transfer.networks.generator import Generator
from transfer.networks.identity import IdentityNet, load_resnet
from transfer.run_folder import RunFolder
from transfer.scenes.compose import Looks, Patch, compose, front_to_back, mask_of, patch, shown
from transfer.scenes.control import USUAL, Control
from transfer.scenes.mark import COMPOSITE, marked
from transfer.scenes.png_file import write_png
from transfer.scenes.samples import Metadata, Picture, SampleArray, picture_of

Pixels = npt.NDArray[np.uint8]
AT_ONCE = 8
"""Faces inverted and decoded at once, at most."""
COARSE_PX = 16
"""Layers up to this side decide shape, finer ones texture."""
LEAST_PX, LEAST_SHARE = 48.0, 1 / 8
"""A face's crop is at least so wide, in picture pixels and as a share of the generator's side, to be worth making."""


@dataclass(frozen=True)
class Translation:
    """One face's way through: crops (R, R, 3) uint8, and how well it kept who it is.

    ``index`` counts a picture's faces from 0, the largest. ``rendered`` is the tuned generator's image of the latent,
    ``real`` what becomes of it, before it is fitted to the scene. ``identity_distance`` is Euclidean between input and
    ``real`` in dlib's ResNet; ``identity_similarity`` is 1 for the same picture and 0 for strangers;
    ``reconstruction`` is the root mean square error, in 0..1, of ``rendered`` against the input crop.
    """

    index: int
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
    """A translated picture: ``faces``, and the picture with them pasted back, made when first asked for.

    ``patches`` are pasted in order; ``left`` are the indices of faces that stayed as they were, not asked for or too
    small; ``notes`` are words for people on what went amiss.
    """

    picture: Picture
    faces: tuple[Translation, ...]
    patches: tuple[Patch, ...]
    left: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def samples(self) -> SampleArray:
        """(H, W, C) in the input's own samples, as its file holds them; untouched ones are equal to the bit."""
        return compose(self.picture, self.patches)

    @cached_property
    def composite(self) -> Pixels:
        """(H, W, 3) uint8, upright sRGB, for a screen."""
        return self.samples if self.picture.plain else shown(self.picture, self.patches)  # type: ignore[return-value]

    def save(self, path: Path) -> None:
        """Write :attr:`samples` as a PNG with the input's profile and EXIF, marked as made by a model."""
        metadata = self.picture.metadata
        write_png(path, self.samples, Metadata(metadata.chunks, marked(metadata.xmp, COMPOSITE)))


@dataclass(frozen=True)
class Inverted:
    """A picture's faces as latents: ``detections`` and ``indices`` (0 the largest) of those chosen, ``everyone`` in
    the picture front to back, ``crops`` (N, R, R, 3) uint8, ``ws`` (N, num_ws, w_dim), ``images`` (N, 3, R, R), the
    tuned generator's, and ``seconds`` a face. ``offsets`` is what pivotal tuning changed for each, if it did; ``notes``
    are words for people."""

    picture: Picture
    everyone: tuple[Detection, ...]
    indices: tuple[int, ...]
    crops: Pixels
    ws: Tensor
    images: Tensor
    seconds: float
    offsets: tuple[Mapping[str, Tensor] | None, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def detections(self) -> tuple[Detection, ...]:
        return tuple(self.everyone[index] for index in self.indices)


class RenderedToReal:
    """The two generators of a run and what stands around them; build with :meth:`from_run`.

    ``landmark_scheme`` is what the run's training pictures were aligned by; portraits must be aligned by the same.
    """

    def __init__(
        self,
        tuned: Generator,
        source: Generator,
        identity: IdentityNet,
        inverter: Inverter,
        landmark_scheme: str,
        *,
        made_with: Mapping[str, object] | None = None,
    ) -> None:
        if tuned.spec != source.spec:
            raise ConfigError(
                f"the tuned generator ({tuned.spec.resolution}²) and the source ({source.spec.resolution}²) differ in "
                "shape: they share no latent space; g_ema and source must be those that one run saved"
            )
        self.landmark_scheme = landmark_scheme
        self.tuned = tuned.eval().requires_grad_(False)
        self.source = source.eval().requires_grad_(False)
        self.identity = identity
        self.inverter = inverter
        self.made_with = dict(made_with or {})
        self.detector = make_detector()
        self.device = next(tuned.parameters()).device

    @classmethod
    def from_run(
        cls,
        run: Path | str,
        device: torch.device | str = "auto",
        *,
        inverter: str = "auto",
        steps: int | None = None,
        seed: int = 0,
    ) -> RenderedToReal:
        """Load a fine-tuning run's two generators, and the inverter called ``inverter``, of ``steps`` steps if given.

        Raises:
            CheckpointError: the folder holds no run, or none that has saved a generator yet.
            ConfigError: it is a pretraining run, or there is no such inverter or device.
        """
        folder = RunFolder(Path(run))
        about = folder.read_about()
        if about.get("kind") != "finetune":
            raise ConfigError(f"{run} is a {about.get('kind')} run with one generator; apply needs a fine-tuning run")
        if not isinstance(scheme := about.get("landmark_scheme"), str):
            raise CheckpointError(f"{folder.about} does not say by which landmarks the run's pictures were aligned")
        if not folder.g_ema.is_file():
            raise CheckpointError(
                f"{run} has saved no generator yet: `transfer finetune` leaves {folder.g_ema.name} with its first "
                "snapshot; the same command goes on from where it was"
            )
        place = pick_device(device) if isinstance(device, str) else device
        tuned, source = (placed(load_checkpoint(path).generator, place) for path in (folder.g_ema, folder.source))
        identity = load_resnet().to(place)
        found = make_inverter(inverter, folder, identity, steps=steps, seed=seed)
        files = {
            path.stem: sha256_file(path) for path in (folder.g_ema, folder.source, folder.encoder) if path.is_file()
        }
        made_with = {"inverter": inverter, "steps": steps, "seed": seed, "sha256": files}
        return cls(tuned, source, identity, found, scheme, made_with=made_with)

    def translate(
        self, picture: Path | str | Picture | Pixels, control: Control = USUAL, faces: Sequence[int] | None = None
    ) -> Scene:
        """Translate faces of a picture: a file, or upright RGB pixels (H, W, 3) uint8.

        Args:
            picture: What to translate.
            control: How far, and how the faces are put back.
            faces: Which, counted from 0, the largest; all of them by default.

        Raises:
            DecodeError: the file is no picture.
            NoFaceError: no face was found, or none of those asked for.
            ConfigError: the detector's landmarks are of another scheme than the training pictures'.
        """
        return self.decode(self.invert(picture, faces), control)

    def detect(self, picture: Picture) -> tuple[Detection, ...]:
        """The picture's faces, the largest first.

        Raises:
            NoFaceError: none was found.
            ConfigError: the detector's landmarks are of another scheme than the training pictures'.
        """
        found = front_to_back(self.aligned_alike(self.detector.detect(picture.pixels)))
        if not found:
            raise NoFaceError("no face was found: is one at least some 80 pixels wide and turned less than to profile?")
        return tuple(found)

    @property
    def least_px(self) -> float:
        """How wide a face's crop must be to be made."""
        return max(LEAST_PX, LEAST_SHARE * self.tuned.spec.resolution)

    @property
    def _instead(self) -> str:
        """What to do where one face does not fit."""
        end = "end other programs" if self.device.type == "cpu" else "use --device cpu"
        return f"{end}, or use a run of smaller generators"

    def aligned_alike(self, found: Sequence[Detection]) -> Sequence[Detection]:
        """The same faces, known to be aligned as the run's training pictures were.

        Raises:
            ConfigError: the detector's landmarks are of another scheme.
        """
        for detection in found:
            if detection.scheme != self.landmark_scheme:
                raise ConfigError(
                    f"the run was trained on faces aligned by {self.landmark_scheme!r} landmarks, detector "
                    f"{detection.detector!r} gives {detection.scheme!r}: crops would differ; train on a data set built "
                    "with this detector"
                )
        return found

    def invert(self, picture: Path | str | Picture | Pixels, faces: Sequence[int] | None = None) -> Inverted:
        """Find faces and their latents; arguments and errors as :meth:`translate`'s."""
        given = picture_of(picture)
        everyone = self.detect(given)
        return self.invert_found(given, everyone, self.chosen(everyone, faces))

    def invert_found(
        self,
        picture: Picture,
        everyone: Sequence[Detection],
        indices: Sequence[int],
        inverter: Inverter | None = None,
    ) -> Inverted:
        """The latents of faces already found: ``indices`` of ``everyone`` in the picture, front to back; by another
        inverter than the renderer's if one is given.

        Raises:
            OutOfMemoryError: not even one face fits.
        """
        side = self.tuned.spec.resolution
        began = time.perf_counter()
        crops = np.stack([align(picture.pixels, everyone[index].quad, side).pixels for index in indices])

        def inverted(part: Sequence[int]) -> Inversion:
            return (inverter or self.inverter)(self.tuned, to_tensor(crops[list(part)], self.device))

        advice = f"one face in a {side}² generator does not fit: {self._instead}"
        parts = in_parts(inverted, range(len(indices)), images_at_once(side, AT_ONCE), advice)
        made = [one for _, one in parts]
        return Inverted(
            picture,
            tuple(everyone),
            tuple(indices),
            crops,
            torch.cat([one.ws for one in made]),
            torch.cat([one.images for one in made]),
            (time.perf_counter() - began) / len(indices),
            tuple(offsets for part, one in parts for offsets in each_alone(one.offsets, len(part))),
            tuple(dict.fromkeys(note for one in made for note in one.notes)),
        )

    def chosen(self, everyone: Sequence[Detection], faces: Sequence[int] | None = None) -> tuple[int, ...]:
        """Which of a picture's faces to make: those asked for, or all that are large enough.

        Raises:
            NoFaceError: there is no such face, or a face asked for, or every one, is too small.
        """
        large = [index for index, face in enumerate(everyone) if face.quad.side_px >= self.least_px]
        wanted = large if faces is None else sorted(set(faces))
        if absent := [index for index in wanted if not 0 <= index < len(everyone)]:
            raise NoFaceError(f"no face {absent[0]}: there are {len(everyone)}, counted from 0, the largest")
        if not wanted or not set(wanted) <= set(large):
            side = everyone[max(wanted, default=0)].quad.side_px
            raise FaceTooSmallError(
                f"a face is too small: its crop is {side:.0f} pixels wide, and a {self.tuned.spec.resolution}² "
                f"generator asks for {self.least_px:.0f}; render it larger, or enlarge the picture"
            )
        return tuple(wanted)

    def decode(self, inverted: Inverted, control: Control = USUAL) -> Scene:
        """Make faces of latents under ``control`` and put them back."""
        began = time.perf_counter()
        made, real = self._images(inverted, control)
        crops = inverted.crops.astype(np.float32) / 255
        looks = [Looks(*each) for each in zip(crops, _unit(inverted.images), _unit(made), _unit(real), strict=True)]
        patches = [
            patch(look, face, mask_of(face, self._unchosen_before(inverted, index)), control)
            for look, face, index in zip(looks, inverted.detections, inverted.indices, strict=True)
        ]
        seconds = inverted.seconds + (time.perf_counter() - began) / len(patches)
        faces = self._translations(inverted, made, seconds)
        left = tuple(set(range(len(inverted.everyone))) - set(inverted.indices))
        return Scene(inverted.picture, faces, tuple(reversed(patches)), left, inverted.notes)

    def _unchosen_before(self, inverted: Inverted, index: int) -> list[Detection]:
        """Faces nearer than face ``index`` that stay as they are; those that are pasted will cover it anyway."""
        return [face for i, face in enumerate(inverted.everyone[:index]) if i not in inverted.indices]

    @torch.no_grad()
    def _images(self, inverted: Inverted, control: Control) -> tuple[Tensor, Tensor]:
        """(N, 3, R, R): of the blended generator, and of the source alone."""
        ws = self.tuned.mapping.truncate(inverted.ws, control.truncation)
        coarse, fine = control.layers
        share = {side: coarse if side <= COARSE_PX else fine for side in self.tuned.spec.resolutions}
        fully = set(share.values()) == {1.0}
        blended = self.source if fully else interpolated(self.tuned, self.source, share)

        def synthesised(generator: Generator) -> Tensor:
            return self._synthesised(generator, ws, inverted.offsets, control.pivotal)

        real = synthesised(self.source)
        return real if fully else synthesised(blended), real

    def _synthesised(
        self, generator: Generator, ws: Tensor, offsets: Sequence[Mapping[str, Tensor] | None], strength: float
    ) -> Tensor:
        """Each portrait's image, by ``generator`` with the portrait's own weight change where it has one."""
        if strength and any(offsets):
            return carried_images(generator, ws, offsets, strength)
        side = generator.spec.resolution
        advice = f"one image of {side}² does not fit: {self._instead}"

        def images(part: Sequence[int]) -> Tensor:
            made: Tensor = generator.synthesis(ws[list(part)])
            return made

        return torch.cat([made for _, made in in_parts(images, range(len(ws)), images_at_once(side, AT_ONCE), advice)])

    @torch.no_grad()
    def _translations(self, inverted: Inverted, made: Tensor, seconds: float) -> tuple[Translation, ...]:
        targets = to_tensor(inverted.crops, self.device)
        distances = identity_distance(self.identity.embed(made), self.identity.embed(targets))
        similarities = identity_similarity(distances, self.identity.stranger_distance).tolist()
        errors = (inverted.images.clamp(-1, 1) - targets).square().mean(dim=(1, 2, 3)).sqrt() / 2.0
        return tuple(
            Translation(index, face.quad, crop, rendered, real, distance, similarity, error, seconds)
            for index, face, crop, rendered, real, distance, similarity, error in zip(
                *(inverted.indices, inverted.detections, inverted.crops),
                *(to_pixels(inverted.images), to_pixels(made), distances.tolist(), similarities, errors.tolist()),
                strict=True,
            )
        )


def _unit(images: Tensor) -> npt.NDArray[np.float32]:
    """(N, 3, R, R) about [-1, 1] → (N, R, R, 3) float32 in [0, 1]."""
    unit = (images.detach().float().clamp(-1, 1) + 1) / 2
    return np.asarray(unit.permute(0, 2, 3, 1).contiguous().cpu().numpy())
