import pytest
import torch

from ddoq.data.batches import describe
from ddoq.data.digits import Digits
from ddoq.data.images import Images
from ddoq.data.source import Split
from ddoq.errors import DataError


def _numbered(labels):
    """A split whose image i is filled with the value i."""
    labels = torch.tensor(labels)
    return Split(
        labels, lambda i, size: i.to(torch.uint8)[:, None, None, None].repeat(1, 1, size, size)
    )


class _Tiny:
    class_names = class_ids = ("cat", "dog")
    channels, image_size, mean, std, fingerprint = 1, 2, (0.5,), (0.5,), "tiny"

    def __init__(self):
        self.train, self.val = _numbered([0, 1, 0, 1, 0, 1, 1]), _numbered([0, 1])
        self.test = _numbered([0, 1, 1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fingerprint", "other"),
        ("mean", (0.4,)),
        ("std", (0.4,)),
        ("class_ids", ("dog", "cat")),
        ("image_size", 4),
    ],
)
def test_whatever_the_program_takes_from_a_source_is_in_the_fingerprint(name, value):
    source = _Tiny()
    before = Images(source).fingerprint
    setattr(source, name, value)
    assert Images(source).fingerprint != before
    assert Images(source, made_by={"code": ["x"]}).fingerprint != Images(source).fingerprint


def test_a_class_without_training_images_is_refused():
    source = _Tiny()
    source.train = _numbered([0, 0])
    with pytest.raises(DataError, match="class 'dog' has no training images"):
        Images(source)


def test_an_empty_test_split_is_refused():
    source = _Tiny()
    source.test = _numbered([0])
    source.test = source.test.select(torch.tensor([], dtype=torch.int64))
    with pytest.raises(DataError, match=r"the test split has no images"):
        Images(source)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_all_ranks_together_see_every_image_once(world_size):
    images = Images(_Tiny(), batch_size=2)
    seen = [
        int(value)
        for rank in range(world_size)
        for batch, _ in images.batches("train", rank=rank, world_size=world_size)
        for value in (batch[:, 0, 0, 0] * 255).round()
    ]
    assert sorted(seen) == list(range(7))


def test_a_class_batch_holds_images_of_that_class():
    batch = Images(_Tiny()).class_batch(0, 2, torch.Generator().manual_seed(0))
    assert set((batch[:, 0, 0, 0] * 255).round().int().tolist()) < {0, 2, 4}


def test_pixels_are_decoded_once():
    images = Images(_Tiny())
    assert images.pixels("val") is images.pixels("val")
    assert images.pixels("val").flatten().tolist() == [0] * 4 + [1] * 4


def test_the_digits_are_a_source_of_images():
    assert Images(Digits()).num_classes == 10


def test_classes_counts_and_splits_are_said():
    assert describe(Images(_Tiny())) == [
        "images: 7 train, 2 val, 3 test",
        "2 classes of train: cat (3), dog (4)",
    ]


def test_of_many_classes_the_first_are_named():
    source = _Tiny()
    source.train = _numbered([*range(30), 29])
    source.class_names = source.class_ids = tuple(f"c{i}" for i in range(30))
    said = describe(Images(source))[1]
    assert said.startswith("30 classes of train: c0 (1), c1 (1)")
    assert said.endswith("c19 (1), and 10 more (1 to 2)")


def test_a_selection_narrows_the_training_images_alone():
    images = Images(_Tiny())
    images.pixels("train")
    images.pixels("test")
    part = images.select(torch.tensor([5, 2]))
    assert part.train.labels.tolist() == [1, 0]
    assert part.pixels("train")[:, 0, 0, 0].tolist() == [5, 2]
    assert part.whole().images[:, 0, 0, 0].tolist() == [5, 2]
    assert (part.val, part.test, part.mean) == (images.val, images.test, images.mean)
    assert torch.equal(part.pixels("test"), images.pixels("test"))
    assert len(images.pixels("train")) == len(images.train) == 7


def test_other_images_to_measure_on_replace_test_and_val_alone():
    images, other = Images(_Tiny()), _numbered([1, 0])
    images.pixels("train")
    images.pixels("test")
    part = images.tested_on(other, "two images")
    assert (part.val, part.test, part.train) == (other, other, images.train)
    assert part.pixels("test").tolist() == other.read(torch.arange(2), 2).tolist()
    assert part.pixels("train") is images.pixels("train")
    names = {i.fingerprint for i in (images, part, images.tested_on(other, "others"))}
    assert len(names) == 3


def test_a_selection_is_known_by_its_indices_and_what_they_are_about():
    images, some = Images(_Tiny()), torch.tensor([0, 1])
    chosen = [
        images,
        images.select(some),
        images.select(some.flip(0)),
        images.select(some, about={"loss": "early"}),
        images.select(torch.tensor([0, 1, 2])).select(some),
    ]
    assert len({i.fingerprint for i in chosen}) == 5
    assert images.select(some).fingerprint == Images(_Tiny()).select(some).fingerprint


def test_a_selection_must_leave_every_class_an_image():
    with pytest.raises(DataError, match="class 'dog' has no training images"):
        Images(_Tiny()).select(torch.tensor([0, 2]))
