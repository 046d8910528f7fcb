"""A training run as a folder, complete by itself: what lies where, and what decides the run.

run.json              kind, settings, spec, data digest, landmark scheme, source hash
source.safetensors    (fine-tuning) the generator it started from, the realistic one
g_ema.safetensors     the averaged generator and the discriminator, as of the last snapshot
state.pt              everything needed to resume, as of the last snapshot
kept/                 both, of the last few snapshots, named by the images shown so far
best-g_ema.safetensors  the averaged generator of the least kernel distance, where measured; best.json says which
swapped-g_ema.safetensors  (recipes that swap) g_ema with the source's coarse layers
log.jsonl             mean losses between snapshots
portraits.npy         the training pictures at the run's resolution (a cache); portraits.json says of which data
encoder.safetensors   the encoder of portraits into the tuned generator, once `transfer train-encoder` has made one;
                      encoder-state.pt, encoder-log.jsonl, encoder-snapshots/: what it resumes from, losses, pictures;
                      encoder-portraits.npy: its pictures, where they are others than the run's
skipped.json          pictures that could not be used when the run began, by name and reason
walks/                film strips between latents, a picture a snapshot
snapshots/            one picture a snapshot, named by the images shown so far
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drfhq_tools.atomic import write_file
from transfer.config import TrainConfig
from transfer.errors import CheckpointError, ConfigError


def differing(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The names of what is not as it was, come and gone among them, sorted."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what."""

    root: Path

    @property
    def about(self) -> Path:
        return self.root / "run.json"

    @property
    def source(self) -> Path:
        return self.root / "source.safetensors"

    @property
    def g_ema(self) -> Path:
        return self.root / "g_ema.safetensors"

    @property
    def swapped(self) -> Path:
        return self.root / "swapped-g_ema.safetensors"

    @property
    def state(self) -> Path:
        return self.root / "state.pt"

    @property
    def encoder(self) -> Path:
        return self.root / "encoder.safetensors"

    @property
    def encoder_state(self) -> Path:
        return self.root / "encoder-state.pt"

    @property
    def encoder_log(self) -> Path:
        return self.root / "encoder-log.jsonl"

    @property
    def encoder_portraits(self) -> Path:
        return self.root / "encoder-portraits.npy"

    def encoder_sheet(self, images: int) -> Path:
        return self.root / "encoder-snapshots" / f"{images:08d}.png"

    @property
    def best(self) -> Path:
        return self.root / "best-g_ema.safetensors"

    @property
    def best_about(self) -> Path:
        return self.root / "best.json"

    @property
    def log(self) -> Path:
        return self.root / "log.jsonl"

    @property
    def portraits(self) -> Path:
        return self.root / "portraits.npy"

    @property
    def skipped(self) -> Path:
        return self.root / "skipped.json"

    def kept_state(self, images: int) -> Path:
        return self.root / "kept" / f"state-{images:08d}.pt"

    def kept_g_ema(self, images: int) -> Path:
        return self.root / "kept" / f"g_ema-{images:08d}.safetensors"

    def kept(self) -> list[int]:
        """After how many images the kept snapshots were taken, in order."""
        return sorted(int(path.stem.removeprefix("state-")) for path in (self.root / "kept").glob("state-*.pt"))

    @property
    def board(self) -> Path:
        return self.root / "tensorboard"

    def walk(self, images: int) -> Path:
        return self.root / "walks" / f"{images:08d}.png"

    def snapshot(self, images: int) -> Path:
        return self.root / "snapshots" / f"{images:08d}.png"

    def read_about(self) -> dict[str, object]:
        """What decides this run.

        Raises:
            CheckpointError: the folder holds no run.
        """
        try:
            about = json.loads(self.about.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{self.root} is no run folder ({error}): make one with `transfer finetune`"
            ) from error
        return dict(about)

    def claim(self, about: dict[str, object]) -> None:
        """Begin a run here, or make sure that the one begun here is the same.

        Raises:
            ConfigError: the folder holds a run with other settings or data; the message names what differs.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        about = json.loads(json.dumps(about))
        if self.about.is_file():
            before = _completed(self.read_about())
            about = _completed(about)
            if names := differing(before, about):
                raise ConfigError(
                    f"{self.root} holds a run with another {', '.join(names)}: resume it with what it was begun with, "
                    "or give another --out"
                )
            return
        write_file(self.about, (json.dumps(about, indent=2, sort_keys=True) + "\n").encode())

    def note_skipped(self, faces: list[dict[str, object]]) -> None:
        """Keep which pictures the run does without, or make sure that they are those it was begun without.

        Raises:
            ConfigError: others are missing now: what the run shows would not be what it has shown.
        """
        if not self.skipped.is_file():
            write_file(self.skipped, (json.dumps(faces, indent=1, ensure_ascii=False) + "\n").encode())
            return
        before = {int(face["row"]) for face in json.loads(self.skipped.read_text(encoding="utf-8"))}
        now = {int(str(face["row"])): str(face["name"]) for face in faces}
        if changed := sorted(before ^ now.keys()):
            names = ", ".join(now.get(row, f"face {row} of the split, missing before") for row in changed[:3])
            raise ConfigError(
                f"{self.root} was begun with other pictures readable ({names}): bring the data set back, or give"
                " another --out"
            )


def _completed(about: dict[str, object]) -> dict[str, object]:
    """Settings that came after a run was begun are at their defaults in it, and a term that is not named has weight 0.

    Runs of earlier versions named a term's weight beside the settings alone where it was the default.
    """
    config = about.get("config")
    if not isinstance(config, dict):
        return about
    config = TrainConfig().to_dict() | config
    weights = about.get("weights", config["weights"])
    if isinstance(weights, dict):
        weights = {term: weight for term, weight in weights.items() if weight}
    return about | {"config": config | {"weights": weights}, "weights": weights}
