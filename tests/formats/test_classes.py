"""Are classes found by what they have in common, and is anything else asked about?"""

import pytest
import torch

from ddoq.errors import DataError
from ddoq.formats.classes import mapped
from ddoq.synthetic import SyntheticSet

IDS, NAMES = ("n1", "n2", "n3"), ("cat", "dog", "owl")


def a_set(ids: tuple[str, ...], names: tuple[str, ...] | None = None) -> SyntheticSet:
    """Return a set with one image of each class, which is filled with the number of the class."""
    images = torch.arange(len(ids)).to(torch.uint8)[:, None, None, None].repeat(1, 1, 2, 2)
    labels = torch.arange(len(ids))
    return SyntheticSet(
        images, labels, torch.ones(len(ids)), names or ids, ids, torch.eye(len(ids))
    )


@pytest.mark.parametrize(
    ("ids", "names", "how", "labels"),
    [
        (("n3", "n1", "n2"), None, "ids", [2, 0, 1]),
        (("owl", "cat", "dog"), None, "names", [2, 0, 1]),
        (("0", "1", "2"), ("owl", "cat", "dog"), "names", [2, 0, 1]),
        (("0", "1", "2"), None, "order", [0, 1, 2]),
    ],
)
def test_ids_then_names_then_numbers_say_the_classes(ids, names, how, labels):
    found, by = mapped(a_set(ids, names), IDS, NAMES)
    assert (by, found.labels.tolist(), found.class_ids) == (how, labels, IDS)
    assert torch.equal(found.targets, torch.eye(3)[labels])
    assert found.class_names == NAMES


def test_a_person_may_say_it():
    found, by = mapped(a_set(("new0", "new1", "new2")), IDS, NAMES, "order")
    assert (by, found.labels.tolist()) == ("order", [0, 1, 2])


@pytest.mark.parametrize(
    ("own", "how", "words"),
    [
        (a_set(("new0", "new1", "new2")), None, "not those of the data: new0, new1, new2"),
        (a_set(("cat", "dog", "bee")), None, "bee on its side, owl on the other"),
        (a_set(("cat", "dog", "owl")), "ids", "classes=ids"),
        (a_set(IDS, ("dog", "cat", "owl")), None, "ids say other classes than its names"),
    ],
)
def test_anything_else_is_asked_about(own: SyntheticSet, how: str | None, words: str):
    with pytest.raises(DataError, match=rf"{words}[\s\S]*classes=order"):
        mapped(own, IDS, NAMES, how)


def test_another_number_of_classes_is_refused():
    with pytest.raises(DataError, match="2 classes, the data have 3"):
        mapped(a_set(("n1", "n2")), IDS, NAMES, "order")
