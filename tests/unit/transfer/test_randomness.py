"""Random numbers depend on seed, purpose and index, and on nothing else."""

import torch

from transfer.randomness import Purpose, SampleRandom, sample_order


def test_a_sample_is_the_same_alone_and_in_any_batch() -> None:
    random = SampleRandom(3)
    together = random.normal(Purpose.LATENT, range(10, 18), 5)
    assert torch.equal(together[4:5], random.normal(Purpose.LATENT, range(14, 15), 5))


def test_seed_purpose_and_index_each_change_the_numbers() -> None:
    base = SampleRandom(0).normal(Purpose.LATENT, range(1), 4)
    for other in (
        SampleRandom(1).normal(Purpose.LATENT, range(1), 4),
        SampleRandom(0).normal(Purpose.NOISE, range(1), 4),
        SampleRandom(0).normal(Purpose.LATENT, range(1, 2), 4),
    ):
        assert not torch.equal(base, other)


def test_neighbouring_samples_do_not_overlap() -> None:
    """A stream that only shifted from index to index would repeat values."""
    long = SampleRandom(0).normal(Purpose.LATENT, range(2), 10_000)
    assert not set(long[0].tolist()[5000:]) & set(long[1].tolist()[:5000])


def test_noise_maps_have_their_layers_shapes_and_unit_variance() -> None:
    maps = SampleRandom(0).noise(Purpose.NOISE, range(4), [4, 8, 64])
    assert [tuple(m.shape) for m in maps] == [(4, 1, 4, 4), (4, 1, 8, 8), (4, 1, 64, 64)]
    assert abs(float(maps[2].std()) - 1) < 0.02


def test_every_picture_is_shown_once_an_epoch_in_changing_order() -> None:
    first = sample_order(SampleRandom(0), range(7), 7)
    second = sample_order(SampleRandom(0), range(7, 14), 7)
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert sample_order(SampleRandom(0), range(5, 9), 7) == first[5:] + second[:2]
