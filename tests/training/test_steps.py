"""Does a loader of numbered steps go on where it was?"""

from itertools import islice

from ddoq.training.steps import Steps


def squares(number: int = 6) -> Steps:
    return Steps(lambda step: step**2, number)


def test_every_step_comes_once_and_again_in_the_next_epoch():
    steps = squares()
    assert list(steps) == list(steps) == [0, 1, 4, 9, 16, 25]
    assert len(steps) == 6


def test_a_state_names_the_step_that_comes_next():
    first, second = squares(), squares()
    assert list(islice(first, 4)) == [0, 1, 4, 9]
    second.load_state_dict(first.state_dict())
    assert list(second) == [16, 25]
    assert list(second) == [0, 1, 4, 9, 16, 25]
    assert len(second) == 6


def test_a_state_at_the_end_leaves_nothing():
    first, second = squares(), squares()
    list(first)
    second.load_state_dict(first.state_dict())
    assert list(second) == []
