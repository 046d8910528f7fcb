"""``transfer apply``: rendered pictures in, the same scenes with realistic faces out."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.errors import DecodeError, DrfhqError, UsageError
from transfer.cli.options import PATH, say
from transfer.errors import ConfigError, NoFaceError, StorageError
from transfer.scenes.control import SEAMS, SMOOTH_FRAMES, USUAL, Control

if TYPE_CHECKING:
    from drfhq_tools.records import Detection
    from transfer.frames import Frame
    from transfer.render2real import RenderedToReal, Scene
    from transfer.results import Outcome
    from transfer.scenes.samples import Picture

SOME_FAILED = 3
SHARE = click.FloatRange(0, 1)


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What is done to every picture alike, and what came of those so far."""

    renderer: RenderedToReal
    control: Control
    faces: tuple[int, ...] | None
    preview: bool
    digest: str
    outcomes: list[Outcome] = field(default_factory=list)


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=PATH)
@click.option("--run", type=PATH, required=True, help="A folder made by `transfer finetune`.")
@click.option("--out", type=PATH, required=True, help="Where the results go.")
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
@click.option("--inverter", default="auto", help="How latents are found; docs/inversion.md lists the ways.")
@click.option("--steps", type=click.IntRange(2), help="Inversion steps a face; more is closer and slower.")
@click.option("--seed", type=int, default=0, help="Decides what the inversion draws at random.")
@click.option(
    "--face", "faces", type=click.IntRange(0), multiple=True, help="Only this face, 0 the largest; repeatable."
)
@click.option("--strength", type=SHARE, default=USUAL.strength, help="0 the render re-created, 1 fully real.")
@click.option("--shape", type=SHARE, help="The same for pose and proportions (layers to 16²).  [default: --strength]")
@click.option("--texture", type=SHARE, help="The same for skin, hair and eyes (finer layers).  [default: --strength]")
@click.option("--colour-strength", "colour", type=SHARE, help="The same for the face's colour and contrast alone.")
@click.option("--truncation", type=SHARE, default=USUAL.truncation, help="Below 1, closer to the mean face.")
@click.option(
    "--pivotal-strength", "pivotal", type=SHARE, default=USUAL.pivotal, help="Of --inverter pivotal's change."
)
@click.option(
    "--match-light/--no-match-light", default=True, help="Give the face the light that the picture has there."
)
@click.option("--carry-detail/--no-carry-detail", default=True, help="Leave hair, hands and the like that got lost.")
@click.option("--seam", type=click.Choice(SEAMS), default=USUAL.seam, help="gradient bends colours to meet the rim.")
@click.option("--preview", is_flag=True, help="Write S.strengths.png too: each face at five strengths.")
@click.option("--sequence", is_flag=True, help="PICTURES are frames, in order of name: steady over time.")
@click.option(
    "--smooth", type=click.FloatRange(0), default=SMOOTH_FRAMES, help="With --sequence: over how many frames."
)
def apply(
    pictures: tuple[Path, ...],
    run: Path,
    out: Path,
    device: str,
    inverter: str,
    steps: int | None,
    seed: int,
    faces: tuple[int, ...],
    preview: bool,
    sequence: bool,
    smooth: float,
    **turned: object,
) -> None:
    """Make the faces in PICTURES (files or folders) realistic and put them back.

    For a picture S it writes S.png (the whole picture), S.compare.png (before, after), S.faceK.input.png and
    S.faceK.real.png (aligned crops) and S.json; where no face was found, S.noface.jpg (what the detector saw). The
    same command again skips what is done. Several pictures end with a table, OUT/table.csv. Exit code 3: some pictures
    had no face or could not be read.

    \b
    Examples:
      transfer apply portrait.png scenes/ --run runs/render64 --out out
      transfer apply frames/ --sequence --run runs/render64 --out out
    """
    from transfer.device import keep_freed_memory
    from transfer.render2real import RenderedToReal
    from transfer.results import request_digest

    control = Control(**turned)  # type: ignore[arg-type]  # click has checked each
    jobs = output_stems(pictures)
    if sequence and preview:
        raise UsageError("--preview is of single pictures: leave --sequence out")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: give a folder for the results as --out")
    keep_freed_memory()
    renderer = RenderedToReal.from_run(run, device, inverter=inverter, steps=steps, seed=seed)
    chosen = faces or None
    request = _Request(
        renderer=renderer,
        control=control,
        faces=chosen,
        preview=preview,
        digest=request_digest(renderer, control, chosen, preview=preview),
    )
    with _ending_with_a_table(request.outcomes, out, jobs):
        if sequence:
            _sequence(request, jobs, out, smooth)
        else:
            for picture, stem in jobs:
                with _noted(request.outcomes, picture):
                    _one(request, picture, out / stem)
    if any(one.what == "failed" for one in request.outcomes):
        raise click.exceptions.Exit(SOME_FAILED)


