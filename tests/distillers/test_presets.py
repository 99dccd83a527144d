"""Is every preset a few lines of its own?"""

import inspect
from itertools import combinations

import pytest

from ddoq.distillers import distribution_matching, gradient_matching
from ddoq.distillers.learned import Learned

PRESETS = {
    **{name: getattr(gradient_matching, name) for name in ("dc", "dsa")},
    **{name: getattr(distribution_matching, name) for name in ("dm", "idm", "m3d")},
}
LONGEST, MOST_SHARED = 30, 7


def lines(preset: object) -> list[str]:
    return inspect.getsource(preset).splitlines()  # type: ignore[arg-type] # a function


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_short_and_names_its_sets(name: str):
    made = PRESETS[name]()
    assert isinstance(made, Learned)
    assert made.name == name
    assert len(lines(PRESETS[name])) <= LONGEST


def test_no_two_presets_share_a_run_of_lines():
    for one, other in combinations(PRESETS.values(), 2):
        text = "\n".join(lines(other))
        own = lines(one)
        runs = [own[i : i + MOST_SHARED + 1] for i in range(len(own) - MOST_SHARED)]
        assert not [run for run in runs if "\n".join(run) in text], (one, other)


def test_steps_and_epochs_between_them_are_the_published_ones():
    found = {}
    for number in (1, 10, 20, 30, 40, 50, 5):
        settings = gradient_matching._settled(
            {"images_per_class": number, "networks": 1000, "viewpoint": None}
        )
        inner = settings["viewpoint"]
        found[number] = inner["outer"], inner["inner"], settings["steps"]
    assert found == {
        1: (1, 1, 1000),
        10: (10, 50, 10_000),
        20: (20, 25, 20_000),
        30: (30, 20, 30_000),
        40: (40, 15, 40_000),
        50: (50, 10, 50_000),
        5: (5, 100, 5000),
    }
