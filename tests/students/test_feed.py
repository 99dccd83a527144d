from dataclasses import MISSING, fields, replace

import pytest
import torch

from ddoq.data.preprocessing import Normalize
from ddoq.errors import UsageError
from ddoq.students.feed import Batch, Feed

OF_IMAGES = [f.name for f in fields(Batch) if f.default is MISSING and f.name != "size"]


@pytest.fixture
def make_feed(tiny_set, make_protocol):
    def make(
        seed: int = 0, rank: int = 0, ranks: int = 1, table: object = None, **changes: object
    ) -> Feed:
        return Feed(
            synthetic=tiny_set,
            protocol=make_protocol(**{"batch_size": 4, "steps": 9, **changes}),
            seed=seed,
            size=8,
            preprocessing=Normalize((0.5,), (0.25,)),
            device=torch.device("cpu"),
            rank=rank,
            world_size=ranks,
            labels=table,
        )

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
            for name in OF_IMAGES if rank < whole.size else []:
                assert torch.equal(getattr(part, name), getattr(whole, name)[rank::ranks])


@pytest.mark.parametrize("mixing", ["none", "cutmix"])
def test_a_rank_without_an_image_sees_the_step_without_weight(make_feed, mixing):
    # The third step of an epoch has two images, for three ranks.
    whole = make_feed(mix=mixing).batch(2)
    last = make_feed(rank=2, ranks=3, mix=mixing).batch(2)
    assert torch.equal(last.images, whole.images)
    assert last.weights.tolist() == last.mixed_weights.tolist() == [0.0, 0.0]
    assert float(make_feed(rank=1, ranks=3, mix=mixing).batch(2).mixed_weights.min()) > 0


def test_the_logits_of_a_rank_without_an_image_are_those_of_the_step(make_feed):
    settings = {"labels": "soft", "loss": "soft_ce"}
    last = make_feed(rank=2, ranks=3, table=Numbered(make_feed(**settings)), **settings).batch(2)
    assert last.logits[:, 1].tolist() == levels(last)
    assert len(last.logits) == 2


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


PRUNED = {"labels": "soft", "loss": "soft_ce", "crop": [0.3, 1.0], "mix": "cutmix"}


@pytest.mark.parametrize(
    ("keep", "steps", "distinct"), [(1.0, 9, 9), (1 / 3, 9, 3), (0.25, 40, 10), (0.075, 40, 3)]
)
def test_a_share_of_the_steps_is_kept(make_feed, keep, steps, distinct):
    feed = make_feed(**PRUNED, label_keep=keep, steps=steps)
    assert feed.num_distinct == distinct
    assert {feed.drawn(step) for step in range(steps)} == set(range(distinct))
    assert len({tuple(b.images.flatten().tolist()) for b in feed}) == distinct


def test_steps_in_which_images_would_never_be_seen_are_refused(make_feed):
    with pytest.raises(UsageError, match="keeps 2 steps of the 3"):
        make_feed(**PRUNED, label_keep=0.05, steps=40)


def test_kept_steps_come_in_order_and_then_in_orders_of_their_own(make_feed):
    feed = make_feed(**PRUNED, label_keep=0.25, steps=40)
    passes = [[feed.drawn(10 * p + i) for i in range(10)] for p in range(4)]
    assert passes[0] == list(range(10))
    assert all(sorted(p) == list(range(10)) for p in passes)
    assert len({tuple(p) for p in passes}) == 4


def test_the_order_of_kept_steps_is_a_function_of_the_seed(make_feed):
    feeds = [make_feed(seed, **PRUNED, label_keep=0.25, steps=40) for seed in (1, 1, 2)]
    first, again, other = ([f.drawn(step) for step in range(40)] for f in feeds)
    assert first == again != other


def test_a_last_pass_may_end_early(make_feed):
    feed = make_feed(**PRUNED, label_keep=0.3, steps=10)
    numbers = [feed.drawn(step) for step in range(10)]
    assert numbers[:3] == [0, 1, 2]
    assert sorted(numbers[3:6]) == sorted(numbers[6:9]) == [0, 1, 2]


def test_a_kept_step_is_replayed_with_the_same_draws(make_feed):
    whole = list(make_feed(**PRUNED))
    feed = make_feed(**PRUNED, label_keep=1 / 3)
    for step, batch in enumerate(feed):
        for name in OF_IMAGES:
            assert torch.equal(getattr(batch, name), getattr(whole[feed.drawn(step)], name))


class Numbered:
    """Logits that say of which step and which image they are."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed

    def logits(self, step: int) -> torch.Tensor:
        ids = self.feed.chosen(step)
        return torch.stack([torch.full_like(ids, step), ids], 1).float()


def test_without_a_table_there_are_no_logits(make_feed):
    assert all(b.logits is None for b in make_feed(**PRUNED))


@pytest.mark.parametrize("ranks", [1, 2])
def test_stored_logits_go_with_their_step_and_image(make_feed, ranks):
    settings = {"labels": "soft", "loss": "soft_ce", "label_keep": 1 / 3}
    table = Numbered(make_feed(**settings))
    for rank in range(ranks):
        feed = make_feed(rank=rank, ranks=ranks, table=table, **settings)
        for number, batch in enumerate(feed):
            assert batch.logits[:, 0].tolist() == [feed.drawn(number)] * len(batch.images)
            assert batch.logits[:, 1].tolist() == levels(batch)


TARGETS = {"labels": "targets", "loss": "mse"}


@pytest.mark.parametrize("ranks", [1, 2])
def test_targets_follow_their_images_and_what_those_are_mixed_with(make_feed, tiny_set, ranks):
    targets = torch.rand(10, 3)
    for rank in range(ranks):
        feed = make_feed(rank=rank, ranks=ranks, mix="cutmix", **TARGETS)
        feed = replace(feed, synthetic=replace(tiny_set, targets=targets))
        batch = feed.batch(1)
        ids = feed.chosen(1)[rank::ranks]
        assert torch.equal(batch.targets, targets[ids])
        # A set's number is in its weight.
        assert torch.equal(batch.other_targets, targets[batch.other_weights.long() - 1])


def test_a_set_without_targets_gives_its_labels_as_targets(make_feed):
    batch = make_feed(**TARGETS).batch(0)
    assert torch.equal(batch.targets, torch.eye(2)[batch.labels] - 0.5)


@pytest.mark.parametrize("protocol", [{}, {"labels": "soft", "loss": "kl"}])
def test_targets_stay_away_where_they_are_not_read(make_feed, tiny_set, protocol):
    feed = replace(make_feed(**protocol), synthetic=replace(tiny_set, targets=torch.rand(10, 2)))
    assert feed.batch(0).targets is None
