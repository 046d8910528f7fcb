"""Chips against dlib's own, numpy's layers against PyTorch's."""

from __future__ import annotations

import dlib
import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from drfhq_tools.geometry import FloatArray
from drfhq_tools.labels import layers
from drfhq_tools.labels.chips import chip_matrix, dlib_chip, rectangle_chip, similarity

SIZES = [(32, 0.2), (300, 0.25)]


def face(seed: int, side: int) -> FloatArray:
    """(68, 2) whole numbers, since dlib knows no others, spread over the middle of a crop as a face's are."""
    return np.random.default_rng(seed).integers(round(0.25 * side), round(0.75 * side), (68, 2)).astype(np.float64)


def as_dlib(landmarks: FloatArray) -> object:
    points = [dlib.point(int(x), int(y)) for x, y in landmarks]
    return dlib.full_object_detection(dlib.rectangle(0, 0, 9, 9), points)


@pytest.mark.parametrize(("size", "padding"), SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_a_chip_lies_where_dlibs_does(seed: int, size: int, padding: float) -> None:
    landmarks = face(seed, 400)
    details = dlib.get_face_chip_details(as_dlib(landmarks), size=size, padding=padding)
    square, turn = details.rect, np.exp(1j * details.angle)
    centre = complex(square.left() + square.right(), square.top() + square.bottom()) / 2
    rims = [complex(x, y) for x, y in ((square.left(), square.top()), (square.right(), square.bottom()))]
    expected = [centre + turn * (rim - centre) for rim in rims]  # pixel indices of the first and last pixel's centre
    x, y, _ = chip_matrix(landmarks, size, padding) @ [[0.5, size - 0.5], [0.5, size - 0.5], [1, 1]] - 0.5
    np.testing.assert_allclose(x + 1j * y, expected, atol=1e-9)


@pytest.mark.parametrize(("size", "padding"), SIZES)
def test_a_chip_shows_what_dlibs_does(size: int, padding: float) -> None:
    """On a picture without fine detail, so that only place, turn and colour order count."""
    y, x = np.mgrid[:256, :256] / 256 * 2 * np.pi
    crop = np.stack([np.sin(x), np.cos(2 * y), np.sin(x + y)], axis=2)
    pixels = np.rint(127.5 + 127 * crop).astype(np.uint8)
    landmarks = face(1, 256)
    theirs = dlib.get_face_chip(pixels, as_dlib(landmarks), size, padding)
    difference = dlib_chip(pixels, landmarks, size, padding).astype(float) - theirs
    inside = difference[size // 8 : -size // 8, size // 8 : -size // 8]
    assert np.abs(inside).mean() < 1.5  # dlib drops what is behind the point, which alone makes 0.5


def test_a_similarity_is_found_again() -> None:
    points = np.random.default_rng(2).normal(size=(9, 2))
    matrix = np.array([[0.6, -0.8, 3.0], [0.8, 0.6, -5.0], [0, 0, 1]]) @ np.diag([2.0, 2.0, 1.0])
    images = (np.column_stack([points, np.ones(9)]) @ matrix.T)[:, :2]
    np.testing.assert_allclose(similarity(points, images), matrix, atol=1e-12)


def test_a_rectangle_is_centred_on_black_and_padded_by_its_own_sides() -> None:
    crop = np.full((200, 200, 3), 200, np.uint8)
    landmarks = np.full((68, 2), 99.5)
    landmarks[:4] = [[79.5, 99.5], [119.5, 99.5], [99.5, 59.5], [99.5, 139.5]]  # 40 wide, 80 high
    chip = rectangle_chip(crop, landmarks, 112, 0.2)
    assert chip.shape == (112, 112, 3)
    np.testing.assert_array_equal(np.flatnonzero(chip[56, :, 0]), np.arange(28, 84))
    assert (chip[:, 28:84] == 200).all()


def test_a_rectangle_beyond_the_crop_is_black_there() -> None:
    landmarks = np.full((68, 2), 0.0)
    landmarks[1] = [99.0, 99.0]
    chip = rectangle_chip(np.full((100, 100, 3), 200, np.uint8), landmarks, 120, 0.2)
    assert chip[0, 0].max() == 0
    assert chip[60, 60].min() == 200


RNG = np.random.default_rng(3)


def picture(rows: int, columns: int, channels: int) -> layers.Array:
    return RNG.normal(size=(rows, columns, channels)).astype(np.float32)


def as_torch(x: layers.Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None]


def same_as(ours: layers.Array, theirs: torch.Tensor) -> None:
    np.testing.assert_allclose(ours, theirs[0].numpy().transpose(1, 2, 0), atol=2e-5)


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
def test_a_convolution_is_pytorchs(side: int, stride: int) -> None:
    x, weight, bias = (
        picture(13, 10, 4),
        RNG.normal(size=(side, side, 4, 5)).astype(np.float32),
        np.arange(5, dtype=np.float32),
    )
    theirs = F.conv2d(
        as_torch(x), torch.from_numpy(weight.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias), stride, side // 2
    )
    same_as(layers.convolution(x, weight, bias, stride, layers.even(side // 2)), theirs)


def test_a_depthwise_convolution_is_pytorchs() -> None:
    x, weight = picture(9, 8, 6), RNG.normal(size=(3, 3, 6)).astype(np.float32)
    theirs = F.conv2d(as_torch(x), torch.from_numpy(weight.transpose(2, 0, 1).copy())[:, None], padding=1, groups=6)
    same_as(layers.depthwise(x, weight, layers.even(1)), theirs)


def test_pools_are_pytorchs_even_where_all_is_negative() -> None:
    x = picture(12, 8, 3) - 10
    same_as(layers.max_pool(x, 3, 2, layers.even(1)), F.max_pool2d(as_torch(x), 3, 2, 1))
    same_as(layers.average_pool(x, 2, 2), F.avg_pool2d(as_torch(x), 2))


@pytest.mark.parametrize(
    ("length", "side", "stride", "before", "after"),
    [(112, 3, 2, 0, 1), (7, 3, 2, 1, 1), (14, 3, 1, 1, 1), (56, 1, 2, 0, 0), (7, 1, 2, 0, 0)],
)
def test_same_padding_puts_the_odd_pixel_after(length: int, side: int, stride: int, before: int, after: int) -> None:
    padding = layers.same(np.zeros((length, length, 1), np.float32), side, stride)
    assert padding == ((before, after), (before, after))
