from dataclasses import fields, replace

import pytest
import torch

from ddoq.students.feed import Batch, Feed


@pytest.fixture
def make_feed(tiny_set, make_protocol):
    def make(seed: int = 0, rank: int = 0, ranks: int = 1, **changes: object) -> Feed:
        protocol = make_protocol(**{"batch_size": 4, "steps": 9, **changes})
        return Feed(tiny_set, protocol, seed, 8, torch.device("cpu"), rank, ranks)

    return make


def levels(batch: Batch) -> list[int]:
    """Which of the numbered images are in a batch."""
    return [round(10 * float(x)) for x in batch.images[:, 0, 0, 0]]


def test_an_epoch_shows_every_image_once(make_feed):
    batches = list(make_feed())
    for epoch in range(3):
        seen = [i for b in batches[3 * epoch : 3 * epoch + 3] for i in levels(b)]
        assert sorted(seen) == list(range(10))


def test_the_last_batch_of_an_epoch_is_smaller(make_feed):
    assert [b.size for b in make_feed()] == [4, 4, 2] * 3


def test_a_batch_is_never_larger_than_the_set(make_feed):
    assert [b.size for b in make_feed(batch_size=64, steps=2)] == [10, 10]


def test_labels_and_weights_go_with_their_images(make_feed):
    for batch in make_feed():
        assert batch.labels.tolist() == [i % 2 for i in levels(batch)]
        assert batch.weights.tolist() == [i + 1 for i in levels(batch)]


def test_without_mixing_an_image_is_all_its_own(make_feed):
    batch = next(iter(make_feed()))
    assert batch.share.tolist() == [1.0] * 4
    assert torch.equal(batch.mixed_weights, batch.weights)


def test_epochs_have_orders_of_their_own(make_feed):
    batches = list(make_feed())
    orders = [[i for b in batches[e : e + 3] for i in levels(b)] for e in (0, 3, 6)]
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_the_feed_is_a_function_of_the_seed(make_feed):
    first, again, other = ([levels(b) for b in make_feed(seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_the_length_is_the_protocols(make_feed):
    assert len(make_feed(steps=7)) == len(list(make_feed(steps=7))) == 7
    assert len(make_feed(steps=None, epochs=5)) == 15


def test_bytes_become_floats(make_feed, tiny_set):
    images = torch.full((10, 1, 8, 8), 51, dtype=torch.uint8)
    feed = replace(make_feed(), synthetic=replace(tiny_set, images=images))
    assert next(iter(feed)).images.unique().tolist() == pytest.approx([0.2])


@pytest.mark.parametrize("mixing", ["none", "cutmix", "mixup"])
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_parts_of_the_ranks_together_are_the_batch_of_one(make_feed, mixing: str, ranks: int):
    settings = {"mix": mixing, "crop": [0.5, 1.0], "flip": True}
    parts = [list(make_feed(rank=r, ranks=ranks, **settings)) for r in range(ranks)]
    for whole, *split in zip(make_feed(**settings), *parts, strict=True):
        for rank, part in enumerate(split):
            assert part.size == whole.size
            for f in fields(Batch)[:-1]:
                assert torch.equal(getattr(part, f.name), getattr(whole, f.name)[rank::ranks])


def test_the_sampler_draws_images_in_proportion_to_their_weights(make_feed):
    feed = make_feed(weights="sampler", steps=2000, batch_size=10)
    drawn = torch.cat([feed.chosen(step) for step in range(2000)])
    frequencies = torch.bincount(drawn, minlength=10) / len(drawn)
    torch.testing.assert_close(frequencies, (torch.arange(10) + 1) / 55, atol=0.006, rtol=0)


def test_with_the_sampler_the_loss_has_no_weights(make_feed):
    for batch in make_feed(weights="sampler", mix="mixup"):
        assert batch.weights.tolist() == batch.mixed_weights.tolist() == [1.0] * 4


def test_the_mixed_weight_is_shared_as_the_pixels_are(make_feed):
    batch = next(iter(make_feed(mix="mixup")))
    for i in range(4):
        share, own, other = (float(t[i]) for t in (batch.share, batch.weights, batch.other_weights))
        assert float(batch.mixed_weights[i]) == pytest.approx(share * own + (1 - share) * other)
        # Image i has the level (weight - 1) / 10.
        level = share * (own - 1) / 10 + (1 - share) * (other - 1) / 10
        assert float(batch.images[i, 0, 0, 0]) == pytest.approx(level, abs=1e-6)
