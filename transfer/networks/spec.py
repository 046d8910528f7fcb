"""The numbers that decide a generator's and its discriminator's shapes; stored in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import inf, log2

from transfer.errors import ConfigError

MIN_RESOLUTION = 32
MAX_RESOLUTION = 1024
MAX_WIDTH = 16384
MAX_LAYERS = 64
CONDITIONAL = ("c_dim", "cmap_layers")


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec:
    """Shapes of a StyleGAN2. ``channels`` holds one width a resolution, from 4² up to ``resolution``²."""

    resolution: int
    """Side of the square image in pixels: a power of two, 32 to 1024."""
    z_dim: int = 512
    """Width of the input latent z."""
    w_dim: int = 512
    """Width of the intermediate latent w."""
    mapping_layers: int = 8
    """Fully connected layers from z to w."""
    mapping_lr: float = 0.01
    """Learning-rate multiplier of the mapping network."""
    channels: tuple[int, ...]
    """Feature maps at 4², 8², …, resolution²."""
    conv_clamp: float | None = None
    """Limit of activations after each convolution; guards half precision."""
    mbstd_group: int = 4
    """Samples a group of the discriminator's minibatch standard deviation."""
    c_dim: int = 0
    """Classes, or numbers of another condition; 0 for an unconditional generator."""
    cmap_layers: int = 8
    """Layers of a conditional discriminator's own mapping of the condition."""

    def __post_init__(self) -> None:
        size = self.resolution
        if size & (size - 1) or not MIN_RESOLUTION <= size <= MAX_RESOLUTION:
            raise ConfigError(f"resolution {size} is not a power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}")
        object.__setattr__(self, "channels", tuple(int(width) for width in self.channels))
        if len(self.channels) != len(self.resolutions):
            raise ConfigError(
                f"a {size}² generator has {len(self.resolutions)} resolutions, channels names {len(self.channels)}"
            )
        if min(*self.channels, self.z_dim, self.w_dim, self.mapping_layers, self.mbstd_group, self.cmap_layers) < 1:
            raise ConfigError("every width, depth and group of a generator is at least 1")
        if self.c_dim < 0:
            raise ConfigError("a condition has no or some numbers, not less than none")
        if not 0 < self.mapping_lr < inf or not 0 < (1 if self.conv_clamp is None else self.conv_clamp) < inf:
            raise ConfigError("the mapping's learning rate and the clamp are positive numbers")
        if max(*self.channels, self.z_dim, self.w_dim, self.c_dim) > MAX_WIDTH:
            raise ConfigError(f"every width of a generator is at most {MAX_WIDTH}")
        if max(self.mapping_layers, self.cmap_layers) > MAX_LAYERS:
            raise ConfigError(f"a mapping network has at most {MAX_LAYERS} layers")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """4, 8, …, resolution."""
        return tuple(2**level for level in range(2, int(log2(self.resolution)) + 1))

    @property
    def num_ws(self) -> int:
        """Styles an image takes: one for each convolution and one for the last RGB layer."""
        return 2 * len(self.resolutions)

    def to_dict(self) -> dict[str, int | float | list[int] | None]:
        """Plain values for JSON; those of a condition where there is one."""
        values = asdict(self) | {"channels": list(self.channels)}
        return values if self.c_dim else {name: value for name, value in values.items() if name not in CONDITIONAL}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> GeneratorSpec:
        """Inverse of :meth:`to_dict`. Raises ConfigError on unknown or missing names."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"unknown generator settings {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        try:
            return cls(**values)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"generator settings are incomplete: {error}") from error


def channels_for(resolution: int, *, base: int = 16384, maximum: int = 512) -> tuple[int, ...]:
    """The papers' widths: base / side, at most ``maximum``, at 4², 8², …, ``resolution``²."""
    return tuple(min(base // 2**level, maximum) for level in range(2, int(log2(resolution)) + 1))
