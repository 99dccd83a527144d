"""Are times told in the unit that people would use?"""

import pytest

from ddoq.display.duration import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0 s"), (5.94, "5.9 s"), (9.96, "10 s"), (89, "89 s"), (90, "1.5 min")),
        *((5399, "90 min"), (5400, "1.5 h"), (86_400, "24 h")),
    ],
)
def test_each_time_has_its_unit(seconds: int | float, words: str) -> None:
    assert duration(seconds) == words
