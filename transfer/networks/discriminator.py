"""The discriminator: residual blocks that halve the image, minibatch standard deviation, one logit.

Source: Karras et al. 2020 (StyleGAN2), figure 7; minibatch standard deviation from Karras et al. 2018, section 3. A
condition is judged by projection (Miyato and Koyama 2018): the last layer gives a vector instead of a number, and the
logit is its inner product with the mapped condition, over the square root of their width.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from transfer.networks.equalized import EqualizedConv2d, EqualizedLinear
from transfer.networks.mapping import LatentMapping
from transfer.networks.spec import GeneratorSpec


class ResidualBlock(nn.Module):
    """(N, in, H, W) → (N, out, H/2, W/2); both branches are scaled by sqrt(½) so that variance is kept."""

    def __init__(self, in_channels: int, out_channels: int, clamp: float | None) -> None:
        super().__init__()
        self.conv = EqualizedConv2d(in_channels, in_channels, 3, clamp=clamp)
        self.conv_down = EqualizedConv2d(in_channels, out_channels, 3, down=True, clamp=clamp, scale=0.5**0.5)
        self.skip = EqualizedConv2d(in_channels, out_channels, 1, down=True, activate=False, scale=0.5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv_down(self.conv(x)) + self.skip(x)
        return y


class Discriminator(nn.Module):
    """Images (N, 3, R, R) in [-1, 1], and c (N, c_dim) where there is one → logits (N, 1); positive means real.

    Feature maps are of ``dtype`` down to the minibatch statistic, which stays in fp32 with what follows.
    """

    def __init__(self, spec: GeneratorSpec) -> None:
        super().__init__()
        self.spec = spec
        self.dtype = torch.float32
        widths = spec.channels[::-1]
        self.from_rgb = EqualizedConv2d(3, widths[0], 1, clamp=spec.conv_clamp)
        self.blocks = nn.ModuleList(ResidualBlock(a, b, spec.conv_clamp) for a, b in pairwise(widths))
        self.conv = EqualizedConv2d(widths[-1] + 1, widths[-1], 3, clamp=spec.conv_clamp)
        self.fc = EqualizedLinear(widths[-1] * 16, widths[-1], activate=True)
        self.out = EqualizedLinear(widths[-1], widths[-1] if spec.c_dim else 1)
        self.mapping = (
            LatentMapping(z_dim=0, c_dim=spec.c_dim, width=widths[-1], layers=spec.cmap_layers, lr=spec.mapping_lr)
            if spec.c_dim
            else None
        )

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        x = self.from_rgb(images.to(self.dtype))
        for block in self.blocks:
            x = block(x)
        x = self.conv(minibatch_stddev(x.float(), self.spec.mbstd_group))
        logits: Tensor = self.out(self.fc(x.float().flatten(1)))
        if self.mapping is not None:
            logits = (logits * self.mapping(None, c)).sum(dim=1, keepdim=True) / logits.shape[1] ** 0.5
        return logits.float()


def group_size(batch: int, group: int) -> int:
    """The largest divisor of ``batch`` that is at most ``group``: samples the minibatch statistic compares."""
    return next(size for size in range(min(group, batch), 0, -1) if batch % size == 0)


def minibatch_stddev(x: Tensor, group: int) -> Tensor:
    """Append one channel: the standard deviation over groups of samples, averaged over channels and pixels.

    (N, C, H, W) → (N, C + 1, H, W). The group shrinks to the largest divisor of N that is at most ``group``; sample i
    is grouped with i + N/group, i + 2N/group, …
    """
    count, channels, height, width = x.shape
    size = group_size(count, group)
    y = x.reshape(size, count // size, channels, height, width)
    y = (y - y.mean(dim=0)).square().mean(dim=0)
    y = (y + 1e-8).sqrt().mean(dim=(1, 2, 3))
    return torch.cat([x, y.repeat(size)[:, None, None, None].expand(-1, 1, height, width)], dim=1)
