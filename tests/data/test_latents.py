import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddoq.data.latents import LatentStore, deal, shuffled
from ddoq.data.streams import Latents


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 6))
def test_every_class_is_dealt_to_one_rank(counts: list[int], num_ranks: int):
    hands = deal(counts, num_ranks)
    assert sorted(c for hand in hands for c in hand) == list(range(len(counts)))
    loads = [sum(counts[c] for c in hand) for hand in hands]
    assert max(loads) - min(loads) <= max(counts, default=0)


def test_a_rank_takes_its_largest_classes_first():
    assert deal([5, 9, 5, 1], 2) == [[1, 3], [0, 2]]


@pytest.fixture
def store(make_store) -> LatentStore:
    """Classes of 3, 1 and 7 numbered latents."""
    return make_store([torch.arange(float(n))[:, None] + 10 * n for n in (3, 1, 7)])


def test_rows_are_gathered_over_all_classes_in_any_order(store: LatentStore):
    latents, labels = store.gather(torch.tensor([10, 0, 3, 4, 0]))
    assert latents.flatten().tolist() == [76.0, 30.0, 10.0, 70.0, 30.0]
    assert labels.tolist() == [2, 0, 1, 2, 0]


def test_every_epoch_of_the_stream_holds_every_row_once():
    stream = shuffled(torch.arange(33), 11, 0).view(3, 11)
    assert stream.sort(1).values.tolist() == [list(range(11))] * 3
    assert not torch.equal(stream[0], stream[1])


def test_classes_that_are_done_are_left_out_and_the_largest_come_first(store: LatentStore):
    assert Latents(store, skip=[0]).predict_dataloader().groups == [[2], [1]]
    assert Latents(store).predict_dataloader().groups == [[2], [0], [1]]


def test_a_group_is_of_classes_of_like_size(store: LatentStore):
    assert Latents(store, group=2).predict_dataloader().groups == [[2, 0], [1]]


def test_a_group_is_left_out_only_when_all_its_classes_are_done(store: LatentStore):
    assert Latents(store, group=2, skip=[0, 1]).predict_dataloader().groups == [[2, 0]]
    assert Latents(store, group=2, skip=[0, 2]).predict_dataloader().groups == [[1]]


def test_a_class_is_streamed_whole(store: LatentStore):
    first = next(iter(Latents(store, group=2).predict_dataloader()))
    assert [c.label for c in first] == [2, 0]
    assert torch.equal(first[0].latents, store.latents(2))


def test_a_group_stays_where_it_is(store: LatentStore):
    group = next(iter(Latents(store).predict_dataloader()))
    assert Latents(store).transfer_batch_to_device(group, torch.device("meta"), 0) is group


def test_a_rank_may_be_left_without_a_class(store: LatentStore):
    assert deal(store.counts, 5)[4] == []
    assert Latents(store).allow_zero_length_dataloader_with_multiple_devices
