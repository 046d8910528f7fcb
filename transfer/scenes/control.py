"""How far a face is changed and how it is put back: what a user may turn."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Final, Literal, get_args

from transfer.errors import ConfigError

Seam = Literal["feather", "gradient"]
SEAMS: Final = get_args(Seam)
SMOOTH_FRAMES: Final = 1.5
"""Over how many frames a sequence is smoothed: the deviation of the Gaussian."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """What decides how a latent becomes a face of the picture. None stands for ``strength``."""

    strength: float = 1.0
    """0 the render as the tuned generator re-creates it, 1 fully real; layers are interpolated between."""
    shape: float | None = None
    """The same for the coarse layers, up to 16²: pose and proportions."""
    texture: float | None = None
    """The same for the finer layers: skin, hair, eyes."""
    colour: float | None = None
    """The same for the face's mean colour and contrast; None leaves them as the layers make them."""
    truncation: float = 1.0
    """Below 1 the latent is pulled towards the generator's mean face."""
    pivotal: float = 1.0
    """How much of what pivotal tuning changed in the tuned generator is carried over to the realistic one."""
    match_light: bool = True
    """Give the face the light and tint that the picture has at its place."""
    carry_detail: bool = True
    """Leave what the generator did not re-create, such as a strand of hair or a hand, as it is in the picture."""
    seam: Seam = "feather"
    """``feather`` fades the rim; ``gradient`` also bends the face's colours so that they meet the picture's there."""

    def __post_init__(self) -> None:
        for name in ("strength", "shape", "texture", "colour", "truncation", "pivotal"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ConfigError(f"{name} is from 0 to 1, not {value:g}")
        if self.seam not in SEAMS:
            raise ConfigError(f"no seam {self.seam!r}; known: {', '.join(SEAMS)}")

    @property
    def layers(self) -> tuple[float, float]:
        """How real the coarse and the fine layers are."""
        return (
            self.strength if self.shape is None else self.shape,
            self.strength if self.texture is None else self.texture,
        )

    def at(self, strength: float) -> Control:
        """The same at another strength of all layers."""
        return replace(self, strength=strength, shape=None, texture=None)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)


USUAL: Final = Control()
