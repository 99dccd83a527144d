from dataclasses import dataclass
from pathlib import Path

import pytest

from ddoq.errors import UsageError
from ddoq.recipe.arguments import at_least, read


@dataclass(frozen=True)
class Walk:
    """A schema with a key of every type."""

    to: Path
    steps: int = 3
    pace: float = 1.5
    quick: bool = False
    by: str = "foot"
    stops: tuple[int, ...] = (1, 2)
    guests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)


def test_what_is_not_given_has_its_default():
    assert read(Walk, ["to=home"], "walk") == Walk(Path("home"))


def test_every_type_is_read():
    given = ["to=~/x", "steps=7", "pace=2", "quick=TRUE", "by=a=b", "stops=3,1", "guests=a,b,a"]
    wanted = Walk(Path.home() / "x", 7, 2.0, True, "a=b", (3, 1), ("a", "b"))
    assert read(Walk, given, "walk") == wanted


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("step=1", "did you mean 'steps'"),
        ("steps=1.5", "steps is a whole number"),
        ("steps=0", "from 1 up"),
        ("stops=1,x", "stops is a whole number"),
        ("pace=fast", "pace is a number"),
        ("pace=nan", "pace is a finite number"),
        ("quick=yes", "true or false"),
        ("quick", "'quick' is not key=value"),
        ("=1", "not key=value"),
        ("steps=", "steps= has no value"),
    ],
)
def test_a_wrong_argument_is_refused(argument: str, message: str):
    with pytest.raises(UsageError, match=message):
        read(Walk, ["to=home", argument], "walk")


def test_what_is_missing_is_named_with_all_that_can_be_given():
    with pytest.raises(UsageError, match="to= is missing") as caught:
        read(Walk, ["steps=1"], "walk")
    taken = "walk takes to=... steps=3 pace=1.5 quick=false by=foot stops=1,2 guests="
    assert caught.value.remedy == taken
