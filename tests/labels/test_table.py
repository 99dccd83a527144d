import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from ddoq.data.preprocessing import Normalize
from ddoq.labels import table as tables
from ddoq.labels.packing import through
from ddoq.labels.table import LabelTable, write_table
from ddoq.processes.world import World
from ddoq.protocols.protocol import Protocol
from ddoq.students.convnet import ConvNet
from ddoq.students.feed import Feed
from ddoq.students.student import Student

NUM_CLASSES = 2


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps a file, as if they were large."""
    monkeypatch.setattr(tables, "_FILE_BYTES", 2 * 4 * NUM_CLASSES * 4)


@pytest.fixture
def make_feed(tiny_set, make_protocol):
    def make(rank: int = 0, ranks: int = 1, table=None, **changes: object) -> Feed:
        soft = {"labels": "soft", "loss": "kl", "temperature": 4.0, "crop": [0.3, 1.0]}
        mixed = {"flip": True, "mix": "cutmix", "steps": 9, "batch_size": 4}
        return Feed(
            synthetic=tiny_set,
            protocol=make_protocol(**{**soft, **mixed, **changes}),
            seed=5,
            size=8,
            preprocessing=Normalize((0.5,), (0.25,)),
            device=torch.device("cpu"),
            rank=rank,
            world_size=ranks,
            labels=table,
        )

    return make


@pytest.fixture
def teacher() -> nn.Module:
    torch.manual_seed(3)
    return ConvNet(NUM_CLASSES, 1, 8, depth=1, width=3).eval()


def world(rank: int = 0, size: int = 1) -> World:
    one = World()
    one.rank, one.size = rank, size
    return one


def written(feed: Feed, label, folder: Path, ranks: int = 1) -> LabelTable:
    folder.mkdir(exist_ok=True)
    for rank in reversed(range(ranks)):
        settings = {"num_classes": NUM_CLASSES, "world": world(rank, ranks)}
        write_table(
            dataclasses.replace(feed, rank=rank, world_size=ranks),
            label,
            folder,
            **settings,
            advance=lambda _: None,
        )
    return LabelTable(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"label_keep": 0.5},
        {"label_dtype": "int8"},
        {"label_top_k": 1, "label_dtype": "float16"},
        {"weights": "sampler"},
    ],
)
def test_what_is_replayed_is_what_the_teacher_says_bit_for_bit(
    make_feed, teacher, tmp_path, changes
):
    feed = make_feed(**changes)
    stored = dataclasses.replace(feed, labels=written(feed, teacher, tmp_path))
    for number, batch in enumerate(stored):
        with torch.no_grad():
            online = through(teacher(feed.batch(number).images), feed.protocol)
        assert torch.equal(batch.images, feed.batch(number).images)
        assert torch.equal(batch.logits, online)


def test_two_ranks_write_what_one_does(make_feed, teacher, tmp_path):
    feed = make_feed()
    one = written(feed, teacher, tmp_path / "one")
    two = written(feed, teacher, tmp_path / "two", ranks=2)
    names = [sorted(f.name for f in (tmp_path / n).iterdir()) for n in ("one", "two")]
    assert names[0] == names[1]
    assert len(names[0]) == 5 + 2
    for step in range(9):
        assert torch.equal(one.logits(step), two.logits(step))


def test_each_rank_writes_files_of_its_own(make_feed, teacher, tmp_path):
    done: list[list[int]] = [[], []]
    for rank in range(2):
        settings = {"num_classes": NUM_CLASSES, "world": world(rank, 2)}
        write_table(make_feed(rank, 2), teacher, tmp_path, **settings, advance=done[rank].append)
    # Five files of two steps, the last of one.
    assert done == [[2, 2, 1], [2, 2]]


def test_a_rank_reads_its_part_of_the_labels(make_feed, teacher, tmp_path):
    labels = written(make_feed(), teacher, tmp_path)
    whole = make_feed(table=labels)
    for rank in range(2):
        part = make_feed(rank, 2, labels)
        for step in range(9):
            assert torch.equal(part.batch(step).logits, whole.batch(step).logits[rank::2])


def test_an_interrupted_table_goes_on_with_the_files_that_are_left(make_feed, teacher, tmp_path):
    feed, asked = make_feed(), []

    def fails_at_the_sixth(images: torch.Tensor) -> torch.Tensor:
        asked.append(len(images))
        if len(asked) == 6:
            raise KeyboardInterrupt
        return teacher(images)

    with pytest.raises(KeyboardInterrupt):
        written(feed, fails_at_the_sixth, tmp_path / "twice")
    assert not (tmp_path / "twice" / "labels.json").exists()
    again = written(feed, fails_at_the_sixth, tmp_path / "twice")
    # Two files of two steps were done; of nine steps five are left.
    assert len(asked) == 6 + 5
    once = written(feed, teacher, tmp_path / "once")
    assert all(torch.equal(again.logits(step), once.logits(step)) for step in range(9))


def test_progress_counts_all_steps_also_those_that_were_there(make_feed, teacher, tmp_path):
    for _ in range(2):
        done: list[int] = []
        settings = {"num_classes": NUM_CLASSES, "world": world(), "advance": done.append}
        write_table(make_feed(), teacher, tmp_path, **settings)
        assert done == [2, 2, 2, 2, 1]


def trained(feed: Feed, protocol: Protocol, trainer, **options) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    net = ConvNet(NUM_CLASSES, 1, 8, depth=1, width=2)
    sizes = {
        "num_classes": NUM_CLASSES,
        "num_steps": len(feed),
        "preprocessing": Normalize((0.5,), (0.25,)),
    }
    trainer.fit(Student(net, protocol, **sizes, **options), feed)
    return net.state_dict()


def test_a_student_learns_the_same_from_a_table_as_from_the_teacher(
    make_feed, make_trainer, teacher, tmp_path
):
    feed = make_feed()
    stored = dataclasses.replace(feed, labels=written(feed, teacher, tmp_path))
    online = trained(feed, feed.protocol, make_trainer(), label=teacher.forward)
    replayed = trained(stored, feed.protocol, make_trainer())
    assert all(torch.equal(online[k], replayed[k]) for k in online)
