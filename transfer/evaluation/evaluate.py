"""Portraits through a run, looked at and written down.

EVAL/evaluation.json   every figure, of everyone, every group and every portrait
EVAL/evaluation.md     the tables                    EVAL/evaluation.html   tables and pictures, one file
EVAL/inverted/         what was slow (:mod:`transfer.evaluation.translated`): a cut evaluation goes on from there
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drfhq_tools.atomic import write_file
from drfhq_tools.hashing import sha256_file
from transfer.checkpoints import load_checkpoint
from transfer.data import to_tensor
from transfer.device import placed
from transfer.errors import ConfigError
from transfer.evaluation.figures import Summary, each, realism_of, summarise
from transfer.evaluation.look import Instruments, Look
from transfer.evaluation.page import Shown, render
from transfer.evaluation.report import to_markdown
from transfer.evaluation.subjects import Subjects
from transfer.evaluation.translated import Translated, Way, translate
from transfer.inversion.make import make_inverter
from transfer.metrics.identity import Gallery
from transfer.run_folder import RunFolder

FloatArray = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Seen:
    """Faces, and what was measured of them, landmarks apart."""

    subjects: Subjects
    look: Look

    @classmethod
    def of(cls, subjects: Subjects, instruments: Instruments) -> Seen:
        """Look at them, once for all evaluations."""
        return cls(subjects, look_at(instruments, subjects.pixels, landmarks_of=0))


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What outputs are held against: ``photos``, and ``strangers``, renders of all people there are, those of the
    portraits among them."""

    photos: Seen
    strangers: Seen

    @property
    def gallery(self) -> Gallery:
        """The strangers as the judging network sees them."""
        faces = self.strangers.subjects.faces
        look = self.strangers.look
        return Gallery(look.embeddings[look.judge], [face.person for face in faces], [face.kind for face in faces])


@dataclass(frozen=True, eq=False)
class Evaluated:
    """An evaluation: its summary, and by figure a value a portrait."""

    summary: Summary
    figures: Mapping[str, FloatArray]


@dataclass(frozen=True, kw_only=True)
class Inverting:
    """How portraits are inverted, as ``make_inverter`` takes it; ``steps`` None for the inverter's own number."""

    name: str = "auto"
    steps: int | None = None
    seed: int = 0


def way_through(
    run: Path, instruments: Instruments, how: Inverting, *, direct: bool = False, generator: Path | None = None
) -> Way:
    """The generators of a fine-tuning run and an inverter.

    ``direct`` leaves the rendered generator out: portraits are inverted straight into the photo generator.
    ``generator`` is a checkpoint that stands in the tuned generator's place, such as a blend.

    Raises:
        ConfigError: both at once, a run of another kind, or an encoder for a generator it was not trained with.
        CheckpointError: a generator is missing.
    """
    if direct and generator is not None:
        raise ConfigError("--direct inverts in the photo generator, --generator in another: give one of them")
    folder = RunFolder(run)
    about = folder.read_about()
    if about.get("kind") != "finetune":
        raise ConfigError(f"{run} is a {about.get('kind')} run with one generator; evaluate needs a fine-tuning run")
    file = folder.source if direct else generator or folder.g_ema
    name = how.name
    if file != folder.g_ema:
        if "encoder" in name or (name == "pivotal" and folder.encoder.is_file()):
            raise ConfigError(f"the run's encoder knows its tuned generator, not {file}: use --inverter optimise")
        name = "optimise" if name == "auto" else name
    device = next(instruments.resnet.parameters()).device
    rendered, real = (placed(load_checkpoint(path).generator, device).eval() for path in (file, folder.source))
    return Way(
        rendered=rendered.requires_grad_(False),
        real=real.requires_grad_(False),
        inverter=make_inverter(name, folder, instruments.resnet, steps=how.steps, seed=how.seed),
        about={
            "rendered_sha256": sha256_file(file),
            "real_sha256": sha256_file(folder.source),
            "landmark_scheme": about.get("landmark_scheme"),
            "direct": direct,
            **asdict(how),
        },
    )


def evaluate(
    way: Way, portraits: Subjects, compared: Compared, instruments: Instruments, out: Path, say: Callable[[str], None]
) -> Evaluated:
    """Translate the portraits, measure, and write the reports into ``out``; what was inverted there is not again.

    Raises:
        ConfigError: portraits aligned by other landmarks than the run's, or ``out`` holds another evaluation.
    """
    scheme = way.about.get("landmark_scheme", portraits.landmark_scheme)
    if scheme != portraits.landmark_scheme:
        raise ConfigError(
            f"the run was trained on faces aligned by {scheme!r} landmarks, the portraits by"
            f" {portraits.landmark_scheme!r}: build them with the same detector"
        )
    translated = translate(way, portraits, out / "inverted", say)
    say("looking at inputs and outputs")
    before, after = (look_at(instruments, one) for one in (portraits.pixels, translated.real))
    off = _reconstruction(portraits.pixels, translated.rendered)
    figures = each(before, after, portraits.faces, compared.gallery, off)
    realism, judged = realism_of(compared.photos.look, before, after, portraits.people)
    summary = summarise(before, after, figures, portraits.faces, realism)
    if judged is not None:
        figures |= {"photo_score_input": judged.inputs, "photo_score_output": judged.outputs}
    found = Evaluated(summary, figures)
    _write(out, way, portraits, compared, found, translated)
    return found


def look_at(instruments: Instruments, pixels: Pixels, landmarks_of: int | None = None) -> Look:
    """What is measured of (N, R, R, 3) uint8."""
    device = next(instruments.resnet.parameters()).device
    parts = (to_tensor(pixels[i : i + 32], device) for i in range(0, len(pixels), 32))
    return instruments.look(parts, landmarks_of)


def _reconstruction(a: Pixels, b: Pixels) -> FloatArray:
    """(N,) root mean square error in 0..1."""
    return np.asarray(np.sqrt(((a.astype(np.float64) - b) ** 2).mean(axis=(1, 2, 3))) / 255)


def _write(
    out: Path,
    way: Way,
    portraits: Subjects,
    compared: Compared,
    found: Evaluated,
    translated: Translated,
) -> None:
    about = dict(way.about) | {
        "portraits": _words(portraits),
        "photos": _words(compared.photos.subjects),
        "strangers": _words(compared.strangers.subjects),
    }
    faces = [
        asdict(face) | {name: float(values[row]) for name, values in found.figures.items()}
        for row, face in enumerate(portraits.faces)
    ]
    document = {"about": about, "summary": asdict(found.summary), "portraits": faces}
    write_file(out / "evaluation.json", (json.dumps(_finite(document), indent=1) + "\n").encode())
    write_file(out / "evaluation.md", to_markdown(found.summary, about).encode())
    rows = [
        Shown(face.name, float(found.figures["identity"][row]), images)
        for row, (face, *images) in enumerate(
            zip(portraits.faces, portraits.pixels, translated.rendered, translated.real, strict=True)
        )
    ]
    write_file(out / "evaluation.html", render(found.summary, about, rows).encode())


def _words(subjects: Subjects) -> dict[str, object]:
    return {"digest": subjects.digest, "faces": len(subjects), "left_out": subjects.left_out}


def _finite(value: object) -> object:
    """For JSON, which knows no NaN: null."""
    if isinstance(value, float):
        return round(value, 6) if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value
