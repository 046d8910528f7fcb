"""Showing faces by weight: as often as asked, by the sample's number alone, and for the data set they were made for."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from drfhq_tools.manifest import Manifest, open_manifest
from drfhq_tools.manifest.weights import SamplingWeights, WeightedFace, weights_bytes
from transfer.cli import main
from transfer.config import TrainConfig
from transfer.data import Portraits, load_weights, weighted_order
from transfer.errors import ConfigError
from transfer.networks.discriminator import Discriminator
from transfer.networks.generator import Generator
from transfer.randomness import SampleRandom, sample_order
from transfer.training.state import TrainState
from transfer.training.step import Trainer

TINY = Path(__file__).parents[3] / "manifests" / "examples" / "tiny"
RANDOM = SampleRandom(3)
Networks = tuple[Generator, Discriminator]
weight_lists = st.lists(st.just(0.0) | st.floats(0.01, 100), min_size=1, max_size=20).filter(any)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(weight_lists, st.integers(0, 5))
def test_an_epoch_shows_each_as_often_as_its_weight_rounded(values: list[float], epoch: int) -> None:
    weights = np.array(values)
    count = int((weights > 0).sum())
    shown = Counter(weighted_order(RANDOM, range(epoch * count, (epoch + 1) * count), weights))
    for picture, share in enumerate(weights / weights.sum() * count):
        assert np.floor(share - 1e-6) <= shown[picture] <= np.ceil(share + 1e-6)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(weight_lists, st.integers(0, 50), st.integers(1, 30))
def test_a_sample_is_the_same_alone_and_in_any_batch(values: list[float], start: int, size: int) -> None:
    weights = np.array(values)
    together = weighted_order(RANDOM, range(start, start + size), weights)
    assert together == [weighted_order(RANDOM, range(i, i + 1), weights)[0] for i in range(start, start + size)]


def test_the_mean_over_epochs_is_the_weight() -> None:
    weights = np.array([0.0, 0.3, 1.0, 0.0, 2.7, 0.6])
    shown = Counter(weighted_order(RANDOM, range(4 * 5000), weights))
    share = [shown[picture] / (4 * 5000) for picture in range(6)]
    assert share == pytest.approx(weights / weights.sum(), abs=0.003)
    assert shown[0] == shown[3] == 0


def test_equal_weights_change_nothing() -> None:
    for value in (1.0, 0.3):
        assert weighted_order(RANDOM, range(40), np.full(7, value)) == sample_order(RANDOM, range(40), 7)


def test_a_subset_is_shown_once_an_epoch() -> None:
    weights = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    first, second = weighted_order(RANDOM, range(3), weights), weighted_order(RANDOM, range(3, 6), weights)
    assert sorted(first) == sorted(second) == [0, 2, 3]


def test_repeats_are_not_shown_in_a_row() -> None:
    shown = weighted_order(RANDOM, range(100), np.array([50.0, *np.full(99, 50 / 99)]))
    runs = "".join("x" if picture == 0 else " " for picture in shown).split()
    assert max(map(len, runs)) < 15


def numbers(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(
    tiny_networks: Networks, portraits: Portraits, tmp_path: Path
) -> None:
    config = TrainConfig(batch=2)
    weighted = replace(portraits, weights=np.array([0.0, 3.0, 1.0, 0.0, 0.5, 0.5]))
    begin = [numbers(network) for network in tiny_networks]
    whole = Trainer(TrainState.start(*tiny_networks, config, torch.device("cpu")), weighted, config)
    for _ in range(5):
        whole.step()
    expected = numbers(whole.state.g_ema)

    for network, saved in zip(tiny_networks, begin, strict=True):
        network.load_state_dict(saved)
    first = Trainer(TrainState.start(*tiny_networks, config, torch.device("cpu")), weighted, config)
    for _ in range(3):
        first.step()
    first.state.save(tmp_path / "state.pt")
    spec = first.state.generator.spec
    second = Trainer(
        TrainState.start(Generator(spec), Discriminator(spec), config, torch.device("cpu")), weighted, config
    )
    second.state.load(tmp_path / "state.pt")
    for _ in range(2):
        second.step()
    assert all(torch.equal(value, expected[name]) for name, value in numbers(second.state.g_ema).items())


@pytest.mark.parametrize("mirror", [True, False])
def test_only_faces_with_a_weight_are_shown_mirrored_or_not(
    tiny_networks: Networks, portraits: Portraits, mirror: bool
) -> None:
    config = TrainConfig(batch=4, mirror=mirror)
    flat = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), dtype=np.uint8)
    flat[:, :, 16:] += 100
    data = replace(portraits, pixels=flat, weights=np.array([0.0, 1.0, 0.0, 2.0, 0.0, 0.0]))
    trainer = Trainer(TrainState.start(*tiny_networks, config, torch.device("cpu")), data, config)
    share = trainer._share(list(range(64)), data.order(trainer.random, range(64)))
    real = ((trainer._real(share) + 1) * 127.5).round().int()
    left, right = real[:, 0, 0, 0], real[:, 0, 0, -1]
    assert set(torch.minimum(left, right).tolist()) == {1, 3}
    assert bool((left > right).any()) == mirror


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    shutil.copytree(TINY, tmp_path / "data")
    return open_manifest(tmp_path / "data")


def write(manifest: Manifest, path: Path, values: list[float], digest: str | None = None) -> Path:
    """Weights of the first faces of the manifest."""
    faces = [WeightedFace(face.face_id, "cell", value) for face, value in zip(manifest.faces, values, strict=False)]
    made_for = digest or manifest.digest
    path.write_bytes(weights_bytes(SamplingWeights(manifest_sha256=made_for, balance={"by": ["race"]}, faces=faces)))
    return path


def test_weights_come_in_the_manifests_order_for_the_split(manifest: Manifest, tmp_path: Path) -> None:
    values = [float(n + 1) for n in range(len(manifest.faces))]
    path = write(manifest, tmp_path / "w.parquet", values)
    assert load_weights(path, manifest, "all").values.tolist() == values
    split = manifest.faces[0].split
    expected = [value for value, face in zip(values, manifest.faces, strict=True) if face.split == split]
    assert load_weights(path, manifest, split).values.tolist() == expected


def test_weights_of_another_state_or_with_gaps_are_refused_with_advice(manifest: Manifest, tmp_path: Path) -> None:
    everyone = [1.0] * len(manifest.faces)
    path = tmp_path / "w.parquet"
    with pytest.raises(ConfigError, match=r"before this one was rebuilt: run `drfhq balance .* --by race` again"):
        load_weights(write(manifest, path, everyone, digest="0" * 64), manifest, "all")
    with pytest.raises(ConfigError, match=r"leaves out 1 faces of split 'all': run .* --split all`"):
        load_weights(write(manifest, path, everyone[1:]), manifest, "all")
    with pytest.raises(ConfigError, match="every face of split 'all' the weight 0"):
        load_weights(write(manifest, path, [0.0] * len(manifest.faces)), manifest, "all")


def pretrain(manifest: Manifest, out: Path, *more: object, kimg: float = 0.004) -> Result:
    words = ["pretrain", "--data", manifest.root, "--out", out, "--kimg", kimg, "--batch", 2, "--device", "cpu"]
    words += ["--resolution", 32, "--channels", "8,8,8,8", "--latent", 8, "--mapping-layers", 2, "--split", "all"]
    return CliRunner().invoke(main, [str(word) for word in [*words, *more]])


def test_a_run_goes_on_with_its_own_weights_alone(manifest: Manifest, tmp_path: Path) -> None:
    one = write(manifest, tmp_path / "one.parquet", [1.0, *[2.0] * (len(manifest.faces) - 1)])
    other = write(manifest, tmp_path / "other.parquet", [2.0, *[1.0] * (len(manifest.faces) - 1)])
    run = tmp_path / "run"
    result = pretrain(manifest, run, "--weights", one)
    assert result.exit_code == 0, result.output
    assert len(json.loads((run / "run.json").read_text(encoding="utf-8"))["face_weights_sha256"]) == 64
    for more in (("--weights", other), ()):
        refused = pretrain(manifest, run, *more, kimg=0.008)
        assert refused.exit_code == 2
        assert "another face_weights_sha256" in refused.stderr
    went_on = pretrain(manifest, run, "--weights", one, kimg=0.008)
    assert went_on.exit_code == 0, went_on.output
    assert "resuming" in went_on.stderr
    straight = pretrain(manifest, tmp_path / "straight", "--weights", one, kimg=0.008)
    assert straight.exit_code == 0, straight.output
    files = [(folder / "g_ema.safetensors").read_bytes() for folder in (run, tmp_path / "straight")]
    assert files[0] == files[1]
