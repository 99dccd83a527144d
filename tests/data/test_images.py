import numpy as np
import pytest
import torch
from PIL import Image

from ddoq.data.digits import Digits
from ddoq.data.images import Images, Split, as_bytes, as_floats, carve, describe, resized
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


def test_a_selected_split_reads_the_chosen_images():
    chosen = _numbered([0, 1, 0, 1]).select(torch.tensor([3, 1])).select(torch.tensor([1]))
    assert chosen.labels.tolist() == [1]
    assert chosen.read(torch.tensor([0]), 1).flatten().tolist() == [1]
    assert chosen.names(0) == "1"


def test_the_indices_of_a_class_are_in_order():
    assert _numbered([1, 0, 1, 1]).of_class(1).tolist() == [0, 2, 3]


def test_carving_takes_a_share_of_every_class():
    labels = torch.tensor([0] * 10 + [1] * 20)
    kept, carved = carve(labels, 0.2, seed=0, what="test")
    assert labels[carved].bincount().tolist() == [2, 4]
    assert sorted(kept.tolist() + carved.tolist()) == list(range(30))


def test_carving_depends_on_the_seed_and_the_purpose_only():
    labels = torch.arange(100) % 2
    first = carve(labels, 0.3, seed=0, what="test")[1]
    assert torch.equal(first, carve(labels, 0.3, seed=0, what="test")[1])
    assert not torch.equal(first, carve(labels, 0.3, seed=1, what="test")[1])
    assert not torch.equal(first, carve(labels, 0.3, seed=0, what="val")[1])


def test_carving_leaves_a_class_of_one_image_whole():
    kept, carved = carve(torch.tensor([0, 1, 1]), 0.9, seed=0, what="val")
    assert 0 in kept.tolist()
    assert len(carved) == 1


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


def test_bytes_survive_being_floats():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_bytes(as_floats(values)), values)


def test_shrinking_is_antialiased_as_in_pillow():
    values = torch.randint(256, (40, 40), generator=torch.Generator().manual_seed(0))
    image = values.to(torch.uint8)
    expected = np.array(Image.fromarray(image.numpy()).resize((7, 7), Image.Resampling.BILINEAR))
    difference = resized(image[None, None], 7)[0, 0].int() - torch.tensor(expected).int()
    assert difference.abs().max() <= 1


def test_an_image_of_the_right_size_is_not_touched():
    image = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    assert resized(image, 2) is image


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
