"""The fast forms of StyleGAN2's operations against slow ones written from the definitions."""

import torch
from torch.nn import functional

from transfer.ops.modulated_conv import modulated_conv2d
from transfer.ops.upfirdn import TAPS, blur, upsample2


def kernel() -> torch.Tensor:
    taps = torch.tensor(TAPS, dtype=torch.float64)
    full = taps[:, None] * taps[None, :]
    return full / full.sum()


def slow_fir(x: torch.Tensor, pad: tuple[int, int], gain: float) -> torch.Tensor:
    x = functional.pad(x, [pad[0], pad[1], pad[0], pad[1]])
    weight = (kernel().flip(0, 1) * gain).expand(x.shape[1], 1, 4, 4)
    return functional.conv2d(x, weight, groups=x.shape[1])


def zero_inserted(x: torch.Tensor) -> torch.Tensor:
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, 2 * h, 2 * w)
    y[:, :, ::2, ::2] = x
    return y


def test_upsampling_is_zero_insertion_and_filtering() -> None:
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.manual_seed(0))
    assert torch.allclose(upsample2(x), slow_fir(zero_inserted(x), (2, 1), 4.0))


def test_blur_with_stride_is_blur_then_decimation() -> None:
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.manual_seed(1))
    assert torch.allclose(blur(x, (1, 1), stride=2), slow_fir(x, (1, 1), 1.0)[:, :, ::2, ::2])


def test_a_constant_survives_resampling() -> None:
    x = torch.full((1, 1, 8, 8), 3.0)
    assert torch.allclose(upsample2(x)[..., 3:-3, 3:-3], torch.tensor(3.0))


def slow_modulated_conv(x: torch.Tensor, weight: torch.Tensor, styles: torch.Tensor, *, up: bool) -> torch.Tensor:
    """Each sample's own modulated and demodulated weights, one convolution a sample: the paper's equations."""
    out = []
    for one, style in zip(x, styles, strict=True):
        own = weight * style[None, :, None, None]
        own = own / (own.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            grown = functional.pad(zero_inserted(one[None]), [2, 1, 2, 1])
            grown = functional.conv2d(grown, own.flip(2, 3))
            out.append(slow_fir(grown, (1, 1), 4.0))
        else:
            out.append(functional.conv2d(one[None], own, padding=1))
    return torch.cat(out)


def test_modulated_convolution_equals_per_sample_weights_in_value_and_gradient() -> None:
    torch.manual_seed(2)
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    styles = (torch.randn(3, 4, dtype=torch.float64) + 1).requires_grad_()
    for up in (False, True):
        fast = modulated_conv2d(x, weight, styles, up=up)
        slow = slow_modulated_conv(x, weight, styles, up=up)
        assert fast.shape == slow.shape
        assert torch.allclose(fast, slow, atol=1e-9)
        pull = torch.randn_like(fast)
        for got, want in zip(
            torch.autograd.grad((fast * pull).sum(), (x, weight, styles)),
            torch.autograd.grad((slow * pull).sum(), (x, weight, styles)),
            strict=True,
        ):
            assert torch.allclose(got, want, atol=1e-9)


def test_second_derivatives_agree_with_finite_differences() -> None:
    torch.manual_seed(3)
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    styles = (torch.randn(1, 2, dtype=torch.float64) + 1).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda *a: modulated_conv2d(*a, up=True), (x, weight, styles))