def output_stems(pictures: tuple[Path, ...]) -> list[tuple[Path, Path]]:
    """Each picture with the stem of its results, subfolders mirrored; names that would collide keep their suffix.

    Raises:
        UsageError: a path does not exist, or a folder holds no picture.
    """
    from transfer.scenes.samples import SUFFIXES, pictures_below

    found: list[tuple[Path, Path]] = []
    for given in pictures:
        if given.is_dir():
            inside = pictures_below(given)
            if not inside:
                raise UsageError(f"{given} holds no picture ({', '.join(sorted(SUFFIXES))})")
            found += [(path, path.relative_to(given)) for path in inside]
        elif given.is_file():
            found.append((given, Path(given.name)))
        else:
            raise UsageError(f"{given} does not exist")
    taken = Counter(name.with_suffix("").as_posix().lower() for _, name in found)
    jobs = [
        (path, name if taken[name.with_suffix("").as_posix().lower()] > 1 else name.with_suffix(""))
        for path, name in found
    ]
    if len({stem.as_posix().lower() for _, stem in jobs}) < len(jobs):
        raise UsageError("two of the pictures have one name: put them below one folder and give the folder")
    return jobs


def _one(request: _Request, path: Path, stem: Path) -> None:
    """Translate one picture, unless that was done."""
    from drfhq_tools.hashing import sha256_file
    from transfer.results import DONE, SKIPPED, Outcome, finished, write_preview, write_scene
    from transfer.scenes.samples import read

    began = time.perf_counter()
    before = finished(stem, request.digest, sha256_file(path))
    if before is not None:
        request.outcomes.append(Outcome(path, SKIPPED, before))
        click.echo(stem.with_name(stem.name + ".png"))
        return
    picture, renderer = read(path), request.renderer
    everyone = _faces(renderer, picture, stem)
    inverted = renderer.invert_found(picture, everyone, renderer.chosen(everyone, request.faces))
    scene = renderer.decode(inverted, request.control)
    _warn(path, scene)
    if request.faces is None and scene.left:
        say(
            f"{path}: {len(scene.left)} of {len(everyone)} faces are too small, narrower than {renderer.least_px:.0f} "
            "px, and stay as they are: render them larger, or enlarge the picture"
        )
    if request.preview:
        write_preview(renderer, inverted, stem, request.control)
    click.echo(write_scene(scene, stem, request.control, digest=request.digest))
    request.outcomes.append(Outcome(path, DONE, len(scene.faces), time.perf_counter() - began))


def _faces(renderer: RenderedToReal, picture: Picture, stem: Path) -> tuple[Detection, ...]:
    """The picture's faces; where there are none, what the detector saw is left beside the results."""
    from transfer.scenes.nobody import write_unfound

    unfound = stem.with_name(stem.name + ".noface.jpg")
    unfound.unlink(missing_ok=True)
    try:
        return renderer.detect(picture)
    except NoFaceError as error:
        write_unfound(picture.pixels, unfound)
        raise NoFaceError(f"{error} What the detector saw is in {unfound}") from error


