"""The identity networks against dlib itself, their crop, gradients and figures."""

from importlib.util import find_spec
from pathlib import Path

import dlib
import numpy as np
import pytest
import torch
from torch import Tensor

from drfhq_tools.errors import ModelFileError
from transfer.metrics.features import face_features
from transfer.metrics.identity import identity_distance, identity_similarity
from transfer.metrics.kernel import kernel_distance
from transfer.networks import identity
from transfer.networks.identity import CHIP_PX, IdentityNet, add_zero_extended, crop_chip, load_densenet, load_resnet

SHARED = Path(__file__).parents[3] / ".." / "shared"
DENSENET = SHARED / "models" / "dlib" / "face_recognition_densenet_model_v1.dat.bz2"


@pytest.fixture(scope="module")
def resnet() -> IdentityNet:
    return load_resnet()


def pictures(count: int, size: int, seed: int = 0) -> Tensor:
    """Smooth colour noise in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 9, 9, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(-1, 1)


def to_uint8(image: Tensor) -> np.ndarray:
    return ((image + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def test_the_resnet_is_dlibs(resnet: IdentityNet) -> None:
    encoder = dlib.face_recognition_model_v1(str(identity.find_resnet()))
    for picture in pictures(4, CHIP_PX):
        chip = to_uint8(picture)
        theirs = np.array(encoder.compute_face_descriptor(chip))
        ours = resnet.embed_chips(torch.from_numpy(chip).permute(2, 0, 1)[None] / 127.5 - 1)
        np.testing.assert_allclose(ours[0].numpy(), theirs, atol=1e-5)


def test_the_densenet_reads_and_spreads() -> None:
    if not DENSENET.is_file():
        pytest.skip(f"{DENSENET} is not here")
    net = load_densenet(DENSENET)
    embeddings = net.embed(pictures(4, 64))
    assert embeddings.shape == (4, 128)
    # Every embedding shares a mean vector of norm 11.8; a wrong order of concatenation gives millions.
    assert embeddings.norm(dim=1).sub(11.8).abs().max() < 1
    distances = torch.pdist(embeddings)
    assert 0.02 < distances.min() < distances.max() < 2


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not the expected network"):
        load_densenet(identity.find_resnet())
    with pytest.raises(ModelFileError, match="cannot read"):
        load_resnet(tmp_path / "none.dat")
    altered = tmp_path / "altered.dat"
    data = bytearray(identity.find_resnet().read_bytes())
    data[1000] ^= 1  # a bit of a weight
    altered.write_bytes(data)
    with pytest.raises(ModelFileError, match="sha256"):
        load_resnet(altered)


def test_finding_the_package_does_not_import_it() -> None:
    spec = find_spec("face_recognition_models")
    assert spec is not None
    assert identity.find_resnet().name == identity.RESNET_FILE


@pytest.mark.parametrize("size", [32, 64, 221, 256, 1024])
def test_the_crop_takes_the_window_at_any_size(size: int) -> None:
    """A linear ramp comes out as the ramp over the window: bilinear and area filters both keep lines straight."""
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    ramp = torch.stack([axis.expand(size, size), axis[:, None].expand(size, size)])[None]
    chip = crop_chip(ramp)
    assert chip.shape == (1, 2, CHIP_PX, CHIP_PX)
    step = (torch.arange(CHIP_PX, dtype=torch.float64) + 0.5) / CHIP_PX
    torch.testing.assert_close(chip[0, 0, 7], 0.163 + step * 0.678, atol=2e-3, rtol=0)
    torch.testing.assert_close(chip[0, 1, :, 9], 0.260 + step * 0.678, atol=2e-3, rtol=0)


def test_the_crop_antialiases() -> None:
    fine = torch.ones(1, 1, 1024, 1024)
    fine[..., ::2] = -1  # stripes far finer than a chip pixel
    assert crop_chip(fine).abs().max() < 0.1


def test_one_face_at_two_sizes_stays_near(resnet: IdentityNet) -> None:
    large = pictures(3, 256)
    small = torch.nn.functional.interpolate(large, (128, 128), mode="area")
    a, b = resnet.embed(large), resnet.embed(small)
    assert identity_distance(a, b).max() < 0.1 < torch.pdist(a).min()


def test_gradients_reach_the_picture_alone_and_agree_with_differences() -> None:
    net = load_resnet().double()
    images = pictures(1, 40).double().requires_grad_()
    direction = torch.randn(128, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((net.embed(images) @ direction).sum(), images)
    assert all(parameter.grad is None for parameter in net.parameters())
    nudge = torch.randn(images.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    step = 1e-9  # small, so that few rectifiers switch in between
    with torch.no_grad():
        up, down = (net.embed(images + sign * step * nudge) @ direction for sign in (1, -1))
    expected = (up - down).sum() / (2 * step)
    torch.testing.assert_close((gradient * nudge).sum(), expected, rtol=1e-4, atol=1e-8)


def test_it_stays_frozen_and_in_full_precision(resnet: IdentityNet) -> None:
    resnet.train()
    assert not any(module.training for module in resnet.modules())
    assert not any(parameter.requires_grad for parameter in resnet.parameters())
    images = pictures(2, 64)
    plain = resnet.embed(images)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(resnet.embed(images), plain, rtol=0, atol=1e-6)


def test_stages_end_before_identity_is_read(resnet: IdentityNet) -> None:
    shapes = [tuple(stage.shape[1:]) for stage in resnet.stages(pictures(2, 64))]
    assert shapes == [(32, 72, 72), (32, 35, 35), (64, 17, 17), (128, 8, 8), (256, 4, 4)]


def test_features_tell_how_a_set_looks(resnet: IdentityNet) -> None:
    """Another half of a set is near, the half under grain is far; however the batch is cut."""
    images = pictures(40, 64, seed=5)
    features = face_features(resnet, images)
    assert features.shape == (40, 512)
    np.testing.assert_allclose(face_features(resnet, images[33:35]), features[33:35], atol=1e-5)
    grain = 0.2 * torch.randn(20, 3, 64, 64, generator=torch.Generator().manual_seed(6))
    near = kernel_distance(features[:20], features[20:])
    far = kernel_distance(features[:20], face_features(resnet, images[20:] + grain))
    assert abs(near) < 0.01
    assert far > 0.05


def test_add_prev_extends_the_smaller_with_zeros() -> None:
    a, b = torch.ones(1, 2, 2, 2), torch.full((1, 1, 3, 3), 10.0)
    total = add_zero_extended(a, b)
    assert total.shape == (1, 2, 3, 3)
    assert total[0, 0].tolist() == [[11, 11, 10], [11, 11, 10], [10, 10, 10]]
    assert total[0, 1].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_distance_and_similarity() -> None:
    a, b = torch.zeros(2, 128), torch.zeros(2, 128)
    b[1, :2] = torch.tensor([0.3, 0.4])
    distance = identity_distance(a, b)
    assert distance.tolist() == pytest.approx([0, 0.5])
    assert identity_similarity(distance, 0.5).tolist() == pytest.approx([1, 0])
