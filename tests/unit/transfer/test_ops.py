"""The fast operations and networks against plain ones: values, gradients and gradients of gradients."""

from collections.abc import Callable, Sequence

import pytest
import reference_ops as plain
import torch
from torch import Tensor
from torch.nn import functional

from transfer.networks.discriminator import Discriminator, ResidualBlock
from transfer.networks.equalized import EqualizedConv2d
from transfer.networks.generator import Generator
from transfer.networks.spec import GeneratorSpec
from transfer.networks.synthesis import StyledConv, ToRGB
from transfer.ops import convolution
from transfer.ops.bias_act import add_bias, lrelu_
from transfer.ops.convolution import conv3x3
from transfer.ops.modulated_conv import modulated_conv2d
from transfer.ops.upfirdn import blur, upsample2
from transfer.ops.winograd import winograd3x3

Function = Callable[..., Tensor]
SPEC = GeneratorSpec(resolution=32, z_dim=8, w_dim=6, mapping_layers=2, channels=(9, 7, 5, 3), conv_clamp=1.5)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.manual_seed(seed))


def same(fast: Function, slow: Function, inputs: Sequence[Tensor]) -> None:
    """Equal values, gradients, and those of the squared gradient to the first input, as R1 and path length take."""
    ours, theirs = (_derivatives(function, inputs) for function in (fast, slow))
    for got, want in zip(ours, theirs, strict=True):
        assert got.shape == want.shape
        assert torch.allclose(got, want, atol=1e-9, rtol=1e-9)


def _derivatives(function: Function, inputs: Sequence[Tensor]) -> list[Tensor]:
    inputs = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    value = function(*inputs)
    pulled = (value * numbers(*value.shape, seed=99)).sum()
    gradients = torch.autograd.grad(pulled, inputs, create_graph=True)
    squared = gradients[0].square().sum() + 0.0 * pulled  # a gradient that depends on nothing has gradient 0
    second = torch.autograd.grad(squared, inputs)
    return [value.detach(), *(gradient.detach() for gradient in gradients), *second]


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 4, 4), (3, 5, 8, 6)])
def test_resampling(shape: tuple[int, ...]) -> None:
    x = [numbers(*shape)]
    same(upsample2, lambda x: plain.upfirdn(x, up=2, pad=(2, 1), gain=4.0), x)
    same(lambda x: blur(x, 1, stride=2), lambda x: plain.upfirdn(x, down=2, pad=(1, 1)), x)
    same(lambda x: blur(x, 2, gain=4.0), lambda x: plain.upfirdn(x, pad=(2, 2), gain=4.0), x)


def test_upsampling_keeps_a_constant() -> None:
    assert torch.allclose(upsample2(torch.full((1, 1, 8, 8), 3.0))[..., 3:-3, 3:-3], torch.tensor(3.0))


def test_resampling_keeps_a_format_of_memory() -> None:
    x = torch.randn(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
    for y in (upsample2(x), blur(x, 2), blur(x, 1, stride=2)):
        assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("clamp", [None, 0.7])
def test_activation(clamp: float | None) -> None:
    same(
        lambda x, b: lrelu_(add_bias(x * 2**0.5, b * 2**0.5), clamp=clamp),
        lambda x, b: plain.bias_act(x, b, clamp=clamp),
        [numbers(2, 3, 4, 5), numbers(3, seed=1)],
    )


@pytest.mark.parametrize("shape", [(1, 3, 5, 4, 4), (2, 5, 3, 8, 12), (3, 1, 2, 4, 20)])
def test_winograd_is_convolution(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    count, inputs, outputs, height, width = shape
    monkeypatch.setattr("transfer.ops.winograd.BLOCK_TILES", 3)
    same(
        winograd3x3,
        lambda x, w: functional.conv2d(x, w, padding=1),
        [numbers(count, inputs, height, width), numbers(outputs, inputs, 3, 3, seed=1)],
    )


def test_winograd_is_taken_where_it_pays_and_accurate_there() -> None:
    x = numbers(1, 272, 32, 32)
    weight, bias = numbers(256, 272, 3, 3, seed=1), numbers(256, seed=2)
    want = functional.conv2d(x, weight, bias, padding=1)
    assert convolution.pays(x.float(), weight.float())
    assert not convolution.pays(x[:, :, :30].float(), weight.float())
    assert not convolution.pays(x.bfloat16(), weight.bfloat16())
    assert not convolution.pays(x.float().to("meta"), weight.float().to("meta"))
    got = conv3x3(x.float(), weight.float(), bias.float())
    assert float((got - want).abs().max() / want.abs().max()) < 3e-5


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (1, 5, 3, 4), (2, 1, 1, 5)])
def test_modulated_convolution_is_each_samples_own_weights(shape: tuple[int, int, int, int], up: bool) -> None:
    count, inputs, outputs, side = shape
    tensors = [
        numbers(count, inputs, side, side),
        numbers(outputs, inputs, 3, 3, seed=1),
        numbers(count, inputs, seed=2) + 1,
    ]
    bias, noise = numbers(outputs, seed=3), numbers(count, 1, side * (1 + up), side * (1 + up), seed=4)

    def slow(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor) -> Tensor:
        return plain.modulated_conv(x, weight, styles, up=up) * 1.3 + noise + bias[:, None, None]

    def fast(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor) -> Tensor:
        return modulated_conv2d(x, weight, styles, bias, noise, up=up, gain=1.3)

    same(fast, slow, [*tensors, bias])
    with torch.no_grad():  # with nothing to differentiate, a single sample gets weights of its own
        assert torch.allclose(fast(*tensors, bias), slow(*tensors, bias), atol=1e-9)


