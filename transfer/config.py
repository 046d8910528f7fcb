"""Settings of a training run, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from transfer.errors import ConfigError

AUGMENTATIONS = ("colour", "translation", "cutout")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides the course of a run, apart from its data, its networks and its machine."""

    batch: int = 8
    """Images a step, real and generated each."""
    seed: int = 0
    """Seed of every random number of the run."""
    g_lr: float = 0.002
    """Adam's learning rate for the generator."""
    d_lr: float = 0.002
    """Adam's learning rate for the discriminator."""
    r1_gamma: float = 0.1
    """Weight of the R1 gradient penalty on real images."""
    r1_every: int = 16
    """Steps between R1 penalties; each counts ``r1_every`` times as much."""
    ema_kimg: float = 10.0
    """Half-life of the averaged generator, in thousands of images."""
    ema_rampup: float = 0.05
    """The half-life is at most this share of the images seen."""
    mirror: bool = True
    """Show every second picture mirrored."""
    augment: tuple[str, ...] = AUGMENTATIONS
    """Differentiable augmentations of what the discriminator sees."""
    freeze_mapping: bool = False
    """Keep the mapping network as it is, so that a latent stays the same person."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of the consistency terms by name; none without a source generator."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", tuple(self.augment))
        object.__setattr__(self, "weights", dict(self.weights))
        if unknown := sorted(set(self.augment) - set(AUGMENTATIONS)):
            raise ConfigError(f"no augmentation named {', '.join(unknown)}; known: {', '.join(AUGMENTATIONS)}")
        if self.batch < 2:
            raise ConfigError(
                f"a batch of {self.batch} image leaves minibatch statistics nothing to compare; use 2 or more"
            )
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative; use 0 or more")
        if min(self.g_lr, self.d_lr, self.ema_kimg) <= 0 or self.r1_gamma < 0 or self.r1_every < 1:
            raise ConfigError("learning rates and ema_kimg are above 0, r1_gamma at least 0, r1_every at least 1")

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self) | {"augment": list(self.augment), "weights": dict(self.weights)}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a run goes on and how often it writes; may change between two runs of one folder."""

    kimg: float
    """Thousands of images to show the discriminator in all."""
    snapshot_kimg: float = 10.0
    """Thousands of images between pictures and checkpoints."""

    def __post_init__(self) -> None:
        if self.kimg <= 0 or self.snapshot_kimg <= 0:
            raise ConfigError("kimg and snapshot_kimg are above 0")
