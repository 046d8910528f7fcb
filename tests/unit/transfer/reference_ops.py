"""StyleGAN2's operations and networks written plainly from their definitions, in fp32 or fp64 and NCHW.

What the fast forms are held to and timed against. Each sample has its own modulated weights (one grouped convolution),
FIR resampling inserts zeros, filters with all sixteen taps and drops samples, and activation is bias, rectifier, gain
and clamp one after the other. The networks read the parameters of ours.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", equations 1 to 3, figures 2 and 7,
appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from transfer.networks.discriminator import Discriminator, ResidualBlock, minibatch_stddev
from transfer.networks.equalized import EqualizedConv2d, EqualizedLinear
from transfer.networks.synthesis import StyledConv, SynthesisNetwork, ToRGB

TAPS = (1.0, 3.0, 3.0, 1.0)


def upfirdn(x: Tensor, *, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0), gain: float = 1.0) -> Tensor:
    """Insert ``up`` − 1 zeros after each sample, pad both axes, filter, keep every ``down``-th sample."""
    n, channels, height, width = x.shape
    x = x.reshape(n, channels, height, 1, width, 1)
    x = functional.pad(x, [0, up - 1, 0, 0, 0, up - 1]).reshape(n, channels, height * up, width * up)
    x = functional.pad(x, [pad[0], pad[1], pad[0], pad[1]])
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device)
    kernel = taps[:, None] * taps[None, :] * (gain / sum(TAPS) ** 2)
    x = functional.conv2d(x, kernel.flip(0, 1).expand(channels, 1, 4, 4), groups=channels)
    return x[:, :, ::down, ::down]


def modulated_conv(x: Tensor, weight: Tensor, styles: Tensor, *, demodulate: bool = True, up: bool = False) -> Tensor:
    """Equations 1 to 3: scale each sample's weights by its style, bring them to unit norm, convolve in groups."""
    n, channels, height, width = x.shape
    own = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        own = own * (own.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.reshape(1, n * channels, height, width)
    if up:
        x = functional.conv_transpose2d(x, own.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        x = upfirdn(x, pad=(1, 1), gain=4.0)
    else:
        x = functional.conv2d(x, own.flatten(0, 1), padding=weight.shape[-1] // 2, groups=n)
    return x.reshape(n, -1, *x.shape[2:])


def bias_act(x: Tensor, bias: Tensor, *, gain: float = 2.0**0.5, clamp: float | None = None) -> Tensor:
    """Bias, leaky rectifier of slope 0.2, gain, clamp."""
    x = x + bias.reshape(1, -1, *[1] * (x.ndim - 2))
    x = torch.where(x >= 0, x, x * 0.2) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def conv(layer: EqualizedConv2d, x: Tensor) -> Tensor:
    """A layer of the discriminator: 3 × 3 halves by filtering, then a convolution of stride 2."""
    weight = layer.weight * layer.gain
    if not layer.down:
        x = functional.conv2d(x, weight, padding=layer.kernel // 2)
    elif layer.kernel == 1:
        x = functional.conv2d(upfirdn(x, down=2, pad=(1, 1)), weight)
    else:
        x = functional.conv2d(upfirdn(x, pad=(2, 2)), weight, stride=2)
    return x if layer.bias is None else bias_act(x, layer.bias, clamp=layer.clamp)


def linear(layer: EqualizedLinear, x: Tensor) -> Tensor:
    """A fully connected layer."""
    x = x @ (layer.weight * layer.gain).t()
    bias = layer.bias * layer.bias_gain
    return bias_act(x, bias) if layer.activate else x + bias


def styled(layer: StyledConv, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
    """A layer of the synthesis network."""
    x = modulated_conv(x, layer.weight * layer.gain, linear(layer.affine, w), up=layer.up)
    if noise is not None:
        x = x + noise * layer.noise_strength
    return bias_act(x, layer.bias, clamp=layer.clamp)


def to_rgb(layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
    """An RGB layer: neither demodulated nor rectified."""
    rgb = modulated_conv(x, layer.weight, linear(layer.affine, w) * layer.gain, demodulate=False)
    rgb = rgb + layer.bias.reshape(1, -1, 1, 1)
    return rgb if layer.clamp is None else rgb.clamp(-layer.clamp, layer.clamp)


def synthesis(network: SynthesisNetwork, ws: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
    """ws (N, num_ws, w_dim) → images (N, 3, R, R), with the constant noise unless other maps are given."""
    maps = list(noise) if noise is not None else [layer.noise_const for layer in network.styled_convs()]
    x = network.const.expand(len(ws), -1, -1, -1)
    image: Tensor | None = None
    index = 0
    for block in network.blocks:
        for layer in block.convs:  # type: ignore[union-attr]
            x = styled(layer, x, ws[:, index], maps[index])
            index += 1
        rgb = to_rgb(block.to_rgb, x, ws[:, index])  # type: ignore[arg-type]
        image = rgb if image is None else upfirdn(image, up=2, pad=(2, 1), gain=4.0) + rgb
    assert image is not None
    return image


def residual(block: ResidualBlock, x: Tensor) -> Tensor:
    """A block of the discriminator."""
    return (conv(block.conv_down, conv(block.conv, x)) + conv(block.skip, x)) * 0.5**0.5


def discriminator(network: Discriminator, images: Tensor) -> Tensor:
    """Images (N, 3, R, R) → logits (N, 1)."""
    x = conv(network.from_rgb, images)
    for block in network.blocks:
        x = residual(block, x)  # type: ignore[arg-type]
    x = conv(network.conv, minibatch_stddev(x, network.spec.mbstd_group))
    return linear(network.out, linear(network.fc, x.flatten(1)))
