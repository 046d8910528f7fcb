"""Augmentation of a strength that follows the discriminator's overfitting (ADA).

Every transform is used with the probability p, by itself. As long as p stays well below 1 the generator is not led to
show augmented pictures, since untouched ones remain the most frequent. p follows from how sure the discriminator is of
the real images: ``adapted``.

A sample's result is a function of the sample and its numbers alone. Samples that a group leaves as they are keep their
bits; whole-pixel moves copy; only true resampling resamples.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 3, appendices B and C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transfer.errors import ConfigError
from transfer.training.augment import corruption, matrices
from transfer.training.augment.matrices import Array
from transfer.training.augment.warp import blit, handed, warp

GROUPS = ("blit", "geometry", "colour", "filter", "corruption")
"""In the order in which they are applied; the first three are those the authors found to help."""
_WIDTHS = (
    matrices.BLIT_NUMBERS,
    matrices.GEOMETRY_NUMBERS,
    matrices.COLOUR_NUMBERS,
    corruption.FILTER_NUMBERS,
    corruption.CORRUPTION_NUMBERS,
)
NUMBERS = sum(_WIDTHS)
"""Uniform numbers a sample needs."""
_PLACES = {
    name: slice(start, end)
    for name, (start, end) in zip(GROUPS, pairwise(np.cumsum((0, *_WIDTHS)).tolist()), strict=True)
}


def ada(images: Tensor, numbers: Tensor, p: float, groups: Sequence[str] = GROUPS[:3]) -> Tensor:
    """Augment each sample with every transform of ``groups`` at the probability ``p``.

    Computes in float32 (float64 for float64), whatever autocast says; differentiable any number of times by the images.

    Args:
        images: (N, 3, R, R) in [-1, 1], any floating dtype, memory format and device.
        numbers: (N, NUMBERS) uniform in [0, 1), best on the host; every transform has its place whatever the groups.
        p: a transform's probability in [0, 1]; at 0 the images come back to the bit.
        groups: of GROUPS; their order does not matter.

    Returns:
        (N, 3, R, R) of the same dtype; colours may leave [-1, 1].

    Raises:
        ConfigError: a group that is not in GROUPS.
    """
    if unknown := sorted(set(groups) - set(GROUPS)):
        raise ConfigError(f"no group of augmentations named {', '.join(unknown)}; known: {', '.join(GROUPS)}")
    drawn = numbers.detach().to("cpu", torch.float64).numpy()
    given = {name: drawn[:, place] for name, place in _PLACES.items() if name in groups}
    precise = images.to(torch.promote_types(images.dtype, torch.float32))
    with torch.autocast(images.device.type, enabled=False):
        moved = _moved(precise, given, p)
        coloured = _coloured(moved, given, p)
        return _corrupted(coloured, given, p).to(images.dtype)


def adapted(p: float, mean_sign: float, *, target: float, images: int, speed_kimg: float) -> float:
    """The next p: up while the discriminator is surer of real images than ``target``, else down, never out of [0, 1].

    Args:
        p: the present probability.
        mean_sign: r_t, the mean sign of the discriminator's logits on real (augmented) images since the last change.
        target: what r_t is held at; 0.6 in the paper.
        images: how many the discriminator saw since the last change; the paper changes p every four steps.
        speed_kimg: thousands of images that take p from 0 to 1; 500 in the paper.
    """
    step = images / (speed_kimg * 1000.0)
    return min(max(p + float(np.sign(mean_sign - target)) * step, 0.0), 1.0)


def _moved(images: Tensor, given: dict[str, Array], p: float) -> Tensor:
    """Blit and geometry as one matrix: copied where that is of whole pixels, else resampled once."""
    side = images.shape[-1]
    stay = np.tile(np.eye(3), (len(images), 1, 1))
    whole = matrices.blit(given["blit"], p, side) if "blit" in given else stay
    free = matrices.geometry(given["geometry"], p, side) if "geometry" in given else stay
    resampled = matrices.changed(free)
    images = _where(matrices.changed(whole) & ~resampled, images, lambda some, rows: blit(some, whole[rows]))
    return _where(resampled, images, lambda some, rows: warp(some, (whole @ free)[rows]))


def _coloured(images: Tensor, given: dict[str, Array], p: float) -> Tensor:
    if "colour" not in given:
        return images
    matrix = matrices.colour(given["colour"], p)

    def mixed(some: Tensor, rows: npt.NDArray[np.intp]) -> Tensor:
        m = handed(matrix[rows], some)[:, :3, :, None, None]
        return m[:, :, 0] * some[:, :1] + m[:, :, 1] * some[:, 1:2] + m[:, :, 2] * some[:, 2:] + m[:, :, 3]

    return _where(matrices.changed(matrix), images, mixed)


def _corrupted(images: Tensor, given: dict[str, Array], p: float) -> Tensor:
    if "filter" in given:
        gains = corruption.gains(given["filter"], p)
        images = _where((gains != 1).any(1), images, lambda some, rows: corruption.filtered(some, gains[rows]))
    if "corruption" in given:
        u = given["corruption"]
        images = _where(u[:, 0] < p, images, lambda some, rows: corruption.noise(some, u[rows, 1:3]))
        images = _where(u[:, 3] < p, images, lambda some, rows: corruption.hole(some, u[rows, 4:]))
    return images


def _where(
    chosen: npt.NDArray[np.bool_], images: Tensor, change: Callable[[Tensor, npt.NDArray[np.intp]], Tensor]
) -> Tensor:
    """``change`` the chosen samples, and touch no other."""
    rows = np.flatnonzero(chosen)
    if len(rows) == 0:
        return images
    if len(rows) == len(images):
        return change(images, rows)
    index = torch.from_numpy(rows).to(images.device)
    return images.index_copy(0, index, change(images[index], rows))
