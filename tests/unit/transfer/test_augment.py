"""Each augmentation against what it says, and its gradient."""

import pytest
import torch

from transfer.training.augment import NUMBERS, augment, colour, cutout, translation


def pictures() -> torch.Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.manual_seed(0)) * 2 - 1


def test_neutral_colour_numbers_change_nothing() -> None:
    x = pictures()
    assert torch.allclose(colour(x, torch.tensor([[0.5, 0.5, 0.5]] * 3)), x, atol=1e-6)


def test_zero_saturation_gives_grey() -> None:
    grey = colour(pictures(), torch.tensor([[0.5, 0.0, 0.5]] * 3))
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-6)


@pytest.mark.parametrize(("number", "shift"), [(0.0, -2), (0.5, 0), (0.99, 2)])
def test_translation_moves_the_picture(number: float, shift: int) -> None:
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 8, 8] = 1.0
    moved = translation(x, torch.tensor([[number, 0.5]]))
    assert moved[0, 0, 8 - shift, 8] == 1.0
    assert moved.sum() == 1.0


def test_cutout_removes_a_square_of_half_the_side() -> None:
    x = torch.ones(1, 3, 16, 16)
    assert int((cutout(x, torch.tensor([[0.5, 0.5]])) == 0).sum()) == 3 * 8 * 8
    assert int((cutout(x, torch.tensor([[0.0, 0.5]])) == 0).sum()) == 3 * 4 * 8


def test_the_same_numbers_augment_a_sample_alike_in_any_batch() -> None:
    x, numbers = pictures(), torch.rand(3, NUMBERS, generator=torch.manual_seed(1))
    policy = ("colour", "translation", "cutout")
    assert torch.allclose(augment(x, numbers, policy)[1:2], augment(x[1:2], numbers[1:2], policy))
    assert torch.equal(augment(x, numbers, ()), x)


def test_gradients_reach_the_pictures() -> None:
    x = pictures()[:1].double().requires_grad_()
    numbers = torch.rand(1, NUMBERS, generator=torch.manual_seed(2))
    assert torch.autograd.gradcheck(lambda y: augment(y[..., :4, :4], numbers, ("colour", "translation")), (x,))
