"""Synthesis network: styles → image, a learnt 4² constant grown by upsampling blocks whose RGB outputs are summed.

Source: Karras et al. 2020 (StyleGAN2), figures 2 and 7 ("skip" generator). ``ws`` is (N, num_ws, w_dim); a block's RGB
layer shares its style with the next block's first convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from transfer.networks.equalized import EqualizedLinear
from transfer.networks.spec import GeneratorSpec
from transfer.ops.bias_act import GAIN, add_bias, lrelu_
from transfer.ops.modulated_conv import modulated_conv2d, modulated_rgb
from transfer.ops.upfirdn import upsample2

Noise = Literal["const", "random", "none"] | Sequence[Tensor]


class StyledConv(nn.Module):
    """3×3 modulated convolution, noise, bias, leaky rectifier: (N, in, H, W), (N, w_dim) → (N, out, H or 2H, …)."""

    noise_const: Tensor

    def __init__(self, in_channels: int, out_channels: int, side: int, spec: GeneratorSpec, *, up: bool) -> None:
        super().__init__()
        self.affine = EqualizedLinear(spec.w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side, side))
        self.gain = 1.0 / (in_channels * 9) ** 0.5
        self.clamp = spec.conv_clamp
        self.up = up

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        noise = None if noise is None else noise * (self.noise_strength * GAIN)
        styles = self.affine(w) * self.gain
        x = modulated_conv2d(x, self.weight, styles, self.bias * GAIN, noise, up=self.up, gain=GAIN)
        return lrelu_(x, clamp=self.clamp)


class ToRGB(nn.Module):
    """1×1 modulated convolution without demodulation: (N, in, H, W), (N, w_dim) → (N, 3, H, W)."""

    def __init__(self, in_channels: int, spec: GeneratorSpec) -> None:
        super().__init__()
        self.affine = EqualizedLinear(spec.w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.gain = 1.0 / in_channels**0.5
        self.clamp = spec.conv_clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        rgb = add_bias(modulated_rgb(x, self.weight, self.affine(w) * self.gain).float(), self.bias)
        return rgb if self.clamp is None else rgb.clamp(-self.clamp, self.clamp)


class SynthesisBlock(nn.Module):
    """One resolution: an upsampling convolution (none at 4²), a convolution, an RGB layer."""

    def __init__(self, side: int, in_channels: int, out_channels: int, spec: GeneratorSpec) -> None:
        super().__init__()
        grows = side > 4
        self.conv_up = StyledConv(in_channels, out_channels, side, spec, up=True) if grows else None
        self.conv = StyledConv(out_channels, out_channels, side, spec, up=False)
        self.to_rgb = ToRGB(out_channels, spec)

    @property
    def convs(self) -> list[StyledConv]:
        """The block's convolutions in the order they run."""
        return [self.conv] if self.conv_up is None else [self.conv_up, self.conv]


class SynthesisNetwork(nn.Module):
    """ws (N, num_ws, w_dim) → images (N, 3, R, R), about [-1, 1] and not clamped.

    Feature maps are of ``dtype``, everything else (styles, demodulation, RGB) stays in fp32.
    """

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.dtype = torch.float32
        self.const = nn.Parameter(torch.randn(spec.channels[0], 4, 4))
        widths = (spec.channels[0], *spec.channels)
        self.blocks = nn.ModuleList(
            SynthesisBlock(side, widths[i], widths[i + 1], spec) for i, side in enumerate(spec.resolutions)
        )

    def styled_convs(self) -> list[StyledConv]:
        """All noise-taking convolutions in order, num_ws − 1 of them."""
        return [conv for block in self.blocks for conv in block.convs]  # type: ignore[union-attr]

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        noises = self._noises(noise, ws)
        x = self.const.to(self.dtype).expand(ws.shape[0], -1, -1, -1)
        image: Tensor | None = None
        layer = 0
        for block in self.blocks:
            for conv in block.convs:  # type: ignore[union-attr]
                x = conv(x, ws[:, layer], noises[layer])
                layer += 1
            rgb = block.to_rgb(x, ws[:, layer])  # type: ignore[operator]
            image = rgb if image is None else upsample2(image) + rgb
        assert image is not None
        return image

    def _noises(self, noise: Noise, ws: Tensor) -> list[Tensor | None]:
        convs = self.styled_convs()
        if not isinstance(noise, str):
            if len(noise) != len(convs):
                raise ValueError(f"{len(convs)} noise maps expected, got {len(noise)}")
            return list(noise)
        if noise == "none":
            return [None] * len(convs)
        if noise == "const":
            return [conv.noise_const for conv in convs]
        return [torch.randn(len(ws), 1, *conv.noise_const.shape, device=ws.device) for conv in convs]