def _sequence(request: _Request, jobs: Sequence[tuple[Path, Path]], out: Path, smooth: float) -> None:
    """Translate all pictures as frames of one sequence, unless all of that was done."""
    from drfhq_tools.hashing import settings_digest, sha256_file
    from transfer.frames import translate_frames
    from transfer.results import DONE, SKIPPED, Outcome, finished, write_scene

    paths = [path for path, _ in jobs]
    hashes = [sha256_file(path) for path in paths]
    digest = settings_digest({"request": request.digest, "smooth": smooth, "frames": hashes})
    done = [finished(out / stem, digest, sha256) for (_, stem), sha256 in zip(jobs, hashes, strict=True)]
    if all(count is not None for count in done):
        request.outcomes.extend(Outcome(path, SKIPPED, n or 0) for path, n in zip(paths, done, strict=True))
        return
    frames = translate_frames(
        request.renderer, paths, request.control, faces=request.faces, smooth_frames=smooth, say=say
    )
    told: dict[str, float | None] = {}
    for (frame, steadiness), (path, stem) in zip(frames, jobs, strict=True):
        with _noted(request.outcomes, path):
            scene = _scene_of(frame)
            told = steadiness.to_dict()
            more = {"tracks": list(frame.tracks), "sequence": told}
            click.echo(write_scene(scene, out / stem, request.control, digest=digest, more=more))
            seconds = sum(face.seconds for face in scene.faces)
            request.outcomes.append(Outcome(path, DONE, len(scene.faces), seconds))
    for name, value in told.items():
        say(f"{name.replace('_', ' ')}: " + ("no figure" if value is None else f"{value:.2f} of 255 levels"))


def _scene_of(frame: Frame) -> Scene:
    if frame.scene is None:
        raise NoFaceError(frame.trouble)
    return frame.scene


def _warn(path: Path, scene: Scene) -> None:
    for face in scene.faces:
        if face.magnification > 2:
            say(
                f"{path}: face {face.index} is {face.quad.side_px:.0f} px wide, {face.magnification:.1f} times the "
                f"generator's {len(face.real)}: it will look soft"
            )
    for note in scene.notes:
        say(f"{path}: {note}")


@contextmanager
def _noted(outcomes: list[Outcome], path: Path) -> Iterator[None]:
    """What goes wrong with one picture is noted, and the next one comes."""
    from transfer.memory import TOO_LITTLE, is_out_of_memory
    from transfer.results import FAILED, Outcome

    try:
        yield
    except ConfigError:  # no picture would fare better
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise StorageError(f"{error}: free some space; the same command goes on from here") from error
        if isinstance(error, DrfhqError | DecodeError | OSError):
            message = str(error)
        elif is_out_of_memory(error):
            message = f"{TOO_LITTLE} ({error})"
        else:
            raise
        say(f"{path}: {message}")
        outcomes.append(Outcome(path, FAILED, message=message))


@contextmanager
def _ending_with_a_table(outcomes: list[Outcome], out: Path, jobs: Sequence[tuple[Path, Path]]) -> Iterator[None]:
    """However a run of many pictures ends, OUT/table.csv says what came of each, and stderr how many there were."""
    from transfer.results import write_table

    try:
        yield
    finally:
        if len(jobs) > 1 and outcomes:
            write_table(outcomes, out / "table.csv")
            counts = Counter(one.what for one in outcomes)
            said = ", ".join(f"{number} {what}" for what, number in counts.items())
            say(f"{len(outcomes)} of {len(jobs)} pictures: {said}; {out / 'table.csv'} lists them")
            for one in outcomes:
                if one.what == "failed":
                    say(f"  {one.picture}: {one.message}")
