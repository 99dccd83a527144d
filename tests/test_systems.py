"""Does docs/systems.md tell the truth about what there is?"""

import re
from pathlib import Path

import pytest

import ddoq
from ddoq.protocols.presets import PRESETS
from ddoq.recipe.tables import DISTILLERS

PAGE = Path(ddoq.__file__).parents[1] / "docs" / "systems.md"
# The system and its place in this house.
ROWS = [
    (cells[1].strip(), cells[4])
    for line in PAGE.read_text().splitlines()
    if len(cells := line.split("|")) == 7 and not cells[1].startswith(("-", " system"))
]


def test_every_system_has_a_row():
    assert len(ROWS) == 25


@pytest.mark.parametrize(("system", "here"), ROWS)
def test_a_system_is_to_come_exactly_as_long_as_no_distiller_has_its_name(system: str, here: str):
    told, _, protocols = here.partition("protocol")
    names = re.findall(r"`([\w/]+)`", told)
    assert names
    assert (names[0] in DISTILLERS) != told.strip().startswith("to come")
    assert set(re.findall(r"`([\w/]+)`", protocols)) <= set(PRESETS)