def test_the_plain_transposed_convolution_is_one_over_inserted_zeros() -> None:
    x, weight, styles = numbers(1, 3, 5, 5), numbers(2, 3, 3, 3, seed=1), numbers(1, 3, seed=2)
    own = weight * styles[:, :, None, None]
    zeros = x.new_zeros(1, 3, 10, 10)
    zeros[:, :, ::2, ::2] = x
    grown = functional.conv2d(functional.pad(zeros, [2, 1, 2, 1]), own.flip(2, 3))
    want = plain.upfirdn(grown, pad=(1, 1), gain=4.0)
    assert torch.allclose(plain.modulated_conv(x, weight, styles, demodulate=False, up=True), want)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("clamp", [None, 0.4])
def test_a_synthesis_layer(up: bool, clamp: float | None) -> None:
    spec = GeneratorSpec(resolution=32, w_dim=4, channels=(5, 5, 5, 5), conv_clamp=clamp)
    torch.manual_seed(0)
    layer = StyledConv(5, 3, 12, spec, up=up).double()
    with torch.no_grad():
        layer.bias.normal_()
        layer.noise_strength.fill_(0.7)
    x, w, noise = numbers(2, 5, 12 // (1 + up), 12 // (1 + up)), numbers(2, 4, seed=1), numbers(2, 1, 12, 12, seed=2)
    same(layer, lambda *a: plain.styled(layer, *a), [x, w, noise])


@pytest.mark.parametrize("clamp", [None, 0.4])
def test_an_rgb_layer(clamp: float | None) -> None:
    spec = GeneratorSpec(resolution=32, w_dim=4, channels=(5, 5, 5, 5), conv_clamp=clamp)
    torch.manual_seed(0)
    layer = ToRGB(5, spec).double()
    x, w = numbers(2, 5, 6, 7), numbers(2, 4, seed=1)
    assert torch.allclose(layer(x, w).double(), plain.to_rgb(layer, x, w), atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "down", "activate"), [(3, False, True), (3, True, True), (1, True, False), (1, False, True)]
)
@pytest.mark.parametrize("clamp", [None, 0.4])
def test_a_layer_of_the_discriminator(kernel: int, down: bool, activate: bool, clamp: float | None) -> None:
    torch.manual_seed(0)
    layer = EqualizedConv2d(3, 5, kernel, down=down, activate=activate, clamp=clamp).double()
    same(layer, lambda x: plain.conv(layer, x), [numbers(2, 3, 6, 8)])


@pytest.mark.parametrize("clamp", [None, 0.4])
def test_a_halving_block_of_the_discriminator(clamp: float | None) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(3, 5, clamp).double()
    same(block, lambda x: plain.residual(block, x), [numbers(2, 3, 8, 8)])


@pytest.mark.parametrize("batch", [1, 4])
def test_whole_networks(batch: int) -> None:
    torch.manual_seed(0)
    generator, discriminator = Generator(SPEC), Discriminator(SPEC)
    with torch.no_grad():
        for layer in generator.synthesis.styled_convs():
            layer.noise_strength.fill_(0.3)
        ws = generator.ws(torch.randn(batch, 8))
        want = plain.synthesis(generator.synthesis, ws)
        images = generator.synthesis(ws)
        assert float((images - want).abs().max() / want.abs().max()) < 1e-5
        logits = plain.discriminator(discriminator, images)
        assert torch.allclose(discriminator(images), logits, atol=1e-5)


@pytest.mark.parametrize(("dtype", "error"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_half_precision_stays_close_and_gives_fp32(dtype: torch.dtype, error: float) -> None:
    torch.manual_seed(0)
    spec = GeneratorSpec(resolution=32, w_dim=16, z_dim=16, mapping_layers=2, channels=(16, 16, 16, 16))
    generator, discriminator = Generator(spec), Discriminator(spec)
    with torch.no_grad():
        ws = generator.ws(torch.randn(4, 16))
        want = generator.synthesis(ws)
        logits = discriminator(want)
        generator.synthesis.dtype = discriminator.dtype = dtype
        got, judged = generator.synthesis(ws), discriminator(want)
    assert got.dtype == judged.dtype == torch.float32
    assert 0 < float((got - want).abs().max() / want.abs().max()) < error
    assert float((judged - logits).abs().max()) < error * float(1 + logits.abs().max())


def test_strong_styles_do_not_overflow_half_precision() -> None:
    x, weight = numbers(1, 64, 8, 8).float() * 200, numbers(8, 64, 3, 3, seed=1).float()
    styles, bias = numbers(1, 64, seed=2).float() * 5000, torch.zeros(8)
    want = modulated_conv2d(x, weight, styles, bias)
    for count in (1, 2):  # own weights, and scaled activations
        got = modulated_conv2d(x.half().expand(count, -1, -1, -1), weight, styles.expand(count, -1), bias)
        assert torch.isfinite(got).all()
        assert float((got[:1].float() - want).abs().max() / want.abs().max()) < 0.01


def test_networks_take_any_device() -> None:
    with torch.device("meta"):
        generator, discriminator = Generator(SPEC), Discriminator(SPEC)
        images = generator(torch.empty(2, 8), noise="random")
        assert images.device.type == "meta"
        assert discriminator(images).shape == (2, 1)
