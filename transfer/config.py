"""Settings of a training run, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from transfer.errors import ConfigError

AUGMENTATIONS: Final = ("colour", "translation", "cutout")
ADA: Final = "ada"
PRECISIONS: Final = ("fp32", "bf16", "fp16")


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
    """Differentiable augmentations of what the discriminator sees, or ``("ada",)``: adaptive (Karras et al. 2020)."""
    ada_target: float = 0.6
    """ADA: how sure of real images the discriminator may be, as the mean sign of its logits."""
    ada_kimg: float = 500.0
    """ADA: thousands of images in which its strength p may go from 0 to 1."""
    ada_every: int = 4
    """ADA: steps between changes of p."""
    style_mixing: float = 0.0
    """Share of the generated images whose finer layers take another latent's style; the papers have 0.9."""
    path_length: float = 0.0
    """Weight of path length regularisation (Karras et al. 2020, section 3.2); 0 for none, the paper has 2."""
    path_length_every: int = 4
    """Steps between path length penalties; each counts ``path_length_every`` times as much."""
    freeze_mapping: bool = False
    """Keep the mapping network as it is, so that a latent stays the same person."""
    freeze_g: tuple[int, ...] = ()
    """Resolutions whose synthesis layers stay as they are, such as 4, 8."""
    freeze_d: int = 0
    """FreezeD (Mo et al. 2020): layers of the discriminator, from the image on, that stay as they are; one takes the
    image, then each block has three."""
    precision: str = "fp32"
    """What feature maps are computed in: fp32, bf16 or fp16; weights and regularised phases stay in fp32."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weights of the consistency terms by name; those not named are off. None without a source generator."""
    every: Mapping[str, int] = field(default_factory=dict)
    """Steps between the turns of a consistency term, by name; it then counts as often as much."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", tuple(self.augment))
        object.__setattr__(self, "weights", dict(self.weights))
        object.__setattr__(self, "every", dict(self.every))
        object.__setattr__(self, "freeze_g", tuple(sorted(self.freeze_g)))
        self._check_augmentations()
        self._check_regularisation()
        if self.batch < 2:
            raise ConfigError(
                f"a batch of {self.batch} image leaves minibatch statistics nothing to compare; use 2 or more"
            )
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed} is negative; use 0 or more")
        if min(self.g_lr, self.d_lr, self.ema_kimg) <= 0 or self.r1_gamma < 0 or self.r1_every < 1:
            raise ConfigError("learning rates and ema_kimg are above 0, r1_gamma at least 0, r1_every at least 1")

    @property
    def adaptive(self) -> bool:
        """Whether augmentation is ADA."""
        return self.augment == (ADA,)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        lists = {"augment": list(self.augment), "freeze_g": list(self.freeze_g)}
        return asdict(self) | lists

    def _check_augmentations(self) -> None:
        known = (*AUGMENTATIONS, ADA)
        if unknown := sorted(set(self.augment) - set(known)):
            raise ConfigError(f"no augmentation named {', '.join(unknown)}; known: {', '.join(known)}")
        if ADA in self.augment and len(self.augment) > 1:
            raise ConfigError("ada brings colour, geometry and cut-outs of its own: name it alone, or the others")
        if not 0 < self.ada_target < 1 or self.ada_kimg <= 0 or self.ada_every < 1:
            raise ConfigError("ada_target lies between 0 and 1, ada_kimg is above 0, ada_every at least 1")

    def _check_regularisation(self) -> None:
        if not 0 <= self.style_mixing <= 1:
            raise ConfigError(f"style_mixing is a share of the images, 0 to 1, not {self.style_mixing}")
        if self.path_length < 0 or self.path_length_every < 1:
            raise ConfigError("path_length is at least 0, path_length_every at least 1")
        if self.freeze_d < 0:
            raise ConfigError(f"freeze_d counts layers, 0 or more, not {self.freeze_d}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"no precision named {self.precision!r}; known: {', '.join(PRECISIONS)}")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a run goes on, how much it computes at once and what it keeps; may change between two runs of one
    folder."""

    kimg: float
    """Thousands of images to show the discriminator in all."""
    snapshot_kimg: float = 10.0
    """Thousands of images between pictures and checkpoints."""
    micro_batch: int = 0
    """Images computed at once in one process, their gradients summed up to the batch's; 0 for all of its share."""
    compile: bool = False
    """Compile the networks: minutes at the start, faster steps. Phases that differentiate twice stay as they are."""
    measure: int = 0
    """Generated images to hold against the data set at each snapshot, by kernel distance; the best is kept. 0: none."""
    tensorboard: bool = False
    """Write losses and pictures for TensorBoard too, below the run's folder."""
    vgg: str = ""
    """File of VGG-16's weights (torchvision's .pth), which then judges the perceptual term; '' for the face network."""
    keep: int = 3
    """Snapshots whose checkpoints are kept, the last one included."""

    def __post_init__(self) -> None:
        if self.kimg <= 0 or self.snapshot_kimg <= 0:
            raise ConfigError("kimg and snapshot_kimg are above 0")
        if min(self.micro_batch, self.measure) < 0 or self.keep < 1:
            raise ConfigError("micro_batch and measure are at least 0, keep at least 1")
