"""``transfer apply``: rendered pictures in, the same scenes with realistic faces out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drfhq_tools.errors import DrfhqError, UsageError
from transfer.cli.options import PATH, say
from transfer.errors import ConfigError

if TYPE_CHECKING:
    from transfer.render2real import RenderedToReal

SOME_FAILED = 3
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}


@click.command()
@click.argument("pictures", nargs=-1, required=True, type=PATH)
@click.option("--run", type=PATH, required=True, help="A folder made by `transfer finetune`.")
@click.option("--out", type=PATH, required=True, help="Where the results go.")
@click.option("--device", default="auto", help="cpu, cuda, mps or auto.")
@click.option("--steps", type=click.IntRange(2), default=300, help="Inversion steps a face; more is closer and slower.")
def apply(pictures: tuple[Path, ...], run: Path, out: Path, device: str, steps: int) -> None:
    """Make the faces in PICTURES (files or folders) realistic and put them back.

    For a picture S it writes S.png (the whole picture), S.compare.png (before, after), S.faceK.input.png and
    S.faceK.real.png (aligned crops) and S.json. Exit code 3: some pictures had no face or could not be read.

    \b
    Example:
      transfer apply portrait.png scenes/ --run runs/render64 --out out
    """
    from transfer.device import keep_freed_memory
    from transfer.render2real import RenderedToReal

    jobs = output_stems(pictures)
    keep_freed_memory()
    renderer = RenderedToReal.from_run(run, device, steps=steps)
    failed = 0
    for picture, stem in jobs:
        try:
            click.echo(_translate(renderer, picture, out / stem))
        except ConfigError:  # no picture would fare better
            raise
        except (DrfhqError, OSError) as error:
            say(f"{picture}: {error}")
            failed += 1
    if failed:
        say(f"{failed} of {len(jobs)} pictures failed")
        raise click.exceptions.Exit(SOME_FAILED)


def output_stems(pictures: tuple[Path, ...]) -> list[tuple[Path, Path]]:
    """Each picture with the stem of its results, subfolders mirrored; names that would collide keep their suffix.

    Raises:
        UsageError: a path does not exist, or a folder holds no picture.
    """
    found: list[tuple[Path, Path]] = []
    for given in pictures:
        if given.is_dir():
            inside = sorted(path for path in given.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
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


def _translate(renderer: RenderedToReal, picture: Path, stem: Path) -> str:
    from transfer.results import write_scene

    scene = renderer.translate(picture)
    for face in scene.faces:
        if face.magnification > 2:
            say(
                f"{picture}: face {face.index} is {face.quad.side_px:.0f} px wide, {face.magnification:.1f} times the "
                f"generator's {len(face.real)}: it will look soft"
            )
    return str(write_scene(scene, stem))
