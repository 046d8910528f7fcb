"""How far has the skin's colour moved? CIEDE2000 between the mean light of fixed regions of two aligned faces.

Sources: CIE 142-2001; Sharma, Wu and Dalal 2005, "The CIEDE2000 Color-Difference Formula: Implementation Notes,
Supplementary Test Data, and Mathematical Observations", whose 34 pairs the tests hold. Some 1 is what an eye just sees,
10 another colour of the same name. Light of a scene moves skin as much as another person does: read it beside what the
inputs themselves vary by.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from transfer.losses.functional import REGIONS, ellipse_mask, lab, linear_light

FloatArray = npt.NDArray[np.float64]
SKIN: Final = ("forehead", "cheek_left", "cheek_right", "chin")
"""The regions of an FFHQ square that are skin on most faces; a fringe or a beard makes one of them hair."""
_KNEE: Final = 25.0**7


@torch.no_grad()
def skin_colours(images: Tensor) -> FloatArray:
    """(N, 3, S, S) in [-1, 1] → (N, 4, 3) float64: L*a*b* under D65 of each skin region's mean light."""
    masks = torch.stack([ellipse_mask(images.shape[-1], REGIONS[name]) for name in SKIN]).to(images)
    light = torch.einsum("nchw,khw->nck", linear_light(images), masks / masks.sum(dim=(1, 2), keepdim=True))
    return np.asarray(lab(light).permute(0, 2, 1).double().cpu().numpy())


def skin_difference(a: FloatArray, b: FloatArray) -> FloatArray:
    """(N,) mean CIEDE2000 over the regions of :func:`skin_colours`."""
    return np.asarray(delta_e_2000(a, b).mean(axis=-1))


def delta_e_2000(a: FloatArray, b: FloatArray) -> FloatArray:
    """CIEDE2000 of colours (..., 3) in L*a*b*, with all weights 1 → (...), symmetric, 0 for equal colours."""
    chroma = (np.hypot(a[..., 1], a[..., 2]) + np.hypot(b[..., 1], b[..., 2])) / 2
    g = 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + _KNEE)))
    c1, h1 = _polar(a, g)
    c2, h2 = _polar(b, g)
    grey = c1 * c2 == 0
    turn = np.where(grey, 0.0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where(~grey & (h2 - h1 == 180), 180.0, turn)  # opposite hues: either way round is as far
    lightness, mean_c = (a[..., 0] + b[..., 0]) / 2, (c1 + c2) / 2
    mean_h = _mean_hue(h1, h2, grey)
    delta_l = (b[..., 0] - a[..., 0]) / (1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2))
    delta_c = (c2 - c1) / (1 + 0.045 * mean_c)
    delta_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * mean_c * _hue_weight(mean_h))
    rotation = (
        -2 * np.sqrt(mean_c**7 / (mean_c**7 + _KNEE)) * np.sin(np.radians(60) * np.exp(-(((mean_h - 275) / 25) ** 2)))
    )
    return np.asarray(np.sqrt(delta_l**2 + delta_c**2 + delta_h**2 + rotation * delta_c * delta_h))


def _polar(colour: FloatArray, g: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chroma and hue in degrees [0, 360), a* stretched by 1 + g."""
    x, y = (1 + g) * colour[..., 1], colour[..., 2]
    return np.asarray(np.hypot(x, y)), np.asarray(np.degrees(np.arctan2(y, x)) % 360)


def _mean_hue(h1: FloatArray, h2: FloatArray, grey: npt.NDArray[np.bool_]) -> FloatArray:
    """Half way along the shorter arc; of a grey and a hue, the hue."""
    total = h1 + h2
    far = np.abs(h1 - h2) > 180
    mean = np.where(far, np.where(total < 360, total + 360, total - 360), total) / 2
    return np.asarray(np.where(grey, total, mean))


def _hue_weight(hue: FloatArray) -> FloatArray:
    """The formula's T."""
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    return np.asarray(1 + sum(factor * np.cos(np.radians(times * hue + shift)) for factor, times, shift in waves))
